import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest, suggestion } from './nearest.ts'

const known = ['httpPort', 'httpsPort', 'host', 'dataDir']

test('a mistyped name is told what it was most likely meant to be', () => {
  assert.equal(nearest('htpPort', known), 'httpPort')
  assert.equal(nearest('http-port', known), 'httpPort')
  assert.equal(nearest('hsot', known), 'host')
  assert.equal(suggestion('datadir', known), " Did you mean 'dataDir'?")
})

test('a name that is like no other gets no suggestion', () => {
  assert.equal(nearest('retries', known), undefined)
  assert.equal(suggestion('retries', known), '')
})
