import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ClientSecretCredential } from '@azure/identity'
import { SignJWT } from 'jose'
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt'
import { selfSigned } from '../src/testing/certificate.ts'
import { issueTestCertificate, type TestCertificate, x509Of } from '../src/testing/client-certificates.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { connectMqtt, createTestNamespace, disconnection } from '../src/testing/mqtt-namespace.ts'
import { startRecordingWebhook, type WebhookHandler } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer, type TestServerOptions } from '../src/testing/test-server.ts'
import { startTokenIssuer } from '../src/testing/token-issuer.ts'

const versions = [4, 5] as const
const notAuthorized = (version: 4 | 5) => ({ code: version === 5 ? 0x87 : 5 })
const unavailable = (version: 4 | 5) => ({ code: version === 5 ? 0x88 : 3 })

async function start(t: TestContext, options?: TestServerOptions) {
  const server = await startTestServer(t, {
    ...options,
    file: { webhooks: { allowHttp: true, allowPrivateAddresses: true }, ...options?.file },
  })
  const namespace = await createTestNamespace(server)
  const connect = (more: IClientOptions & { readonly url?: string }) => connectMqtt(t, server, more)
  /** As a registered client, whose session has its name. */
  const enter = (
    name: string,
    certificate: TestCertificate,
    more: IClientOptions & { readonly url?: string } = {},
  ) => connect({ clientId: name, username: name, ...certificate, ...more })
  return { server, namespace, connect, enter }
}

const nextMessage = (client: MqttClient) =>
  new Promise<string>((resolve) => {
    client.once('message', (topic, payload) => resolve(`${topic} ${payload.toString()}`))
  })

const machine = `machines/\${client.authenticationName}/#`

// ---------------------------------------------------------------- certificates

for (const protocolVersion of versions)
  for (const transport of ['mqtts', 'wss'] as const)
    test(`two clients with certificates talk over ${transport} in version ${protocolVersion}, one of a CA and one by thumbprint`, async (t) => {
      const { server, namespace, enter } = await start(t)
      await namespace.allow(['machines/+/temp'])
      const one = await namespace.register('one')
      const two = await issueTestCertificate({ subject: 'CN=anything' })
      await namespace.put('clients/two', {
        clientCertificateAuthentication: {
          validationScheme: 'ThumbprintMatch',
          allowedThumbprints: [x509Of(two).fingerprint256],
        },
      })
      const url = transport === 'wss' ? `${server.https.replace('https', 'wss')}/mqtt` : server.mqtts
      const subscriber = await enter('one', one, { protocolVersion, url })
      const publisher = await enter('two', two, { protocolVersion, url })
      await subscriber.subscribeAsync('machines/+/temp', { qos: 1 })
      const message = nextMessage(subscriber)
      await publisher.publishAsync('machines/two/temp', '21', { qos: 1 })
      assert.equal(await message, 'machines/two/temp 21')
    })

const schemes = [
  ['SubjectMatchesAuthenticationName', 'device1', undefined],
  ['DnsMatchesAuthenticationName', 'device1.example.org', 'dns'],
  ['UriMatchesAuthenticationName', 'urn:device:1', 'url'],
  ['IpMatchesAuthenticationName', '10.0.0.1', 'ip'],
  ['EmailMatchesAuthenticationName', 'device1@example.org', 'email'],
] as const

test('each validation scheme lets in who bears the name where it looks, with the intermediates that are sent along', async (t) => {
  const { namespace, connect } = await start(t)
  const middle = await issueTestCertificate({ subject: 'CN=middle', authority: true, by: namespace.root })
  for (const [validationScheme, authenticationName, type] of schemes) {
    await namespace.put(`clients/${validationScheme}`, {
      authenticationName,
      clientCertificateAuthentication: { validationScheme },
    })
    const names = type ? [{ type, value: authenticationName }] : []
    const own = await issueTestCertificate({ subject: 'CN=device1', names, by: middle })
    const other = await issueTestCertificate({ subject: 'CN=other', by: middle })
    for (const protocolVersion of versions) {
      const request = { protocolVersion, clientId: validationScheme, username: authenticationName }
      const sent = (each: TestCertificate) => ({ key: each.key, cert: each.cert + middle.cert })
      await assert.rejects(connect({ ...request, ...sent(other) }), notAuthorized(protocolVersion))
      const client = await connect({ ...request, ...sent(own) })
      await client.endAsync()
    }
  }
})

