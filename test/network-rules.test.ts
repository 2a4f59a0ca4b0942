import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { startTestServer, type TestServer } from '../src/testing/test-server.ts'

/* From where, and over what, events may come. */

const text = JSON.stringify([
  { id: '1', subject: 's', eventType: 't', eventTime: '2026-01-02T03:04:05Z', dataVersion: '1', data: {} },
])
const allow = (...masks: string[]) => ({
  inboundIpRules: masks.map((ipMask) => ({ ipMask, action: 'Allow' })),
})

/** Publishes to a new topic with these properties; the status, and what the body says. */
async function publish(
  server: TestServer,
  properties: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<{ readonly status: number; readonly says: string; readonly topic: string }> {
  const { id } = await server.createTopic('guarded', properties)
  const answer = await server.publishRaw(text, { topic: 'guarded', headers })
  return { status: answer.status, says: await answer.text(), topic: id }
}

test('an address that a rule names may publish, another is told so and counted apart', async (t) => {
  const server = await startTestServer(t)
  assert.equal((await publish(server, {})).status, 200)
  assert.equal((await publish(server, allow())).status, 200, 'no rule is no filter')
  assert.equal((await publish(server, allow('127.0.0.1'))).status, 200)
  assert.equal((await publish(server, allow('10.0.0.0/8', '127.0.0.0/8'))).status, 200)
  const { status, says, topic } = await publish(server, allow('10.0.0.0/8', '127.0.0.2'))
  assert.equal(status, 403)
  const { error } = JSON.parse(says)
  assert.equal(error.code, 'Forbidden')
  assert.equal(error.details[0].code, 'Forbidden')
  assert.match(error.message, /127\.0\.0\.1:\d+ by client 127\.0\.0\.1 is rejected due to IP filtering/)
  const counted = await server.metric('busbar_publish_fail_total', { topic, error_type: 'ClientIPRejected' })
  assert.equal(counted, 1)
})

test('rules are asked before the credential, and again after they change', async (t) => {
  const server = await startTestServer(t)
  const rejected = await publish(server, allow('10.0.0.0/8'), { 'aeg-sas-key': 'wrong' })
  assert.equal(rejected.status, 403)
  await server.call('PATCH', rejected.topic, { properties: allow('127.0.0.1') })
  assert.equal((await server.publishRaw(text, { topic: 'guarded' })).status, 200)
  await server.call('PATCH', rejected.topic, { properties: { publicNetworkAccess: 'Disabled' } })
  const closed = await server.publishRaw(text, { topic: 'guarded' })
  assert.equal(closed.status, 403)
  assert.match(await closed.text(), /public network access is disabled/)
})

test('rules outlive a restart and are shown as they were given', async (t) => {
  const server = await startTestServer(t)
  const { topic } = await publish(server, {
    inboundIpRules: [{ ipMask: '2001:DB8::/32', action: 'allow' }, { ipMask: '10.0.0.1' }],
  })
  await server.restart()
  const { body } = await server.call('GET', topic)
  assert.deepEqual(body.properties.inboundIpRules, [
    { ipMask: '2001:db8::/32', action: 'Allow' },
    { ipMask: '10.0.0.1', action: 'Allow' },
  ])
  assert.equal((await server.publishRaw(text, { topic: 'guarded' })).status, 403)
})

test('IPv6 addresses are told apart as IPv4 addresses are', async (t) => {
  if (!(await hasIpv6(t))) {
    t.skip('this machine has no IPv6')
    return
  }
  const server = await startTestServer(t, { flags: { host: '::1' } })
  assert.equal((await publish(server, allow('::1'))).status, 200)
  assert.equal((await publish(server, allow('::/64'))).status, 200)
  const { status, says } = await publish(server, allow('2001:db8::/32', '0.0.0.0/0'))
  assert.equal(status, 403)
  assert.match(says, /by client ::1 /)
})

test('behind a trusted proxy, the client it names is the one that counts', async (t) => {
  const server = await startTestServer(t, { file: { trustedProxies: ['127.0.0.1'] } })
  const from = (client: string) => publish(server, allow('192.0.2.0/24'), { 'x-forwarded-for': client })
  assert.equal((await from('192.0.2.7')).status, 200)
  const { status, says } = await from('192.0.2.7, 203.0.113.9')
  assert.equal(status, 403)
  assert.match(says, /by client 203\.0\.113\.9 /)
  const secure = { minimumTlsVersionAllowed: '1.2' }
  assert.equal((await publish(server, secure, { 'x-forwarded-proto': 'https' })).status, 200)
  assert.equal((await publish(server, secure, { 'x-forwarded-proto': 'http' })).status, 403)
})

test('without a trusted proxy, nobody chooses an address', async (t) => {
  const server = await startTestServer(t)
  const { status, says } = await publish(server, allow('192.0.2.0/24'), { 'x-forwarded-for': '192.0.2.7' })
  assert.equal(status, 403)
  assert.match(says, /by client 127\.0\.0\.1 /)
})

test('with a minimum TLS version nothing is taken over a plain connection', async (t) => {
  const server = await startTestServer(t)
  setDefaultCACertificates([...getCACertificates(), server.ca])
  const { status, says } = await publish(server, { minimumTlsVersionAllowed: '1.2' })
  assert.equal(status, 403)
  assert.match(says, /takes TLS 1\.2 or newer \(minimumTlsVersionAllowed\)/)
  const topic = await server.createTopic('guarded', { minimumTlsVersionAllowed: '1.2' })
  const overTls = await fetch(topic.endpoint, {
    method: 'POST',
    headers: { 'aeg-sas-key': topic.key1 },
    body: text,
  })
  assert.equal(overTls.status, 200)
})

function hasIpv6(t: TestContext): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    t.after(() => server.close())
    server.on('error', () => resolve(false))
    server.listen(0, '::1', () => resolve(true))
  })
}
