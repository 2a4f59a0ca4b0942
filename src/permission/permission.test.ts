import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type JWTPayload, SignJWT } from 'jose'
import { TokenRefused } from '../auth/token-refused.ts'
import { MqttAccess } from '../catalog/mqtt-access.ts'
import type { ClientAuthenticationSettings } from '../catalog/namespace.ts'
import { openNetworkRules } from '../destinations/network.ts'
import { defaultLimits, mqttQuotas } from '../limits.ts'
import { resourceTypes } from '../resources/index.ts'
import type { Capabilities, ResourceType, StoredResource } from '../resources/resource-type.ts'
import { issueTestCertificate, type TestCertificate, x509Of } from '../testing/client-certificates.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { startRecordingWebhook, type WebhookHandler } from '../testing/recording-webhook.ts'
import type { Admission, ClientIdentity, ConnectRequest } from './admission.ts'
import type { TokenBearer } from './entra.ts'
import { createCertificateFetcher, createOutgoing } from './outgoing.ts'
import { type Affected, createPermission, type Permission } from './permission.ts'

const namespaceId = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/ns'
const nothing: ClientAuthenticationSettings = {
  alternativeAuthenticationNameSources: [],
  customJwt: undefined,
  webhook: undefined,
}

interface World {
  readonly permission: Permission
  readonly clock: ManualClock
  readonly told: Affected[]
  settings: ClientAuthenticationSettings
  /** What roles permit: `action scope`. */
  readonly roles: Set<string>
  readonly bearers: Map<string, TokenBearer>
  /** Object ids of those that sign in here. */
  readonly principals: Set<string>
  put(collection: string, name: string, properties?: Readonly<Record<string, unknown>>): void
  remove(collection: string, name: string): void
  connect(request?: Partial<ConnectRequest>): Promise<Admission>
  /** Of a client that must be let in. */
  identity(request?: Partial<ConnectRequest>): Promise<ClientIdentity>
}

const connectRequest: ConnectRequest = {
  protocolVersion: 5,
  clientId: 'session1',
  userName: undefined,
  password: undefined,
  authenticationMethod: undefined,
  authenticationData: undefined,
  certificates: [],
  remoteAddress: '127.0.0.1',
  secure: true,
}

function createWorld(t: TestContext, { anonymous = false } = {}): World {
  const clock = new ManualClock(Date.now())
  const mqtt = new MqttAccess()
  const roles = new Set<string>()
  const bearers = new Map<string, TokenBearer>()
  const stored = new Map<string, StoredResource>()
  const outgoing = createOutgoing(clock, openNetworkRules)
  t.after(() => outgoing.close())
  const idOf = (collection: string, name: string) => `${namespaceId}/${collection}/${name}`
  const typeOf = (collection: string) =>
    resourceTypes.find(({ type }) => type === `Microsoft.EventGrid/namespaces/${collection}`) as ResourceType
  const world: World & { told: Affected[] } = {
    settings: nothing,
    permission: createPermission({
      namespaceId,
      catalog: {
        mqtt,
        permits: (principalIds, action, id) =>
          principalIds.some((each) => roles.has(`${each} ${action} ${id}`)),
      },
      settings: () => world.settings,
      hosts: () => ['ns.westus2-1.ts.eventgrid.azure.net'],
      readBearer: (token) =>
        bearers.get(token) ?? Promise.reject(new TokenRefused('The bearer token is not good.')),
      isPrincipal: (objectId) => world.principals.has(objectId),
      tokenFor: (tenant, application) => Promise.resolve(`token-of-${tenant}-${application}`),
      outgoing,
      fetchCertificates: createCertificateFetcher(outgoing, clock),
      anonymous: () => anonymous,
      clock,
    }),
    clock,
    roles,
    bearers,
    principals: new Set<string>(),
    told: [],
    put(collection: string, name: string, properties: Readonly<Record<string, unknown>> = {}) {
      const type = typeOf(collection)
      const { properties: decoded } = type.decode(properties, {
        now: clock.now(),
        name,
        capabilities: { mqttQuotas: mqttQuotas(defaultLimits) } as Capabilities,
        tenantId: 't',
        parentId: namespaceId,
        parent: undefined,
        stored: {
          find: (_type, id) =>
            stored.get(id.toLowerCase()) ?? (id.endsWith('/$all') ? ({} as StoredResource) : undefined),
          below: () => [],
          count: () => 0,
          systemTopicOf: () => undefined,
        },
        location: undefined,
        before: undefined,
        patching: false,
      })
      const id = idOf(collection, name)
      const before = stored.get(id.toLowerCase())
      const resource = {
        ...{ id, name, type: type.type, parentId: namespaceId, uid: before?.uid ?? id, properties: decoded },
        provisioningState: 'Succeeded' as const,
        ...{ createdAt: 0, createdBy: '', changedAt: 0, changedBy: '' },
      } as const
      stored.set(id.toLowerCase(), resource)
      world.permission.changed({ topics: [], eventSubscriptions: [], mqtt: [mqtt.place(resource)] })
    },
    remove(collection: string, name: string) {
      const resource = stored.get(idOf(collection, name).toLowerCase()) as StoredResource
      stored.delete(resource.id.toLowerCase())
      world.permission.changed({ topics: [], eventSubscriptions: [], mqtt: [mqtt.forget(resource)] })
    },
    connect: (request: Partial<ConnectRequest> = {}) =>
      world.permission.authenticate({ ...connectRequest, ...request }, AbortSignal.timeout(60_000)),
    async identity(request: Partial<ConnectRequest> = {}) {
      const admission = await world.connect(request)
      assert(admission.kind === 'admitted', JSON.stringify(admission))
      return admission.identity
    },
  }
  mqtt.place({
    ...{
      id: idOf('clientGroups', '$all'),
      name: '$all',
      type: 'Microsoft.EventGrid/namespaces/clientGroups',
    },
    ...{ parentId: namespaceId, uid: 'all', properties: {}, builtIn: true as const },
    provisioningState: 'Succeeded' as const,
    ...{ createdAt: 0, createdBy: '', changedAt: 0, changedBy: '' },
  })
  world.permission.onRightsChanged((whom) => world.told.push(whom))
  return world
}