for (const protocolVersion of versions)
  test(`in version ${protocolVersion} nobody comes in without a name, a registration or a certificate that counts`, async (t) => {
    const { namespace, connect } = await start(t)
    const own = await namespace.register('one')
    const stranger = await issueTestCertificate({ subject: 'CN=one' })
    await namespace.register('off', { state: 'Disabled' })
    const off = await issueTestCertificate({ subject: 'CN=off', by: namespace.root })
    const late = await issueTestCertificate({
      subject: 'CN=one',
      by: namespace.root,
      until: Date.now() - 1000,
    })
    const clientId = 'session1'
    for (const request of [
      { clientId },
      { clientId, ...own },
      { clientId, username: 'one' },
      { clientId, username: 'nobody', ...own },
      { clientId, username: 'one', ...stranger },
      { clientId, username: 'one', ...late },
      { clientId, username: 'off', ...off },
    ])
      await assert.rejects(connect({ protocolVersion, ...request }), notAuthorized(protocolVersion))
    await connect({ protocolVersion, clientId, username: 'ONE', ...own })
  })

test('a client that is refused is not told why', async (t) => {
  const { server, namespace, enter } = await start(t)
  const one = await namespace.register('one')
  const reason = async (name: string) => {
    const client = mqtt.connect(server.mqtts, {
      ...{ protocolVersion: 5, reconnectPeriod: 0, ca: server.ca, clientId: 'session1', username: name },
      ...one,
    })
    closeAfter(t, () => client.endAsync(true))
    client.on('error', () => {})
    const connack = await new Promise<IConnackPacket>((resolve) => {
      client.on('packetreceive', (packet) => {
        if (packet.cmd === 'connack') resolve(packet)
      })
    })
    return connack.properties?.reasonString
  }
  await namespace.register('two')
  assert.equal(await reason('nobody'), 'The client is not authorized.')
  assert.equal(await reason('two'), 'The client is not authorized.')
  await enter('one', one)
})

test('a client without a user name is found by the field of its certificate that the namespace names', async (t) => {
  const { namespace, connect } = await start(t)
  await namespace.configure({
    clientAuthentication: {
      alternativeAuthenticationNameSources: ['ClientCertificateEmail', 'ClientCertificateSubject'],
    },
  })
  const own = await namespace.register('one')
  await connect({ clientId: 'session1', ...own })
})

for (const protocolVersion of versions)
  test(`in version ${protocolVersion} another client that presents a session's name is refused, and its owner stays`, async (t) => {
    const { namespace, enter } = await start(t)
    await namespace.allow(['x'])
    const [one, two] = [await namespace.register('one'), await namespace.register('two')]
    const owner = await enter('one', one, { protocolVersion, clientId: 'shared' })
    await assert.rejects(
      enter('two', two, { protocolVersion, clientId: 'shared' }),
      notAuthorized(protocolVersion),
    )
    await owner.subscribeAsync('x', { qos: 1 })
    const message = nextMessage(owner)
    await owner.publishAsync('x', 'still here', { qos: 1 })
    assert.equal(await message, 'x still here')
  })

test('a client has as many sessions as the namespace allows, absent ones included', async (t) => {
  const { namespace, enter } = await start(t)
  const one = await namespace.register('one')
  const lasting = { properties: { sessionExpiryInterval: 600 } }
  const first = await enter('one', one, { clientId: 'first', ...lasting })
  await first.endAsync()
  await assert.rejects(enter('one', one, { clientId: 'second' }), { code: 0x97 })
  await assert.rejects(enter('one', one, { clientId: 'second', protocolVersion: 4 }), { code: 3 })
  await namespace.configure({ maximumClientSessionsPerAuthenticationName: 2 })
  await enter('one', one, { clientId: 'second' })
  await enter('one', one, { clientId: 'first', ...lasting, clean: false })
})

// ---------------------------------------------------------------- what a client may do

