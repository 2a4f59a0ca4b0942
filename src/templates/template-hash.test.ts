import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minifiedTemplate, templateHash } from './template-hash.ts'
import { readTemplateText } from './template-text.ts'

test('the hash of a template is a decimal number that white space and comments do not change', () => {
  const [plain, spaced] = ['{"a":[1,"x"]}', '{ // note\n  "a": [ 1, "x" ],\n}'].map(readTemplateText)
  assert.match(templateHash(plain as never), /^\d{1,20}$/)
  assert.equal(templateHash(plain as never), templateHash(spaced as never))
  assert.equal(minifiedTemplate(spaced as never), '{"a":[1,"x"]}')
})

test('the hash of a template stays what it is', () => {
  assert.equal(templateHash({ resources: [] }), '4239582805752336523')
})

test('another template has another hash', () => {
  assert.notEqual(templateHash({ a: 1 }), templateHash({ a: 2 }))
})
