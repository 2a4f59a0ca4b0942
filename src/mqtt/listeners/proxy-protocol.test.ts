import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeProxyHeader } from './proxy-protocol.ts'

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Version 2: command and version, family, addresses and what follows them. */
const version2 = (command: number, family: number, ...parts: readonly Buffer[]) => {
  const body = Buffer.concat(parts)
  return Buffer.concat([signature, Buffer.of(command, family, body.length >> 8, body.length & 255), body])
}

const overIp4 = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x07, 0x5b])

test('version 1 says the address of a client over IPv4 and IPv6, or that it knows none', () => {
  const read = (text: string) => decodeProxyHeader(Buffer.from(text))
  const length = (text: string) => Buffer.byteLength(text)
  const four = 'PROXY TCP4 192.0.2.7 10.0.0.1 4660 1883\r\n'
  assert.deepEqual(read(`${four}rest`), { address: '192.0.2.7', secure: false, bytes: length(four) })
  const six = 'PROXY TCP6 2001:db8::1 ::1 4660 1883\r\n'
  assert.deepEqual(read(six), { address: '2001:db8::1', secure: false, bytes: length(six) })
  const unknown = 'PROXY UNKNOWN\r\n'
  assert.deepEqual(read(unknown), { address: undefined, secure: false, bytes: length(unknown) })
})

test('version 2 says the address of a client, and whether it spoke TLS with the proxy', () => {
  assert.deepEqual(decodeProxyHeader(version2(0x21, 0x11, overIp4)), {
    ...{ address: '192.0.2.7', secure: false, bytes: 28 },
  })
  const tls = Buffer.from([0x20, 0x00, 0x05, 0x01, 0, 0, 0, 0])
  assert.deepEqual(decodeProxyHeader(version2(0x21, 0x11, overIp4, tls)), {
    ...{ address: '192.0.2.7', secure: true, bytes: 36 },
  })
  const six = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.alloc(20)])
  assert.deepEqual(decodeProxyHeader(version2(0x21, 0x21, six)), {
    ...{ address: '2001:db8:0:0:0:0:0:1', secure: false, bytes: 52 },
  })
  assert.deepEqual(decodeProxyHeader(version2(0x20, 0x00)), { address: undefined, secure: false, bytes: 16 })
})

test('a header that is cut anywhere is waited for', () => {
  for (const whole of [version2(0x21, 0x11, overIp4), Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n')])
    for (let cut = 1; cut < whole.length; cut++)
      assert.equal(decodeProxyHeader(whole.subarray(0, cut)), 'more', String(cut))
})

test('what is no such header is refused', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'PROXY TCP5 a b c d\r\n',
    'PROXY TCP4 1.2.3.4\r\n',
    `PROXY ${'x'.repeat(120)}`,
  ])
    assert.equal(decodeProxyHeader(Buffer.from(text)), 'wrong', text)
  assert.equal(decodeProxyHeader(Buffer.from([0x10, 0x0c])), 'wrong')
  assert.equal(decodeProxyHeader(version2(0x31, 0x11, overIp4)), 'wrong')
  assert.equal(decodeProxyHeader(version2(0x22, 0x11, overIp4)), 'wrong')
  assert.equal(decodeProxyHeader(version2(0x21, 0x11, overIp4.subarray(4))), 'wrong')
})