test('a machine publishes and subscribes to its own topics, and to no other', async (t) => {
  const { namespace, enter } = await start(t)
  await namespace.allow([machine])
  const [one, two] = [await namespace.register('machine1'), await namespace.register('machine2')]
  const first = await enter('machine1', one)
  await first.subscribeAsync('machines/machine1/#', { qos: 1 })
  for (const filter of ['#', 'machines/#', 'machines/machine2/x', 'machines/+/x'])
    await assert.rejects(first.subscribeAsync(filter, { qos: 1 }), /not authorized/i, filter)
  const second = await enter('machine2', two)
  await assert.rejects(second.publishAsync('machines/machine1/x', '1', { qos: 1 }), { code: 0x87 })
  const message = nextMessage(first)
  await first.publishAsync('machines/machine1/x', '1', { qos: 1 })
  assert.equal(await message, 'machines/machine1/x 1')
  await second.publishAsync('machines/machine2/x', '2', { qos: 1 })
  // Without an acknowledgement there is no other way to say no.
  const ended = disconnection(second)
  await second.publishAsync('machines/machine1/x', '1', { qos: 0 })
  assert.equal(await ended, 0x87)
})

test('in version 4 a refused subscription is 0x80, and a publish that is not allowed ends the connection', async (t) => {
  const { namespace, enter } = await start(t)
  await namespace.allow([machine])
  const client = await enter('one', await namespace.register('one'), { protocolVersion: 4 })
  await client.subscribeAsync('machines/one/x', { qos: 1 })
  await assert.rejects(client.subscribeAsync('#', { qos: 1 }), /subscribe error/i)
  const ended = disconnection(client)
  client.publish('other', '1', { qos: 1 })
  assert.equal(await ended, undefined)
})

test('what changes for a connected client changes at once', async (t) => {
  const { namespace, enter } = await start(t)
  await namespace.put('clientGroups/north', { query: 'attributes.area = "north"' })
  await namespace.allow(['areas/${client.attributes.area}/#'], 'north')
  const one = await namespace.register('one', { attributes: { area: 'north' } })
  const client = await enter('one', one)
  await client.subscribeAsync('areas/north/#', { qos: 1 })
  await client.publishAsync('areas/north/x', '1', { qos: 1 })

  // Rights to publish go without a word: the next message is refused.
  await namespace.remove('permissionBindings/Publisher')
  await assert.rejects(client.publishAsync('areas/north/x', '1', { qos: 1 }), { code: 0x87 })
  await namespace.put('permissionBindings/again', {
    clientGroupName: '$all',
    topicSpaceName: 'space',
    permission: 'Publisher',
  })
  await client.publishAsync('areas/north/x', '1', { qos: 1 })

  // Attributes that keep the subscription keep the client.
  await namespace.put('clients/one', { attributes: { area: 'north', floor: 1 } })
  await client.publishAsync('areas/north/x', '1', { qos: 1 })
  const ended = disconnection(client)
  await namespace.put('clients/one', { attributes: { area: 'south' } })
  assert.equal(await ended, 0x87)
})

/** By CONNACK, or by SUBACK. */
const refused = ({ code, message }: Error & { readonly code?: number }) =>
  code === 0x87 || /not authorized/i.test(message)

const losses: Readonly<
  Record<string, (namespace: Awaited<ReturnType<typeof createTestNamespace>>) => Promise<void>>
> = {
  'its binding is deleted': (namespace) => namespace.remove('permissionBindings/Subscriber'),
  'the topic space has other templates': (namespace) =>
    namespace.put('topicSpaces/space', { topicTemplates: ['other'] }),
  'the group asks for something else': (namespace) =>
    namespace.put('clientGroups/all', { query: 'authenticationName = "nobody"' }),
  'it is disabled': (namespace) => namespace.put('clients/one', { state: 'Disabled' }),
  'it is deleted': (namespace) => namespace.remove('clients/one'),
  'its scheme is another': (namespace) =>
    namespace.put('clients/one', {
      clientCertificateAuthentication: { validationScheme: 'DnsMatchesAuthenticationName' },
    }),
  'the CA certificate is deleted': (namespace) => namespace.remove('caCertificates/root'),
}
for (const [what, change] of Object.entries(losses))
  test(`a connected client is disconnected when ${what}`, async (t) => {
    const { namespace, enter } = await start(t)
    await namespace.put('clientGroups/all', { query: 'authenticationName != "nobody"' })
    await namespace.allow(['x/#'], 'all')
    const one = await namespace.register('one')
    const old = await enter('one', one, { protocolVersion: 4, clean: false })
    await old.subscribeAsync('x/y')
    const ended = disconnection(old)
    await change(namespace)
    assert.equal(await ended, undefined)
    await assert.rejects(async () => {
      const again = await enter('one', one)
      await again.subscribeAsync('x/y', { qos: 1 })
    }, refused)
  })

