import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packet, text, uint16, varint } from '../../testing/mqtt-bytes.ts'
import { decodeAll, encodeAll } from '../../testing/mqtt-packets.ts'
import { Decoder, type PacketHandler } from './decoder.ts'
import { encodeAck, encodePublish } from './encoder.ts'
import { Output } from './output.ts'
import { noProperties, type PublishPacket, type QoS } from './packet.ts'
import { createPublishFrame, writePublishFrame } from './publish-frame.ts'

const pingreq = packet(0xc0)

const message = (topicName: string, qos: QoS = 0): PublishPacket => ({
  type: 'publish',
  dup: false,
  qos,
  retain: false,
  topicName,
  packetId: qos === 0 ? 0 : 7,
  properties: noProperties,
  payload: Buffer.from('21'),
})

const decoderOf = (handler: PacketHandler, maxPacketBytes = 1000) =>
  new Decoder({ from: 'client', handler, maxPacketBytes, protocolVersion: 4 })

test('a packet of exactly the largest size is decoded, and one of a byte more is refused before its body comes', () => {
  const body = Buffer.concat([text('a'), Buffer.alloc(497)])
  const decoded: number[] = []
  const decoder = decoderOf({ publish: ({ payload }) => decoded.push(payload.length) }, 503)
  decoder.push(packet(0x30, body))
  assert.deepEqual(decoded, [497])
  assert.throws(() => decoder.push(Buffer.concat([Buffer.of(0x30), varint(501)])), { reasonCode: 0x95 })
  assert.equal(decoder.bufferedBytes, 0)
})

test('the largest size may change while the connection lasts', () => {
  const decoder = decoderOf({ publish: () => {} }, 20)
  decoder.maxPacketBytes = 40
  decoder.push(packet(0x30, text('a'), Buffer.alloc(30)))
  assert.throws(() => decoder.push(packet(0x30, text('a'), Buffer.alloc(40))), { reasonCode: 0x95 })
})

test('after a refusal nothing is taken any more, and nothing is kept', () => {
  let decoded = 0
  const decoder = decoderOf({ pingreq: () => decoded++ })
  assert.throws(() => decoder.push(Buffer.concat([pingreq, Buffer.of(0xc1), pingreq])), { reasonCode: 0x81 })
  decoder.push(pingreq)
  assert.equal(decoded, 1)
  assert.equal(decoder.bufferedBytes, 0)
})

test('a packet for which the handler has no method is a protocol error', () => {
  assert.throws(() => decoderOf({}).push(pingreq), { reasonCode: 0x82 })
})

test('what a handler throws is not taken for a fault of the sender', () => {
  const decoder = decoderOf({
    pingreq: () => {
      throw new RangeError('ours')
    },
  })
  assert.throws(() => decoder.push(pingreq), RangeError)
})

test('a paused decoder keeps what comes and goes on where it stopped', () => {
  const decoded: string[] = []
  const decoder = decoderOf({
    pingreq: () => {},
    publish: ({ topicName }) => {
      decoded.push(topicName)
      if (topicName === 'stop') decoder.pause()
    },
  })
  const bytes = encodeAll([message('a'), message('stop'), message('b'), message('stop'), message('c')], 4)
  decoder.push(bytes.subarray(0, 30))
  decoder.push(bytes.subarray(30, 31))
  decoder.push(bytes.subarray(31))
  assert.deepEqual(decoded, ['a', 'stop'])
  decoder.resume()
  assert.deepEqual(decoded, ['a', 'stop', 'b', 'stop'])
  decoder.push(pingreq.subarray(0, 1))
  decoder.resume()
  assert.deepEqual(decoded, ['a', 'stop', 'b', 'stop', 'c'])
  assert.equal(decoder.bufferedBytes, 1)
})

test('a decoder that is resumed while its handler still runs goes on after it, in order', () => {
  const decoded: string[] = []
  const decoder = decoderOf({
    publish: ({ topicName }) => {
      decoder.pause()
      decoder.resume()
      decoded.push(topicName)
    },
  })
  decoder.push(encodeAll([message('a'), message('b'), message('c')], 4))
  assert.deepEqual(decoded, ['a', 'b', 'c'])
})

test('a stopped decoder hands out nothing more, not even of the same chunk', () => {
  let decoded = 0
  const decoder = decoderOf({
    pingreq: () => {
      decoded++
      decoder.stop()
    },
  })
  decoder.push(Buffer.concat([pingreq, pingreq, pingreq.subarray(0, 1)]))
  decoder.push(pingreq)
  assert.equal(decoded, 1)
  assert.equal(decoder.bufferedBytes, 0)
})

test('a payload is a view of the chunk, and not a copy', () => {
  const bytes = encodeAll([message('a')], 4)
  decoderOf({ publish: ({ payload }) => assert.equal(payload.buffer, bytes.buffer) }).push(bytes)
})

test('memory grows with what came, not with what a length promises', () => {
  const decoder = decoderOf({ publish: () => {} }, 0xfffffff)
  decoder.push(Buffer.concat([Buffer.of(0x30), varint(0xffffff0), Buffer.alloc(10)]))
  assert.equal(decoder.bufferedBytes, 15)
})