const der = (...certificates: readonly TestCertificate[]) => certificates.map((each) => x509Of(each).raw)
const refusal = (admission: Admission) =>
  admission.kind === 'refused' ? `${admission.reasonCode.toString(16)} ${admission.text}` : 'admitted'

const root = issueTestCertificate({ subject: 'CN=root', authority: true })
const putRoot = async (world: World) =>
  world.put('caCertificates', 'root', { encodedCertificate: (await root).cert })

// ---------------------------------------------------------------- certificates

const schemes = [
  ['SubjectMatchesAuthenticationName', 'device1', {}],
  ['DnsMatchesAuthenticationName', 'device1.example.org', { type: 'dns', value: 'device1.example.org' }],
  ['UriMatchesAuthenticationName', 'urn:device:1', { type: 'url', value: 'urn:device:1' }],
  ['IpMatchesAuthenticationName', '10.0.0.1', { type: 'ip', value: '10.0.0.1' }],
  ['EmailMatchesAuthenticationName', 'device1@example.org', { type: 'email', value: 'device1@example.org' }],
] as const

for (const [validationScheme, authenticationName, name] of schemes)
  test(`a client of the scheme ${validationScheme} is let in with a certificate that bears its name`, async (t) => {
    const world = createWorld(t)
    await putRoot(world)
    world.put('clients', 'client', {
      authenticationName,
      clientCertificateAuthentication: { validationScheme },
    })
    const names = 'type' in name ? [name] : []
    const until = world.clock.now() + 3_600_000
    const own = await issueTestCertificate({ subject: 'CN=device1', names, by: await root, until })
    const identity = await world.identity({
      userName: authenticationName.toUpperCase(),
      certificates: der(own),
    })
    assert.equal(identity.authenticationName, authenticationName)
    assert.equal(identity.ownerKey, authenticationName.toLowerCase())
    assert.equal(identity.expiresAt, x509Of(own).validToDate.getTime())
    assert.deepEqual(identity.log, {
      authenticationType: 'CACertificate',
      clientIdentitySource: 'UserName',
      authenticationAuthority: 'Local',
      clientIdentity: authenticationName,
    })
    const other = await issueTestCertificate({ subject: 'CN=other', by: await root })
    assert.match(
      refusal(await world.connect({ userName: authenticationName, certificates: der(other) })),
      /^87 The certificate does not bear the authentication name as /,
    )
  })