test('an absent client that loses the right to a subscription loses its session, and a deleted one keeps its name taken', async (t) => {
  const { server, namespace, enter } = await start(t)
  await namespace.allow(['x', 'y'])
  const [one, two] = [await namespace.register('one'), await namespace.register('two')]
  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
  for (const [name, certificate, filter] of [
    ['one', one, 'x'],
    ['two', two, 'y'],
  ] as const) {
    const client = await enter(name, certificate, lasting)
    await client.subscribeAsync(filter, { qos: 1 })
    await client.endAsync()
  }
  await namespace.put('topicSpaces/space', { topicTemplates: ['y'] })
  const resume = async (name: string, certificate: TestCertificate) => {
    const client = mqtt.connect(server.mqtts, {
      ...{ protocolVersion: 5, reconnectPeriod: 0, ca: server.ca, clientId: name, username: name },
      ...{ ...certificate, ...lasting },
    })
    closeAfter(t, () => client.endAsync(true))
    const connack = await new Promise<IConnackPacket>((resolve) => {
      client.on('connect', resolve)
    })
    return { isPresent: connack.sessionPresent }
  }
  const back = await enter('two', two, lasting)
  const message = nextMessage(back)
  await back.publishAsync('y', 'still subscribed', { qos: 1 })
  assert.equal(await message, 'y still subscribed')
  await back.endAsync()
  const { isPresent } = await resume('one', one)
  assert.equal(isPresent, false)
  await namespace.register('three')
  await namespace.remove('clients/two')
  const three = await issueTestCertificate({ subject: 'CN=three', by: namespace.root })
  await assert.rejects(enter('three', three, { clientId: 'two' }), notAuthorized(5))
})

test('a certificate that expires takes its client with it', async (t) => {
  const { namespace, enter } = await start(t)
  await namespace.put('clients/one', {})
  const own = await issueTestCertificate({ subject: 'CN=one', by: namespace.root, until: Date.now() + 2_000 })
  const client = await enter('one', own)
  assert.equal(await disconnection(client), 0x87)
})

// ---------------------------------------------------------------- tokens

/** Proves the client again with AUTH; resolves to the reason code of the server's. */
function reauthenticate(client: MqttClient, method: string, token: string): Promise<number> {
  const answered = new Promise<number>((resolve) => {
    client.handleAuth = (packet, callback) => {
      resolve(packet.reasonCode)
      callback()
    }
  })
  const { _sendPacket: send } = client as unknown as { _sendPacket: (packet: unknown) => void }
  send.call(client, {
    cmd: 'auth',
    reasonCode: 0x19,
    properties: { authenticationMethod: method, authenticationData: Buffer.from(token) },
  })
  return answered
}

const byToken = (authenticationMethod: string, token: string) => ({
  properties: { authenticationMethod, authenticationData: Buffer.from(token) },
})

