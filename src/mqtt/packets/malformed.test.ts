import assert from 'node:assert/strict'
import { test } from 'node:test'
import { malformedPackets } from '../../testing/malformed-packets.ts'
import { decodeAll } from '../../testing/mqtt-packets.ts'
import { MalformedPacket } from './malformed-packet.ts'

for (const malformed of malformedPackets()) {
  const { version, bytes, when } = malformed
  const title = `MQTT ${version === 4 ? '3.1.1' : '5.0'} refuses ${malformed.what}`
  test(malformed.clause === '' ? title : `[${malformed.clause}] ${title}`, () => {
    const known = when === 'connected' ? version : undefined
    const error = refusalOf(() => decodeAll([bytes], 'client', known))
    assert.equal(error.reasonCode, malformed.reasonCode, error.message)
    if (malformed.clause !== '') assert.equal(error.clause, malformed.clause, error.message)
    if (when === 'first') assert.equal(error.answerIn, malformed.answerIn)
    else assert.equal(error.answerIn, version)

    const byByte = Array.from(bytes, (byte) => Uint8Array.of(byte))
    assert.equal(refusalOf(() => decodeAll(byByte, 'client', known)).message, error.message)
  })
}

function refusalOf(decode: () => unknown): MalformedPacket {
  try {
    decode()
  } catch (error) {
    if (error instanceof MalformedPacket) return error
    throw error
  }
  return assert.fail('it was not refused')
}