test('a thumbprint lets a certificate in that signs itself, and several clients may share one', async (t) => {
  const world = createWorld(t)
  const own = await issueTestCertificate({ subject: 'CN=whatever' })
  const { fingerprint, fingerprint256 } = x509Of(own)
  for (const [name, thumbprint] of [
    ['one', fingerprint],
    ['two', fingerprint256.replaceAll(':', '')],
  ] as const)
    world.put('clients', name, {
      clientCertificateAuthentication: {
        validationScheme: 'ThumbprintMatch',
        allowedThumbprints: [thumbprint],
      },
    })
  for (const userName of ['one', 'two']) {
    const { log } = await world.identity({ userName, certificates: der(own) })
    assert.equal(log.authenticationType, 'CertificateThumbprintMatch')
  }
  const other = await issueTestCertificate({ subject: 'CN=whatever' })
  assert.match(
    refusal(await world.connect({ userName: 'one', certificates: der(other) })),
    /^87 The thumbprint /,
  )
})

test('who is not registered, shows nothing, says nothing, or is disabled, is not let in', async (t) => {
  const world = createWorld(t)
  await putRoot(world)
  world.put('clients', 'device1', { state: 'Disabled' })
  world.put('clients', 'device2')
  const own = der(await issueTestCertificate({ by: await root }))
  assert.equal(
    refusal(await world.connect({ userName: 'nobody', certificates: own })),
    '87 Client could not be found',
  )
  assert.equal(
    refusal(await world.connect({ userName: 'device1', certificates: own })),
    '87 Client is disabled',
  )
  assert.equal(
    refusal(await world.connect({ userName: 'device2' })),
    '87 No client certificate was presented',
  )
  assert.match(refusal(await world.connect({ certificates: own })), /^87 There is no user name/)
})

test('without a user name the configured fields are asked in their order, until one names a client', async (t) => {
  const world = createWorld(t)
  await putRoot(world)
  world.put('clients', 'mail', {
    authenticationName: 'd@example.org',
    clientCertificateAuthentication: { validationScheme: 'EmailMatchesAuthenticationName' },
  })
  const names = [
    { type: 'dns', value: 'unknown.example.org' },
    { type: 'email', value: 'd@example.org' },
  ] as const
  const certificates = der(await issueTestCertificate({ subject: 'CN=x', names, by: await root }))
  world.settings = {
    ...nothing,
    alternativeAuthenticationNameSources: ['ClientCertificateDns', 'ClientCertificateEmail'],
  }
  const { log } = await world.identity({ certificates })
  assert.equal(log.clientIdentitySource, 'ClientCertificateEmail')
  world.settings = { ...nothing, alternativeAuthenticationNameSources: ['ClientCertificateDns'] }
  assert.equal(refusal(await world.connect({ certificates })), '87 Client could not be found')
  world.settings = { ...nothing, alternativeAuthenticationNameSources: ['ClientCertificateUri'] }
  assert.match(refusal(await world.connect({ certificates })), /^87 There is no user name/)
})

test('a resumed session, which brings the own certificate only, is let in like the first', async (t) => {
  const world = createWorld(t)
  await putRoot(world)
  world.put('clients', 'device1')
  const middle = await issueTestCertificate({ subject: 'CN=middle', authority: true, by: await root })
  const own = await issueTestCertificate({ by: middle })
  const request = { userName: 'device1', certificates: der(own) }
  assert.match(refusal(await world.connect(request)), /not signed by a registered CA/)
  await world.identity({ ...request, certificates: der(own, middle) })
  await world.identity(request)
  world.remove('caCertificates', 'root')
  assert.match(refusal(await world.connect(request)), /not signed by a registered CA/)
})

test('what changes of a client or of an authority ends what it has proved', async (t) => {
  const world = createWorld(t)
  await putRoot(world)
  world.put('clients', 'device1')
  const certificates = der(await issueTestCertificate({ by: await root }))
  const enter = () => world.identity({ userName: 'device1', certificates })
  const standing = async (change: () => unknown) => {
    const identity = await enter()
    assert.equal(world.permission.standing(identity), undefined)
    world.told.length = 0
    await change()
    return [world.permission.standing(identity)?.text, world.told] as const
  }
  const device1 = new Set(['device1'])
  assert.deepEqual(await standing(() => world.put('clients', 'device1', { description: 'new' })), [
    undefined,
    [device1],
  ])
  assert.deepEqual(await standing(() => world.put('clients', 'device1', { state: 'Disabled' })), [
    'Client is disabled',
    [device1],
  ])
  world.put('clients', 'device1')
  const scheme = { clientCertificateAuthentication: { validationScheme: 'DnsMatchesAuthenticationName' } }
  const [misnamed] = await standing(() => world.put('clients', 'device1', scheme))
  assert.match(misnamed ?? '', /does not bear/)
  world.put('clients', 'device1')
  assert.deepEqual(await standing(() => world.remove('clients', 'device1')), [
    'Client was deleted',
    [device1],
  ])
  world.put('clients', 'device1')
  const [unsigned, whom] = await standing(() => world.remove('caCertificates', 'root'))
  assert.match(unsigned ?? '', /not signed by a registered CA/)
  assert.deepEqual(whom, ['everyone'])
})

