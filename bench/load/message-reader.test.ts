import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageReader } from './message-reader.ts'

const messages = Buffer.from(
  'POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n' +
    'GET /b HTTP/1.1\r\nHost: x\r\n\r\n',
)

test('messages are cut the same wherever the connection cuts their bytes', () => {
  for (let cut = 0; cut <= messages.length; cut++) {
    const found: string[] = []
    const reader = new MessageReader((head, body) =>
      found.push(`${head.slice(0, head.indexOf('\r'))} ${body.toString()}`),
    )
    reader.push(messages.subarray(0, cut))
    reader.push(messages.subarray(cut))
    assert.deepEqual(found, ['POST /a HTTP/1.1 hello', 'HTTP/1.1 200 OK abcde', 'GET /b HTTP/1.1 '])
  }
})

test('messages are read from one byte at a time', () => {
  let count = 0
  const reader = new MessageReader(() => count++)
  for (const byte of messages) reader.push(Buffer.from([byte]))
  assert.equal(count, 3)
})
