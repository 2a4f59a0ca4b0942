import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutTrailingSlashes } from './trailing-slashes.ts'

test('slashes at the end are taken away, and no others', () => {
  for (const [text, expected] of [
    ['', ''],
    ['a', 'a'],
    ['a/', 'a'],
    ['/a//b///', '/a//b'],
    ['///', ''],
  ] as const)
    assert.equal(withoutTrailingSlashes(text), expected)
})

test('a million slashes that are not at the end take no time', () => {
  const text = `${'/'.repeat(1_000_000)}x`
  assert.equal(withoutTrailingSlashes(text), text)
})
