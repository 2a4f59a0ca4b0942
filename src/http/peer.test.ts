import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressRanges } from '../base/ip-mask.ts'
import type { HttpRequest } from './http.ts'
import { createPeerOf } from './peer.ts'

const request = (remoteAddress: string, headers: Record<string, string> = {}, tlsVersion?: string) =>
  ({ remoteAddress, headers, tlsVersion }) as unknown as HttpRequest

const behindProxy = createPeerOf(addressRanges(['10.0.0.0/8', '::1']))

test('without trusted proxies the client is whoever opened the connection, whatever the headers say', () => {
  const peerOf = createPeerOf(undefined)
  const forged = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' }
  assert.deepEqual(peerOf(request('::ffff:10.0.0.1', forged)), { address: '10.0.0.1', isTls: false })
  assert.deepEqual(peerOf(request('10.0.0.1', forged, 'TLSv1.3')), { address: '10.0.0.1', isTls: true })
})

test('the headers of someone who is no trusted proxy are no word of anyone', () => {
  const forged = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' }
  assert.deepEqual(behindProxy(request('203.0.113.9', forged)), { address: '203.0.113.9', isTls: false })
})

test('behind trusted proxies the client is the last hop that is none of them', () => {
  const of = (hops: string, from = '10.0.0.1') =>
    behindProxy(request(from, { 'x-forwarded-for': hops })).address
  assert.equal(of('192.0.2.1'), '192.0.2.1')
  assert.equal(of('6.6.6.6, 192.0.2.1'), '192.0.2.1', 'what stands before it may be forged')
  assert.equal(of('6.6.6.6, 192.0.2.1,10.1.1.1 , 10.2.2.2', '::1'), '192.0.2.1')
  assert.equal(of('192.0.2.1:4711'), '192.0.2.1')
  assert.equal(of('[2001:db8::7]:4711'), '2001:db8::7')
  assert.equal(of('::ffff:192.0.2.1'), '192.0.2.1')
})

test('where the hops end early or make no sense, the last trusted one counts', () => {
  const of = (headers: Record<string, string>) => behindProxy(request('10.0.0.1', headers)).address
  assert.equal(of({}), '10.0.0.1')
  assert.equal(of({ 'x-forwarded-for': '' }), '10.0.0.1')
  assert.equal(of({ 'x-forwarded-for': '192.0.2.1, unknown' }), '10.0.0.1')
  assert.equal(of({ 'x-forwarded-for': '10.3.3.3' }), '10.3.3.3')
})

test('a trusted proxy says whether its client spoke TLS', () => {
  const isTls = (protocol: string | undefined, tlsVersion?: string) =>
    behindProxy(
      request('10.0.0.1', protocol === undefined ? {} : { 'x-forwarded-proto': protocol }, tlsVersion),
    ).isTls
  assert.equal(isTls('https'), true)
  assert.equal(isTls('http, HTTPS'), true)
  assert.equal(isTls('http', 'TLSv1.3'), false)
  assert.equal(isTls(undefined, 'TLSv1.3'), true)
  assert.equal(isTls(undefined), false)
})
