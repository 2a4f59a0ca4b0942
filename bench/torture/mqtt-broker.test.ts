import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestBroker } from '../../src/testing/test-broker.ts'
import { fuzzBroker } from './mqtt-broker.ts'

test('a broker goes on through two thousand mutated packets, and a bystander hears all that it says', async (t) => {
  const { port, brokerRealm } = await startTestBroker(t)
  const { sent, heard } = await fuzzBroker({ port, packets: 2000, seed: 42, connections: 20 })
  assert.ok(sent >= 2000 && heard > 0)
  while (brokerRealm.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
})