// ---------------------------------------------------------------- what a client may do

const machine = (name: string) => `machines/\${client.${name}}/#`

async function createMachines(t: TestContext) {
  const world = createWorld(t)
  await putRoot(world)
  world.put('topicSpaces', 'own', { topicTemplates: [machine('authenticationName'), 'shared/+'] })
  world.put('clientGroups', 'north', { query: 'attributes.area = "north"' })
  world.put('clients', 'Machine1', { attributes: { area: 'north' } })
  world.put('clients', 'machine2', { attributes: { area: 'south' } })
  const enter = async (userName: string) =>
    world.identity({
      userName,
      certificates: der(await issueTestCertificate({ subject: `CN=${userName}`, by: await root })),
    })
  return { world, permission: world.permission, one: await enter('Machine1'), two: await enter('machine2') }
}

test('nothing is allowed until a binding allows it, and each right is given by itself', async (t) => {
  const { world, permission, one, two } = await createMachines(t)
  assert.equal(permission.mayPublish(one, 'machines/Machine1/temp'), false)
  world.put('permissionBindings', 'tell', {
    clientGroupName: '$all',
    topicSpaceName: 'own',
    permission: 'Publisher',
  })
  assert.equal(permission.mayPublish(one, 'machines/Machine1/temp'), true)
  assert.equal(permission.mayPublish(one, 'machines/Machine1/temp'), true)
  assert.equal(permission.mayPublish(two, 'machines/Machine1/temp'), false)
  assert.equal(permission.mayPublish(two, 'machines/machine2/temp'), true)
  assert.equal(permission.maySubscribe(one, 'machines/Machine1/#'), false)
  world.put('permissionBindings', 'hear', {
    clientGroupName: 'NORTH',
    topicSpaceName: 'Own',
    permission: 'Subscriber',
  })
  assert.equal(permission.maySubscribe(one, 'machines/Machine1/#'), true)
  assert.equal(permission.maySubscribe(one, 'shared/+'), true)
  assert.equal(permission.maySubscribe(one, '#'), false)
  assert.equal(permission.maySubscribe(two, 'machines/machine2/#'), false)
})

test('a change of a client, group, topic space or binding holds at once, for topics that were asked before too', async (t) => {
  const { world, permission, one, two } = await createMachines(t)
  world.put('permissionBindings', 'tell', {
    clientGroupName: 'north',
    topicSpaceName: 'own',
    permission: 'Publisher',
  })
  const may = (identity: ClientIdentity) => permission.mayPublish(identity, 'shared/x')
  assert.deepEqual([may(one), may(two)], [true, false])
  world.told.length = 0
  world.put('clients', 'machine2', { attributes: { area: 'north' } })
  assert.deepEqual([may(one), may(two), world.told], [true, true, [new Set(['machine2'])]])
  world.put('clientGroups', 'north', { query: 'attributes.area = "east"' })
  assert.deepEqual([may(one), may(two), world.told.at(-1)], [false, false, 'everyone'])
  world.put('clientGroups', 'north', { query: 'attributes.area = "north"' })
  world.put('topicSpaces', 'own', { topicTemplates: ['other'] })
  assert.deepEqual([may(one), may(two)], [false, false])
  world.put('topicSpaces', 'own', { topicTemplates: ['shared/#'] })
  assert.equal(may(one), true)
  world.remove('permissionBindings', 'tell')
  assert.equal(may(one), false)
})