test('a client with a token of the namespace’s issuer comes in, renews it by AUTH, and is cut when it has expired', async (t) => {
  const { namespace, connect } = await start(t)
  const issuer = await issueTestCertificate({ subject: 'CN=issuer', rsa: true })
  const tokenIssuer = 'https://issuer.example.org/'
  await namespace.configure({
    clientAuthentication: {
      customJwtAuthentication: {
        tokenIssuer,
        encodedIssuerCertificates: [{ kid: 'one', encodedCertificate: issuer.cert }],
      },
    },
  })
  await namespace.put('clientGroups/north', { query: 'attributes.area = "north"' })
  await namespace.allow([machine], 'north')
  const sign = (seconds: number, claims: Readonly<Record<string, unknown>> = {}) =>
    new SignJWT({ iss: tokenIssuer, sub: 'vehicle-1', aud: 'localhost', area: 'north', ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'JWT' })
      .setNotBefore('0s')
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(createPrivateKey(issuer.key))
  const aud = 'machines.westus2-1.ts.eventgrid.azure.net'
  const method = 'CUSTOM-JWT'
  const client = await connect({ clientId: 'session1', ...byToken(method, await sign(3, { aud })) })
  await client.subscribeAsync('machines/vehicle-1/#', { qos: 1 })
  await client.publishAsync('machines/vehicle-1/x', '1', { qos: 1 })
  const ended = disconnection(client)
  const before = Date.now()
  assert.equal(await reauthenticate(client, method, await sign(5, { aud })), 0)
  assert.equal(await ended, 0x87)
  assert.ok(Date.now() - before > 3_500, 'the newer token counts')

  const again = await connect({ clientId: 'session1', ...byToken(method, await sign(600, { aud })) })
  const cut = disconnection(again)
  void reauthenticate(again, method, await sign(600, { aud, sub: 'vehicle-2' }))
  assert.equal(await cut, 0x87)
  for (const claims of [{ aud: 'other' }, { aud, iss: 'https://other/' }])
    await assert.rejects(
      connect({ clientId: 'session2', ...byToken(method, await sign(600, claims)) }),
      notAuthorized(5),
    )
  await assert.rejects(connect({ clientId: 's', ...byToken('SCRAM-SHA-1', 'x') }), { code: 0x8c })

  const last = await connect({ clientId: 'session1', ...byToken(method, await sign(600, { aud })) })
  const untrusted = disconnection(last)
  await namespace.configure({})
  assert.equal(await untrusted, 0x87)
})

const publisherRole = 'a12b0b94-b317-4dcd-84a8-502ce99884c6'
const subscriberRole = '4b0f2fd7-60b4-4eca-896f-4435034f8bf5'

test('a principal of Microsoft Entra ID may do what its roles say, for as long as they do', async (t) => {
  const entra = await startTokenIssuer(t)
  const { server, namespace, connect } = await start(t, {
    file: { auth: { issuers: [{ issuer: entra.url }] } },
  })
  const principalId = '2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d'
  const token = (more: Readonly<Record<string, unknown>> = {}) =>
    entra.token({ aud: 'https://eventgrid.azure.net/', oid: principalId, ...more }, Date.now() + 600_000)
  await namespace.put('topicSpaces/space', { topicTemplates: [machine] })
  const roles = `${namespace.id}/topicSpaces/space/providers/Microsoft.Authorization/roleAssignments`
  const assign = async (name: string, role: string) => {
    const roleDefinitionId = `/providers/Microsoft.Authorization/roleDefinitions/${role}`
    const { status, body } = await server.call('PUT', `${roles}/${name}`, {
      properties: { roleDefinitionId, principalId, principalType: 'ServicePrincipal' },
    })
    assert.equal(status, 201, JSON.stringify(body))
  }
  const method = 'OAUTH2-JWT'
  const client = await connect({ clientId: 'session1', ...byToken(method, await token()) })
  const topicName = `machines/${principalId}/x`
  await assert.rejects(client.publishAsync(topicName, '1', { qos: 1 }), { code: 0x87 })
  await assign('6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f50', publisherRole)
  await client.publishAsync(topicName, '1', { qos: 1 })
  await assert.rejects(client.subscribeAsync(topicName, { qos: 1 }), /not authorized/i)
  await assign('6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f51', subscriberRole)
  await client.subscribeAsync(topicName, { qos: 1 })
  assert.equal(await reauthenticate(client, method, await token()), 0)
  const ended = disconnection(client)
  await server.call('DELETE', `${roles}/6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f51`)
  assert.equal(await ended, 0x87)
  await assert.rejects(
    connect({ clientId: 's', ...byToken(method, await token({ aud: 'https://other/' })) }),
    notAuthorized(5),
  )
  await assert.rejects(
    connect({ clientId: 's', ...byToken(method, await token({ scp: 'user_impersonation' })) }),
    notAuthorized(5),
  )
})

