import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from './message.ts'

test('an expiry that no date can tell is the end of time, and not the end of the connection', () => {
  const expiryOf = (value: unknown) =>
    decodeMessage({ absolute_expiry_time: value as never, body: Buffer.alloc(0) }).expiresAt
  assert.equal(expiryOf(new Date(5)), 5)
  assert.equal(expiryOf(5), 5)
  for (const [value, year] of [
    [new Date(8.65e15), 275_760],
    [2 ** 62, 275_760],
    [-(2 ** 62), -271_821],
  ] as const)
    assert.equal(new Date(expiryOf(value) ?? NaN).getUTCFullYear(), year)
  assert.equal(expiryOf(undefined), undefined)
})