test('a stored session has the rights of its client as it is now, and none without one', async (t) => {
  const { world, permission, one } = await createMachines(t)
  world.put('permissionBindings', 'hear', {
    clientGroupName: 'north',
    topicSpaceName: 'own',
    permission: 'Subscriber',
  })
  const restored = permission.restore(JSON.parse(JSON.stringify(one.record)) as typeof one.record)
  assert.equal(restored.ownerKey, one.ownerKey)
  assert.equal(permission.maySubscribe(restored, 'machines/Machine1/#'), true)
  assert.equal(permission.standing(restored), undefined)
  world.put('clients', 'Machine1', { attributes: {} })
  assert.equal(permission.maySubscribe(restored, 'machines/Machine1/#'), false)
  world.remove('clients', 'Machine1')
  assert.deepEqual(permission.standing(restored), { text: 'Client was deleted' })
})

// ---------------------------------------------------------------- Microsoft Entra

test('a principal comes in with its token, and roles say on which topic spaces it may do what', async (t) => {
  const world = createWorld(t)
  const { permission } = world
  world.put('topicSpaces', 'own', { topicTemplates: [machine('authenticationName')] })
  const expiresAt = world.clock.now() + 1_000
  const objectId = '2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d'
  world.bearers.set('a.b.c', { objectId, principalIds: [objectId], expiresAt, isUser: false })
  world.bearers.set('a.b.user', { objectId, principalIds: [objectId], expiresAt, isUser: true })
  const method = { authenticationMethod: 'OAUTH2-JWT' }
  const identity = await world.identity({ ...method, authenticationData: Buffer.from('a.b.c') })
  assert.equal(identity.authenticationName, objectId)
  assert.equal(identity.expiresAt, expiresAt)
  assert.equal(identity.log.authenticationAuthority, 'AAD')
  const topicName = `machines/${objectId}/x`
  assert.equal(permission.mayPublish(identity, topicName), false)
  world.roles.add(`${objectId} Microsoft.EventGrid/topicSpaces/publish/action ${namespaceId}/topicSpaces/own`)
  permission.changed({ topics: [], eventSubscriptions: [], grants: true })
  assert.deepEqual([permission.mayPublish(identity, topicName), world.told.at(-1)], [true, 'everyone'])
  assert.equal(permission.maySubscribe(identity, topicName), false)
  for (const [data, text] of [
    ['a.b.user', /^87 The token is of a user/],
    ['a.b.d', /^87 The bearer token is not good/],
    ['nonsense', /^87 The authentication data is no JSON Web Token/],
  ] as const)
    assert.match(refusal(await world.connect({ ...method, authenticationData: Buffer.from(data) })), text)
  assert.match(refusal(await world.connect(method)), /^87 The authentication data is no JSON Web Token/)
})

test('a principal that signs in here is good for as long as it is there', async (t) => {
  const world = createWorld(t)
  world.principals.add('one')
  const bearer = {
    objectId: 'one',
    principalIds: ['one'],
    expiresAt: world.clock.now() + 1_000,
    isUser: false,
  }
  world.bearers.set('a.b.c', { ...bearer, isPrincipal: true })
  world.bearers.set('a.b.d', { ...bearer, objectId: 'outsider' })
  const request = (token: string) => ({
    authenticationMethod: 'OAUTH2-JWT',
    authenticationData: Buffer.from(token),
  })
  const identity = await world.identity(request('a.b.c'))
  const outsider = await world.identity(request('a.b.d'))
  assert.equal(world.permission.standing(identity), undefined)
  world.principals.clear()
  assert.deepEqual(world.permission.standing(identity), { text: 'The principal of the token is gone' })
  assert.equal(world.permission.standing(outsider), undefined)
})

test('proving itself again renews a client, and makes no other of it', async (t) => {
  const world = createWorld(t)
  const authenticationMethod = 'OAUTH2-JWT'
  for (const [token, objectId] of [
    ['a.b.c', 'one'],
    ['a.b.d', 'two'],
    ['a.b.e', 'one'],
  ] as const)
    world.bearers.set(token, {
      objectId,
      principalIds: [objectId],
      expiresAt: token.charCodeAt(4),
      isUser: false,
    })
  const request = (token: string) => ({
    ...connectRequest,
    authenticationMethod,
    authenticationData: Buffer.from(token),
  })
  const identity = await world.identity(request('a.b.c'))
  const again = (token: string) =>
    world.permission.reauthenticate(identity, request(token), new AbortController().signal)
  const renewed = await again('a.b.e')
  assert.equal(renewed.kind === 'admitted' && renewed.identity.expiresAt, 101)
  assert.equal(refusal(await again('a.b.d')), "87 The client is 'one' and cannot become 'two'")
})