test('a topic name that came before is the very same string, and many of them do not mix', () => {
  const names = Array.from({ length: 500 }, (_, index) => `devices/${index}/telemetry`)
  const decoded: string[] = []
  const decoder = decoderOf({ publish: ({ topicName }) => decoded.push(topicName) })
  for (let round = 0; round < 3; round++)
    for (const name of names) decoder.push(encodeAll([message(name), message(name)], 4))
  assert.deepEqual(
    decoded,
    [...names, ...names, ...names].flatMap((name) => [name, name]),
  )
})

test('a topic name with a wildcard is refused also when it was allowed as something else before', () => {
  const decoder = decoderOf({ publish: () => {}, subscribe: () => {} })
  decoder.push(packet(0x82, uint16(1), text('a/#'), 0))
  decoder.push(packet(0x30, text('a/b')))
  assert.throws(() => decoder.push(packet(0x30, text('a/#'))), { reasonCode: 0x90 })
})

test('U+FEFF is a character like any other, wherever it stands', () => {
  // [MQTT-1.5.4-3]
  const topicName = '\u{feff}a\u{feff}'
  const [decoded] = decodeAll([packet(0x30, text(topicName))], 'client', 4)
  assert.equal(decoded?.type === 'publish' && decoded.topicName, topicName)
})

test('noncharacters and control characters are passed on', () => {
  const topicName = 'a\u0001\u007f\u009f\uffff\u{1ffff}'
  const [decoded] = decodeAll([packet(0x30, text(topicName))], 'client', 4)
  assert.equal(decoded?.type === 'publish' && decoded.topicName, topicName)
})

test('a frame is the packet that the encoder writes, whatever its id and DUP', () => {
  for (const version of [4, 5] as const)
    for (const qos of [0, 1, 2] as const)
      for (const length of [0, 100, 200, 20_000]) {
        const base = { ...message('thermometers/°C', qos), payload: Buffer.alloc(length, 1), retain: true }
        const frame = createPublishFrame({ ...base, packetId: 0 }, version)
        const written = new Output()
        for (const [packetId, dup] of [
          [1, false],
          [65_535, true],
          [258, false],
        ] as const)
          writePublishFrame(written, frame, packetId, dup && qos > 0)
        const encoded = new Output()
        for (const [packetId, dup] of [
          [1, false],
          [65_535, true],
          [258, false],
        ] as const)
          encodePublish(
            encoded,
            { ...base, packetId: qos === 0 ? 0 : packetId, dup: dup && qos > 0 },
            version,
          )
        assert.deepEqual(written.take(), encoded.take())
      }
})

test('an acknowledgement is short where it can be', () => {
  const output = new Output()
  encodeAck(output, 'puback', 5, 258)
  encodeAck(output, 'pubrel', 5, 258, 0x92)
  encodeAck(output, 'pubrec', 4, 258, 0x87)
  encodeAck(output, 'pubcomp', 5, 1, 0x92, { reasonString: 'x' })
  assert.deepEqual(
    [...output.take()],
    [0x40, 2, 1, 2, 0x62, 3, 1, 2, 0x92, 0x50, 2, 1, 2, 0x70, 8, 0, 1, 0x92, 4, 0x1f, 0, 1, 0x78],
  )
})

test('what was taken from an output is not written over', () => {
  const output = new Output(8)
  output.write(Buffer.from('first'))
  const taken = output.take()
  output.write(Buffer.from('second'))
  assert.equal(taken.toString(), 'first')
  assert.equal(output.take().toString(), 'second')
})

test('a string of more than 65,535 bytes cannot be encoded', () => {
  assert.throws(() => encodeAll([message('a'.repeat(65_536))], 4), RangeError)
  assert.throws(() => encodeAll([message('é'.repeat(32_768))], 4), RangeError)
})

for (const [what, version, bytes] of [
  ['CONNACK with reserved flags', 5, packet(0x20, 2, 0, 0)],
  ['CONNACK with an unknown reason code', 5, packet(0x20, 0, 1, 0)],
  ['CONNACK with an unknown return code', 4, packet(0x20, 0, 6)],
  ['CONNACK that refuses and has a session', 5, packet(0x20, 1, 0x87, 0)],
  ['SUBACK with an unknown code', 4, packet(0x90, uint16(1), 3)],
  ['SUBACK without a code', 5, packet(0x90, uint16(1), 0)],
  ['UNSUBACK without a code', 5, packet(0xb0, uint16(1), 0)],
  ['DISCONNECT in 3.1.1', 4, packet(0xe0)],
  ['DISCONNECT with a session expiry interval', 5, packet(0xe0, 0, 5, 0x11, 0, 0, 0, 1)],
  ['CONNECT', 5, packet(0x10)],
  ['SUBSCRIBE', 5, packet(0x82, uint16(1), 0, text('a'), 0)],
  ['AUTH that begins again', 5, packet(0xf0, 0x19, 4, 0x15, text('a'))],
] as const)
  test(`${what} from a server is refused in MQTT ${version === 4 ? '3.1.1' : '5.0'}`, () => {
    assert.throws(() => decodeAll([bytes], 'server', version), { name: 'MalformedPacket' })
  })
