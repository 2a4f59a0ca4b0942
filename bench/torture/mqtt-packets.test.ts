import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzPackets } from './mqtt-packets.ts'

test('a hundred thousand mutated packets are understood or refused, and nothing else happens', () => {
  const { understood, refused } = fuzzPackets({ packets: 100_000, seed: 4711 })
  assert.equal(understood + refused, 100_000)
  assert.ok(understood > 10_000, `${understood} were understood`)
  assert.ok(refused > 10_000, `${refused} were refused`)
})