test('whoever is not let in is told no more than that', async (t) => {
  const world = createWorld(t)
  world.put('clients', 'device1')
  for (const userName of ['device1', 'nobody']) {
    const admission = await world.connect({ userName })
    assert.equal(admission.kind === 'refused' && admission.told, 'The client is not authorized.')
  }
})

test('a method that nobody knows is refused as a bad one', async (t) => {
  const world = createWorld(t)
  assert.equal(
    refusal(await world.connect({ authenticationMethod: 'SCRAM-SHA-1' })),
    "8c The authentication method 'SCRAM-SHA-1' is not supported",
  )
  assert.match(
    refusal(await world.connect({ authenticationMethod: 'CUSTOM-JWT' })),
    /^8c The namespace has no customJwt/,
  )
})

// ---------------------------------------------------------------- custom tokens

const issuer = issueTestCertificate({ subject: 'CN=issuer', rsa: true })
const tokenIssuer = 'https://issuer.example.org/'

async function createTokens(t: TestContext) {
  const world = createWorld(t)
  const { cert, key } = await issuer
  world.settings = {
    ...nothing,
    customJwt: { tokenIssuer, certificateUrls: [], certificates: [{ kid: 'one', encodedCertificate: cert }] },
  }
  const now = Math.floor(world.clock.now() / 1000)
  const good: JWTPayload = {
    iss: tokenIssuer,
    sub: 'vehicle-1',
    aud: 'ns.westus2-1.ts.eventgrid.azure.net',
    exp: now + 600,
    nbf: now,
  }
  const sign = (
    claims: JWTPayload = {},
    header: { typ?: string; kid?: string } = {},
    by = createPrivateKey(key),
  ) => new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: 'RS256', ...header }).sign(by)
  const requestOf = (token: string) => ({
    authenticationMethod: 'CUSTOM-JWT',
    authenticationData: Buffer.from(token),
  })
  return { world, now, sign, requestOf }
}

test('a token of the namespace’s issuer lets its subject in, with its other claims as attributes', async (t) => {
  const { world, now, sign, requestOf } = await createTokens(t)
  const claims = {
    area: 'north',
    floor: 5,
    sensors: ['a', 'b'],
    jti: 'x',
    admin: true,
    ratio: 1.5,
    big: 2 ** 40,
    mixed: ['a', 1],
    nested: { a: 1 },
    'not-a-key': 'x',
  }
  const identity = await world.identity(requestOf(await sign(claims, { typ: 'JWT', kid: 'one' })))
  assert.equal(identity.authenticationName, 'vehicle-1')
  assert.equal(identity.expiresAt, (now + 600) * 1000)
  assert.deepEqual(identity.attributes, { area: 'north', floor: 5, sensors: ['a', 'b'] })
  world.put('clientGroups', 'north', { query: 'attributes.area = "north" and attributes.floor > 4' })
  world.put('topicSpaces', 'own', { topicTemplates: [machine('authenticationName')] })
  world.put('permissionBindings', 'tell', {
    clientGroupName: 'north',
    topicSpaceName: 'own',
    permission: 'Publisher',
  })
  assert.equal(world.permission.mayPublish(identity, 'machines/vehicle-1/x'), true)
  const restored = world.permission.restore(identity.record)
  assert.equal(world.permission.mayPublish(restored, 'machines/vehicle-1/x'), true)
})

test('audiences are compared without scheme, slash and letter case, and the type may be JWT, JWS or nothing', async (t) => {
  const { world, sign, requestOf } = await createTokens(t)
  const host = 'NS.westus2-1.ts.eventgrid.azure.net'
  for (const aud of [host, `https://${host}/`, ['other', host]])
    await world.identity(requestOf(await sign({ aud })))
  for (const typ of ['JWS', 'jwt']) await world.identity(requestOf(await sign({}, { typ })))
})

