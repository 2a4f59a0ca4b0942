import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpRefusal } from './errors.ts'
import { amqpHeader, decodeProtocolHeader, FrameCutter } from './frames.ts'

const frame = (size: number, ...rest: number[]) => {
  const bytes = Buffer.alloc(size)
  bytes.writeUInt32BE(size)
  bytes.set(rest, 4)
  return bytes
}

test('bytes cut at every place come out as the same header and frames', () => {
  const parts = [amqpHeader, frame(8, 2, 0, 0, 0), frame(12, 2, 0, 0, 1, 9, 9), frame(64, 2)]
  const all = Buffer.concat(parts)
  for (let size = 1; size <= all.length; size++) {
    const cutter = new FrameCutter(64)
    const came: Buffer[] = []
    for (let from = 0; from < all.length; from += size) {
      cutter.push(all.subarray(from, from + size))
      for (let next = cutter.next(); next; next = cutter.next()) came.push(next)
    }
    assert.deepEqual(came, parts)
  }
})

test('a frame is refused by its size, before it has come', () => {
  for (const size of [0, 7, 65]) {
    const cutter = new FrameCutter(64)
    const said = Buffer.alloc(4)
    said.writeUInt32BE(size)
    cutter.push(Buffer.concat([amqpHeader, said]))
    assert.ok(cutter.next())
    assert.throws(() => cutter.next(), AmqpRefusal)
  }
})

test('a second header comes where it is expected, behind the SASL layer', () => {
  const cutter = new FrameCutter(64)
  cutter.push(Buffer.concat([amqpHeader, frame(8, 2, 1, 0, 0), amqpHeader]))
  assert.equal(cutter.next()?.length, 8)
  assert.equal(cutter.next()?.length, 8)
  cutter.expectHeader()
  assert.deepEqual(cutter.next(), amqpHeader)
  assert.equal(cutter.next(), undefined)
})

test('headers of AMQP 1.0 and its SASL layer are known, and no others', () => {
  const header = (protocol: number, major: number) =>
    decodeProtocolHeader(Buffer.from([0x41, 0x4d, 0x51, 0x50, protocol, major, 0, 0]))
  assert.equal(header(0, 1), 'amqp')
  assert.equal(header(3, 1), 'sasl')
  assert.equal(header(2, 1), undefined)
  assert.equal(header(0, 2), undefined)
  assert.equal(decodeProtocolHeader(Buffer.from('GET / HT')), undefined)
})
