import assert from 'node:assert/strict'
import { test } from 'node:test'
import { malformedPackets } from '../../src/testing/malformed-packets.ts'
import { connectRaw, openRaw } from '../../src/testing/mqtt-client.ts'
import { startTestBroker } from '../../src/testing/test-broker.ts'

/*
 * Every packet that breaks the standards ends its own connection, with the reason in 5.0, and no other.
 * [MQTT-4.13.1-1], [MQTT-4.8.0-1] of 3.1.1
 */

test('a malformed packet ends its connection with the reason code that it deserves, and no other', async (t) => {
  const { port } = await startTestBroker(t)
  const bystander = await connectRaw(t, port, 5, { clientId: 'bystander' })
  await bystander.subscribe('bystanders')

  for (const malformed of malformedPackets()) {
    const { version, when, bytes, reasonCode, answerIn } = malformed
    const clause = malformed.clause === '' ? '' : `[${malformed.clause}] `
    await t.test(`${clause}MQTT ${version === 4 ? '3.1.1' : '5.0'}: ${malformed.what}`, async (subtest) => {
      if (when === 'connected') {
        const client = await connectRaw(subtest, port, version)
        client.send(bytes)
        await client.refused(reasonCode)
        return
      }
      const client = await openRaw(subtest, port, answerIn ?? version)
      client.send(bytes)
      const rest = await client.rest()
      const answers = rest.map((packet) => packet.type === 'connack' && packet.reasonCode)
      if (answerIn === 5) assert.deepEqual(answers, [reasonCode])
      // 3.1.1 has one word for this, for another protocol level [MQTT-3.1.2-2]; else none [MQTT-3.2.2-6].
      else assert.deepEqual(answers, answerIn === 4 && reasonCode === 0x84 ? [1] : [])
    })
  }

  await bystander.publish('bystanders', 'still here', { qos: 1 })
  const [heard] = await bystander.messages()
  assert.equal(heard?.payload.toString(), 'still here')
})