test('a token that is wrong in one thing is refused for it', async (t) => {
  const { world, now, sign, requestOf } = await createTokens(t)
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const cases: readonly (readonly [string, RegExp])[] = [
    [await sign({ iss: 'https://other/' }), /^87 The issuer of the token is 'https:\/\/other\/'; expected /],
    [await sign({ aud: 'other' }), /^87 The token was made for the audience 'other'/],
    [await sign({ exp: now }), /^87 The token has expired/],
    [await sign({ exp: now - 301 }), /^87 The token has expired/],
    [await sign({ nbf: now + 301 }), /^87 The token is not valid yet/],
    [await sign({ sub: '' }), /^87 The claim 'sub' of the token must be 1 to 128/],
    [await sign({}, {}, other), /^87 The token is not signed with the key of an issuer certificate/],
    [await sign({}, { kid: 'two' }), /^87 No issuer certificate has the key id 'two'/],
    [await sign({}, { typ: 'at+jwt' }), /^87 The type of the token is 'at\+jwt'; expected JWT/],
    [
      await new SignJWT({}).setProtectedHeader({ alg: 'ES256' }).sign(ec),
      /^87 The token is signed with 'ES256'; expected RS256/,
    ],
    [`${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.e30`, /^87 The token is signed with 'none'/],
    ['a.b.c', /^87 The authentication data is no JSON Web Token/],
  ]
  for (const [token, text] of cases) assert.match(refusal(await world.connect(requestOf(token))), text)
  for (const claim of ['iss', 'sub', 'aud', 'exp', 'nbf'] as const)
    assert.match(
      refusal(await world.connect(requestOf(await sign({ [claim]: undefined })))),
      new RegExp(`^87 The token has no claim '${claim}'`),
    )
  await world.identity(requestOf(await sign({ nbf: now + 299 })))
})

test('an issuer that is trusted no more takes its clients with it', async (t) => {
  const { world, sign, requestOf } = await createTokens(t)
  const identity = await world.identity(requestOf(await sign()))
  assert.equal(world.permission.standing(identity), undefined)
  world.settings = nothing
  world.permission.settingsChanged()
  assert.equal(world.told.at(-1), 'everyone')
  assert.match(world.permission.standing(identity)?.text ?? '', /is not trusted any more/)
})

test('certificates of the issuer are fetched from their URL, as PEM or as a key vault has them, and kept', async (t) => {
  const { world, sign, requestOf } = await createTokens(t)
  const { cert } = await issuer
  const cer = x509Of(await issuer).raw.toString('base64')
  for (const body of [cert, JSON.stringify({ kid: 'x', cer })]) {
    const server = await startRecordingWebhook(t, (_request, response) => void response.end(body))
    world.settings = {
      ...nothing,
      customJwt: { tokenIssuer, certificates: [], certificateUrls: [server.url] },
    }
    await world.identity(requestOf(await sign()))
    await world.identity(requestOf(await sign({}, { kid: 'any' })))
    assert.equal(server.received.length, 1)
  }
  const broken = await startRecordingWebhook(t, [404])
  world.settings = { ...nothing, customJwt: { tokenIssuer, certificates: [], certificateUrls: [broken.url] } }
  assert.match(
    refusal(await world.connect(requestOf(await sign()))),
    /^88 No issuer certificate could be had from http:\/\/127\.0\.0\.1:\d+: it answered 404/,
  )
})

// ---------------------------------------------------------------- webhooks

async function createHook(t: TestContext, answer: WebhookHandler, more?: { anonymous: boolean }) {
  const world = createWorld(t, more)
  const hook = await startRecordingWebhook(t, answer)
  world.settings = {
    ...nothing,
    webhook: { endpointUrl: hook.url, tenantId: 'tenant', applicationIdOrUri: 'app' },
  }
  return { world, hook }
}
const say =
  (body: unknown): WebhookHandler =>
  (_request, response) =>
    void response.end(JSON.stringify(body))

test('a webhook is told all that a client has shown, and says who it is, with attributes and an end', async (t) => {
  const seconds = 4_000_000_000
  const { world, hook } = await createHook(
    t,
    say({
      decision: 'allow',
      clientAuthenticationName: 'dev1',
      attributes: { num: 1, str: 'x', list: ['a'], float: 1.5, nested: {} },
      expiration: seconds,
    }),
  )
  const own = await issueTestCertificate({ by: await root })
  const identity = await world.identity({
    clientId: 'session 1',
    userName: 'user',
    password: Buffer.from('secret'),
    certificates: der(own, await root),
  })
  assert.equal(identity.authenticationName, 'dev1')
  assert.equal(identity.expiresAt, seconds * 1000)
  assert.deepEqual(identity.attributes, { num: 1, str: 'x', list: ['a'] })
  const [request] = hook.received
  assert.equal(request?.method, 'POST')
  assert.equal(request?.headers.authorization, 'Bearer token-of-tenant-app')
  assert.deepEqual(request?.body, {
    clientId: 'session 1',
    userName: 'user',
    password: Buffer.from('secret').toString('base64'),
    clientCertificate: x509Of(own).toString(),
    clientCertificateChain: x509Of(await root).toString(),
  })
  await world.identity({ authenticationMethod: 'OTP', authenticationData: Buffer.from('1234') })
  assert.deepEqual(hook.received[1]?.body, {
    clientId: 'session1',
    authenticationMethod: 'OTP',
    authenticationData: 'MTIzNA==',
  })
  world.settings = nothing
  assert.match(world.permission.standing(identity)?.text ?? '', /^The webhook that let the client in/)
})

