import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressRanges, decodeIpMask, plainAddress } from './ip-mask.ts'

test('an address, a range of addresses, and a mapped range are read', () => {
  assert.deepEqual(decodeIpMask('10.1.0.0/16'), { address: '10.1.0.0', prefix: 16, family: 'ipv4' })
  assert.deepEqual(decodeIpMask('10.1.2.3'), { address: '10.1.2.3', prefix: 32, family: 'ipv4' })
  assert.deepEqual(decodeIpMask('0.0.0.0/0'), { address: '0.0.0.0', prefix: 0, family: 'ipv4' })
  assert.deepEqual(decodeIpMask('2001:DB8::/32'), { address: '2001:DB8::', prefix: 32, family: 'ipv6' })
  assert.deepEqual(decodeIpMask('::1'), { address: '::1', prefix: 128, family: 'ipv6' })
  assert.deepEqual(decodeIpMask('::ffff:10.1.0.0/112'), { address: '10.1.0.0', prefix: 16, family: 'ipv4' })
})

test('what is no range of addresses is refused', () => {
  for (const text of [
    '',
    '/8',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0',
    '10.0.0.256',
    ' 10.0.0.1',
    '2001:db8::/129',
    '::ffff:10.1.0.0/95',
    'fe80::1%eth0',
    'localhost',
    '*',
  ])
    assert.equal(decodeIpMask(text), undefined, text)
})

test('a range holds its first and its last address, and not the next', () => {
  const holds = addressRanges(['10.1.0.7/16', '192.0.2.5', '2001:db8::/33'])
  for (const inside of [
    '10.1.0.0',
    '10.1.255.255',
    '192.0.2.5',
    '2001:db8::',
    '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff',
  ])
    assert.equal(holds(inside), true, inside)
  for (const outside of ['10.0.255.255', '10.2.0.0', '192.0.2.4', '192.0.2.6', '2001:db8:8000::', '::1'])
    assert.equal(holds(outside), false, outside)
})

test('an IPv4 address is the same in the clothes of IPv6, and a link-local one without its zone', () => {
  const holds = addressRanges(['10.1.0.0/16', 'fe80::/10'])
  assert.equal(plainAddress('::FFFF:10.1.2.3'), '10.1.2.3')
  assert.equal(holds('::ffff:10.1.2.3'), true)
  assert.equal(holds('::ffff:10.2.2.3'), false)
  assert.equal(holds('fe80::1%eth0'), true)
})

test('nothing holds what is no address', () => {
  const holds = addressRanges(['0.0.0.0/0', '::/0'])
  for (const text of ['', 'unknown', '10.0.0']) assert.equal(holds(text), false, text)
})