test('a principal that signs in at Busbar with the official client connects, and is cut when it is deleted', async (t) => {
  const { server, namespace, connect } = await start(t)
  const principals = `${server.http}/principals`
  const made = await fetch(principals, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'machine' }),
  })
  const { clientId, objectId, clientSecret } = (await made.json()) as Record<
    'clientId' | 'objectId' | 'clientSecret',
    string
  >
  await namespace.put('topicSpaces/space', { topicTemplates: [machine] })
  // A role on the resource group counts for the topic spaces in it.
  const { status } = await server.call(
    'PUT',
    '/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f50',
    {
      properties: {
        roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${publisherRole}`,
        principalId: objectId,
        principalType: 'ServicePrincipal',
      },
    },
  )
  assert.equal(status, 201)
  const before = getCACertificates()
  setDefaultCACertificates([...before, server.ca])
  t.after(() => setDefaultCACertificates(before))
  const tenant = '00000000-0000-0000-0000-000000000000'
  const credential = new ClientSecretCredential(tenant, clientId, clientSecret, {
    authorityHost: server.https,
    disableInstanceDiscovery: true,
  })
  const { token } = await credential.getToken('https://eventgrid.azure.net/.default')
  const client = await connect({ clientId: 'session1', ...byToken('OAUTH2-JWT', token) })
  await client.publishAsync(`machines/${objectId}/x`, '1', { qos: 1 })
  await assert.rejects(client.publishAsync('machines/other/x', '1', { qos: 1 }), { code: 0x87 })
  const ended = disconnection(client)
  assert.equal((await fetch(`${principals}/${clientId}`, { method: 'DELETE' })).ok, true)
  assert.equal(await ended, 0x87)
  await assert.rejects(connect({ clientId: 'session1', ...byToken('OAUTH2-JWT', token) }), notAuthorized(5))
})

// ---------------------------------------------------------------- webhooks

async function startHook(t: TestContext, handler: WebhookHandler) {
  const hook = await startRecordingWebhook(t, handler, { certificate: selfSigned })
  const world = await start(t, { file: { webhooks: { allowPrivateAddresses: true, allowSelfSigned: true } } })
  await world.namespace.configure({
    clientAuthentication: {
      webhookAuthentication: {
        identity: { type: 'SystemAssigned' },
        endpointUrl: hook.url,
        azureActiveDirectoryTenantId: '00000000-0000-0000-0000-000000000000',
        azureActiveDirectoryApplicationIdOrUri: 'api://mqtt-auth',
      },
    },
  })
  return { ...world, hook }
}

for (const protocolVersion of versions)
  test(`in version ${protocolVersion} a webhook over HTTPS says who a user with a password is, or that it is nobody`, async (t) => {
    const { namespace, connect, hook } = await startHook(t, ({ body }, response) => {
      const { userName, password } = body as { userName?: string; password?: string }
      const isGood = password === Buffer.from('secret').toString('base64')
      response.end(
        JSON.stringify(
          isGood
            ? { decision: 'allow', clientAuthenticationName: userName, attributes: { area: 'north' } }
            : { decision: 'deny', errorReason: 'wrong password' },
        ),
      )
    })
    await namespace.put('clientGroups/north', { query: 'attributes.area = "north"' })
    await namespace.allow([machine], 'north')
    const request = { protocolVersion, clientId: 'session1', username: 'ada' }
    await assert.rejects(connect({ ...request, password: 'wrong' }), notAuthorized(protocolVersion))
    const client = await connect({ ...request, password: 'secret' })
    await client.publishAsync('machines/ada/x', '1', { qos: 1 })
    const { headers, body } = hook.received[0] as (typeof hook.received)[number]
    const [, claims = ''] = (headers.authorization ?? '').replace('Bearer ', '').split('.')
    assert.equal(JSON.parse(Buffer.from(claims, 'base64url').toString()).aud, 'api://mqtt-auth')
    assert.deepEqual(body, {
      clientId: 'session1',
      userName: 'ada',
      password: Buffer.from('wrong').toString('base64'),
    })
    // Who is registered and shows the certificate is not asked about.
    const one = await namespace.register('one')
    await connect({ protocolVersion, clientId: 'one', username: 'one', ...one })
    assert.equal(hook.received.length, 2)
  })

for (const protocolVersion of versions)
  test(`in version ${protocolVersion} a webhook that fails, or takes its time, is a server that is unavailable`, async (t) => {
    const { connect } = await startHook(t, ({ body }, response) => {
      if ((body as { userName: string }).userName === 'fail') response.writeHead(500).end()
    })
    const request = { protocolVersion, clientId: 'session1', password: 'x' }
    await assert.rejects(connect({ ...request, username: 'fail' }), unavailable(protocolVersion))
    const before = Date.now()
    await assert.rejects(connect({ ...request, username: 'slow' }), unavailable(protocolVersion))
    assert.ok(Date.now() - before < 8_000)
  })

test('what a webhook allows ends when it says so, and may be proved again by AUTH', async (t) => {
  const { connect } = await startHook(t, ({ body }, response) => {
    const { authenticationData = '' } = body as { authenticationData?: string }
    const seconds = Number(Buffer.from(authenticationData, 'base64').toString())
    const expiration = Math.floor(Date.now() / 1000) + seconds
    response.end(JSON.stringify({ decision: 'allow', clientAuthenticationName: 'a', expiration }))
  })
  const client = await connect({ clientId: 'session1', ...byToken('OTP', '3') })
  const ended = disconnection(client)
  const before = Date.now()
  assert.equal(await reauthenticate(client, 'OTP', '5'), 0)
  assert.equal(await ended, 0x87)
  assert.ok(Date.now() - before > 3_500)
})

// ---------------------------------------------------------------- the namespace itself

test('a life-cycle event says whether a client was cut for who it is or for what it may do', async (t) => {
  const { server, namespace, enter } = await start(t)
  const hook = await startRecordingWebhook(t, [200])
  const { status, body } = await server.call(
    'PUT',
    `${namespace.id}/providers/Microsoft.EventGrid/eventSubscriptions/life`,
    {
      properties: {
        destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } },
        filter: { includedEventTypes: ['Microsoft.EventGrid.MQTTClientSessionDisconnected'] },
      },
    },
  )
  assert.equal(status, 201, JSON.stringify(body))
  await namespace.allow(['x'])
  const one = await namespace.register('one')
  const cuts = [
    () => namespace.put('clients/one', { state: 'Disabled' }),
    () => namespace.put('topicSpaces/space', { topicTemplates: ['y'] }),
  ]
  for (const cut of cuts) {
    await namespace.put('clients/one', {})
    const client = await enter('one', one)
    await client.subscribeAsync('x', { qos: 1 })
    const ended = disconnection(client)
    await cut()
    assert.equal(await ended, 0x87)
  }
  await hook.until(2)
  const reasons = hook.received.flatMap(({ body: events }) =>
    (events as { data: { disconnectionReason: string } }[]).map(({ data }) => data.disconnectionReason),
  )
  assert.deepEqual(reasons.toSorted(), ['ClientAuthenticationError', 'ClientAuthorizationError'])
})

test('addresses that the namespace lets in may connect, and others not, connected ones included', async (t) => {
  const { server, namespace, enter } = await start(t)
  const one = await namespace.register('one')
  const client = await enter('one', one)
  const ended = disconnection(client)
  await server.call('PUT', namespace.id, {
    location: 'westus2',
    properties: {
      topicSpacesConfiguration: { state: 'Enabled' },
      inboundIpRules: [{ ipMask: '10.0.0.0/8', action: 'Allow' }],
    },
  })
  assert.equal(await ended, 0x98)
  await assert.rejects(enter('one', one))
})

test('a template makes a namespace with all that its clients need, twice and without change', async (t) => {
  const { server, connect } = await start(t)
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const own = await issueTestCertificate({ subject: 'CN=one', by: root })
  const child = (type: string, name: string, properties: object, ...dependsOn: string[]) => ({
    type: `Microsoft.EventGrid/namespaces/${type}`,
    apiVersion: '2025-02-15',
    name: `plant/${name}`,
    properties,
    dependsOn: [
      "[resourceId('Microsoft.EventGrid/namespaces', 'plant')]",
      ...dependsOn.map((each) => `[resourceId('Microsoft.EventGrid/namespaces/${each}', 'plant', 'space')]`),
    ],
  })
  const template = {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources: [
      {
        type: 'Microsoft.EventGrid/namespaces',
        apiVersion: '2025-02-15',
        name: 'plant',
        location: 'westus2',
        properties: { topicSpacesConfiguration: { state: 'Enabled' } },
      },
      child('caCertificates', 'root', { encodedCertificate: root.cert }),
      child('clients', 'one', { attributes: { area: 'north' } }),
      child('topicSpaces', 'space', { topicTemplates: ['areas/${client.attributes.area}/#'] }),
      child(
        'permissionBindings',
        'tell',
        { clientGroupName: '$all', topicSpaceName: 'space', permission: 'Publisher' },
        'topicSpaces',
      ),
    ],
  }
  const deployment = '/resourceGroups/rg/providers/Microsoft.Resources/deployments/plant'
  const body = { properties: { mode: 'Incremental', template } }
  for (const statuses of [[201], [200, 201]]) {
    const answer = await server.call('PUT', deployment, body)
    assert.ok(statuses.includes(answer.status), JSON.stringify(answer.body))
    await eventually(async () => {
      const { body: read } = await server.call('GET', deployment)
      assert.notEqual(read.properties.provisioningState, 'Failed', JSON.stringify(read.properties.error))
      return read.properties.provisioningState === 'Succeeded'
    })
  }
  await server.call('DELETE', '/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/machines')
  const client = await connect({ clientId: 'one', username: 'one', ...own })
  await client.publishAsync('areas/north/x', '1', { qos: 1 })
})

test('clients reach the namespace that they name by TLS, and the only one there is by any name', async (t) => {
  const { server, namespace, enter } = await start(t)
  const one = await namespace.register('one')
  await (await enter('one', one)).endAsync()
  const other = await createTestNamespace(server, 'others')
  await other.register('two')
  const servername = 'machines.westus2-1.ts.eventgrid.azure.net'
  await enter('one', one, { servername, rejectUnauthorized: false })
  await assert.rejects(
    enter('one', one, {
      servername: 'others.westus2-1.ts.eventgrid.azure.net',
      rejectUnauthorized: false,
    }),
    notAuthorized(5),
  )
  const { status } = await server.call('DELETE', other.id)
  assert.ok(status < 300)
  await enter('one', one)
})

test('sessions and what clients may do outlive a restart', async (t) => {
  const { server, namespace, enter } = await start(t)
  await namespace.allow(['x', 'y'])
  const one = await namespace.register('one')
  const two = await namespace.register('two')
  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const client = await enter('one', one, lasting)
  await client.subscribeAsync('x', { qos: 1 })
  await client.endAsync()
  await server.restart()
  const publisher = await enter('two', two)
  await assert.rejects(enter('two', two, { clientId: 'one' }), notAuthorized(5))
  const back = await enter('one', one, lasting)
  const message = nextMessage(back)
  await publisher.publishAsync('x', 'still subscribed', { qos: 1 })
  assert.equal(await message, 'x still subscribed')
  const ended = disconnection(back)
  await namespace.put('topicSpaces/space', { topicTemplates: ['y'] })
  assert.equal(await ended, 0x87)
})

test('in development whoever shows nothing is let in, by every version, and may do everything', async (t) => {
  const server = await startTestServer(t, { flags: { mqttAnonymous: 'true' } })
  for (const protocolVersion of versions)
    for (const url of [server.mqtt, server.mqtts]) {
      const client = await connectMqtt(t, server, {
        protocolVersion,
        url,
        clientId: `any-${protocolVersion}`,
        username: 'whoever',
      })
      await client.subscribeAsync('#', { qos: 1 })
      const message = nextMessage(client)
      await client.publishAsync('any/topic', '1', { qos: 1 })
      assert.equal(await message, 'any/topic 1')
      await client.endAsync()
    }
})