const answers: readonly (readonly [string, WebhookHandler, RegExp])[] = [
  [
    'denies',
    say({ decision: 'deny', errorReason: 'not on the list' }),
    /^87 .* denied the client: not on the list$/,
  ],
  ['denies without a reason', say({ decision: 'DENY' }), /^87 .* denied the client$/],
  [
    'allows what has expired',
    say({ decision: 'allow', clientAuthenticationName: 'a', expiration: 1 }),
    /^87 .* expired/,
  ],
  ['names nobody', say({ decision: 'allow' }), /^88 .* no 'clientAuthenticationName'/],
  ['decides nothing', say({}), /^88 .* no 'decision'/],
  ['says no JSON', (_request, response) => void response.end('yes'), /^88 .* no JSON object/],
  ['says an array', say([]), /^88 .* no JSON object/],
  [
    'has an expiration that is no number',
    say({ decision: 'allow', clientAuthenticationName: 'a', expiration: 'x' }),
    /^88 /,
  ],
  ['answers 500', (_request, response) => void response.writeHead(500).end(), /^88 .* it answered 500$/],
  ['answers 201', (_request, response) => void response.writeHead(201).end('{}'), /^88 .* it answered 201$/],
  ['hangs up', (_request, response) => void response.destroy(), /^88 /],
]
for (const [what, answer, text] of answers)
  test(`a webhook that ${what} lets nobody in`, async (t) => {
    const { world } = await createHook(t, answer)
    assert.match(refusal(await world.connect({ userName: 'a' })), text)
  })

test('a webhook has five seconds', async (t) => {
  const asked = Promise.withResolvers<void>()
  const { world } = await createHook(t, () => asked.resolve())
  const answer = world.connect({ userName: 'a' })
  await asked.promise
  await world.clock.advance(4_999)
  await world.clock.advance(1)
  assert.match(refusal(await answer), /^88 .* did not answer within 5 seconds$/)
})

test('a registered client comes before the webhook, and a disabled one is not asked about', async (t) => {
  const { world, hook } = await createHook(t, say({ decision: 'allow', clientAuthenticationName: 'hooked' }))
  await putRoot(world)
  world.put('clients', 'device1')
  const certificates = der(await issueTestCertificate({ by: await root }))
  assert.equal((await world.identity({ userName: 'device1', certificates })).record.kind, 'certificate')
  assert.equal(hook.received.length, 0)
  assert.equal((await world.identity({ userName: 'device1' })).authenticationName, 'hooked')
  world.put('clients', 'device1', { state: 'Disabled' })
  assert.equal(refusal(await world.connect({ userName: 'device1', certificates })), '87 Client is disabled')
})

// ---------------------------------------------------------------- development

test('in development whoever shows nothing is let in under its client id, and may do everything', async (t) => {
  const world = createWorld(t, { anonymous: true })
  const identity = await world.identity({ clientId: 'me', userName: 'whoever', password: Buffer.from('x') })
  assert.equal(identity.authenticationName, 'me')
  assert.equal(world.permission.mayPublish(identity, 'any/topic'), true)
  assert.equal(world.permission.maySubscribe(identity, '#'), true)
  assert.equal(world.permission.maySubscribe(world.permission.restore(identity.record), '#'), true)
  world.put('clients', 'device1')
  assert.match(refusal(await world.connect({ userName: 'device1' })), /^87 No client certificate/)
  assert.match(refusal(await world.connect({ authenticationMethod: 'OTP' })), /^8c /)
  const certificates = der(await issueTestCertificate())
  assert.match(
    refusal(await world.connect({ userName: 'other', certificates })),
    /^87 Client could not be found/,
  )
})
