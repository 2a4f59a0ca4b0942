import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import { selfSigned } from '../src/testing/certificate.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/* What the configuration file says is what the server does. */

const eventOf = (id: string, bytes = 10) => ({
  ...{ id, subject: '/s', eventType: 't', eventTime: '2026-01-02T03:04:05Z' },
  data: 'x'.repeat(bytes),
})

test('publishing refuses what is over the configured limits', async (t) => {
  const limits = { requestBytes: 4000, eventBytes: 2000, eventsPerRequest: 3, jsonDepth: 4 }
  const server = await startTestServer(t, { file: { limits }, flags: { httpsPort: 'off' } })
  const send = async (body: unknown) => (await server.publishRaw(JSON.stringify(body))).status
  assert.equal(await send([eventOf('1', 1500), eventOf('2', 1500)]), 200)
  assert.equal(await send([eventOf('1', 1500), eventOf('2', 1500), eventOf('3', 1500)]), 413)
  assert.equal(await send([eventOf('1', 2100)]), 413)
  assert.equal(await send(['1', '2', '3'].map((id) => eventOf(id))), 200)
  assert.notEqual(await send(['1', '2', '3', '4'].map((id) => eventOf(id))), 200)
  assert.equal(await send([{ ...eventOf('1'), data: [[[]]] }]), 200)
  assert.equal(await send([{ ...eventOf('1'), data: [[[[]]]] }]), 400)
})

test('a control-plane body over the configured limit is refused', async (t) => {
  const server = await startTestServer(t, {
    file: { limits: { armBodyBytes: 500 } },
    flags: { httpsPort: 'off' },
  })
  const topic = '/resourceGroups/rg/providers/Microsoft.EventGrid/topics/large'
  const sized = (bytes: number) => ({ location: 'westus2', tags: { a: 'x'.repeat(bytes) } })
  assert.equal((await server.call('PUT', topic, sized(100))).status, 201)
  const { status, body } = await server.call('PUT', topic, { ...sized(100), ignored: 'x'.repeat(500) })
  assert.equal(status, 413)
  assert.match(body.error.message, /500 bytes/)
})

test('a topic takes as many event subscriptions as configured and not one more, made at once or in turn', async (t) => {
  const server = await startTestServer(t, {
    file: { limits: { eventSubscriptionsPerTopic: 3 } },
    flags: { httpsPort: 'off' },
  })
  const hook = await startRecordingWebhook(t)
  await server.createTopic('orders-2')
  const properties = { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } }
  const put = (name: string, topic?: string) => server.call('PUT', server.idOf(name, topic), { properties })
  const answers = await Promise.all(['es1', 'es2', 'es3', 'es4', 'es5'].map((name) => put(name)))
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 201, 201, 409, 409])
  const { body } = answers.find(({ status }) => status === 409) ?? {}
  assert.equal(body.error.code, 'Conflict')
  assert.match(body.error.message, /limit of 3 .*eventSubscriptions/)
  const made = answers.findIndex(({ status }) => status === 201)
  assert.equal((await put(`es${made + 1}`)).status, 201)
  assert.equal((await put('es9')).status, 409)
  assert.equal((await put('es9', 'orders-2')).status, 201)
  await server.call('DELETE', server.idOf(`es${made + 1}`))
  assert.equal((await put('es9')).status, 201)
})

test('a webhook with a certificate of nobody known is refused, unless the configuration takes it', async (t) => {
  for (const [allowSelfSigned, state] of [
    [false, 'Failed'],
    [true, 'Succeeded'],
  ] as const) {
    const server = await startTestServer(t, {
      file: { webhooks: { allowSelfSigned } },
      flags: { httpsPort: 'off', timeScale: '1000' },
    })
    const hook = await startRecordingWebhook(t, [200], { certificate: selfSigned })
    const properties = { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } }
    await server.call('PUT', server.idOf(), { properties })
    assert.equal((await server.call('GET', server.idOf())).body.properties.provisioningState, state)
    await server.publish({ id: '1' })
    await server.settle()
    assert.equal(hook.received.length, allowSelfSigned ? 1 : 0)
  }
})

test('webhooks without TLS and at private addresses are refused where the configuration forbids them', async (t) => {
  const hook = await startRecordingWebhook(t, [200], { certificate: selfSigned })
  const webhook = (endpointUrl: string) => ({
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl } } },
  })
  const server = await startTestServer(t, {
    file: { webhooks: { allowHttp: false, allowSelfSigned: true, allowPrivateAddresses: false } },
    flags: { httpsPort: 'off' },
  })
  const plain = await server.call('PUT', server.idOf('plain'), webhook('http://127.0.0.1:1/'))
  assert.equal(plain.status, 400)
  await server.call('PUT', server.idOf('near'), webhook(hook.url))
  assert.equal((await server.call('GET', server.idOf('near'))).body.properties.provisioningState, 'Failed')
  assert.equal(hook.connections, 0)
})

test('with administrators, the control plane and traces are theirs alone; publishing still goes by topic keys', async (t) => {
  const key = 'a-key-of-at-least-16-characters'
  const file = { auth: { administrators: [{ name: 'ops', key }] } }
  const server = await startTestServer(t, { file, flags: { httpsPort: 'off' }, administratorKey: key })
  await server.publish({ id: '1' })
  const topic = `${server.http}/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg`
  for (const url of [`${topic}?api-version=2021-04-01`, `${server.http}/events/1/trace`]) {
    const statusWith = async (headers: Record<string, string>) => (await fetch(url, { headers })).status
    assert.equal(await statusWith({}), 401, url)
    assert.equal(await statusWith({ authorization: `Bearer ${key.toUpperCase()}` }), 401, url)
    assert.equal(await statusWith({ authorization: `Bearer ${key}` }), 200, url)
  }
  assert.equal((await fetch(`${server.http}/healthz`)).status, 200)
})

test('polling URLs are those of the public URL for who came by it, and of the listener for others', async (t) => {
  const publicUrl = 'https://events.example.org/grid'
  const server = await startTestServer(t, { file: { publicUrl } })
  const path = `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/polled`
  const pollingUrl = (host?: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', ...(host !== undefined && { host }) }
      // As a proxy passes a request on whose TLS it has ended.
      httpRequest(`${server.http}${path}?api-version=2025-02-15`, { method: 'PUT', headers }, (response) => {
        response.resume()
        resolve(String(response.headers['azure-asyncoperation']))
      })
        .on('error', reject)
        .end('{"location":"westus2"}')
    })
  assert.ok((await pollingUrl('Events.example.org')).startsWith(`${publicUrl}/subscriptions/`))
  assert.ok((await pollingUrl()).startsWith(`${server.http}/subscriptions/`))
})

test('endpoints and validation URLs begin with the public URL', async (t) => {
  const publicUrl = 'https://events.example.org/grid'
  const server = await startTestServer(t, { file: { publicUrl }, flags: { httpsPort: 'off' } })
  const { endpoint } = await server.createTopic('shown')
  assert.equal(endpoint, `${publicUrl}/topics/westus2/shown/api/events`)
  const hook = await startRecordingWebhook(t)
  await server.subscribe({ to: hook.url })
  const [[event] = []] = hook.handshakes.map(
    ({ body }) => body as readonly { readonly data: { readonly validationUrl: string } }[],
  )
  assert.ok(event?.data.validationUrl.startsWith(`${publicUrl}/eventsubscriptions/es1/validate?id=`))
})
