import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readOptions, type Sources } from './config.ts'

const account = '/subscriptions/S/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/Letters'
const administrators = '{administrators: [{name: ada, key: a-key-of-some-length}]}'

test('without any setting, the server is on loopback in development mode', async (t) => {
  const options = await read(t)
  assert.equal(options.host, '127.0.0.1')
  assert.equal(options.httpPort, 4800)
  assert.equal(options.httpsPort, 4843)
  assert.equal(options.development, true)
  assert.equal(options.timeScale, 1)
  assert.deepEqual(options.webhooks, {
    allowHttp: true,
    allowSelfSigned: false,
    allowPrivateAddresses: true,
    allowedHosts: [],
  })
  assert.deepEqual(options.warnings, [])
})

test('a flag wins over a variable, a variable over the file, the file over the default', async (t) => {
  const file = 'httpPort: 1001\nhttpsPort: 1002\nlogLevel: warn\n'
  const env = { BUSBAR_HTTP_PORT: '2001', BUSBAR_HTTPS_PORT: '2002' }
  const options = await read(t, { flags: { httpPort: '3001' }, env }, file)
  assert.equal(options.httpPort, 3001)
  assert.equal(options.httpsPort, 2002)
  assert.equal(options.logLevel, 'warn')
  assert.equal(options.host, '127.0.0.1')
})

test('busbar.yaml is read where it is present, another file where it is named, in YAML or JSON', async (t) => {
  const cwd = directoryWith(t, { 'busbar.yaml': 'httpPort: 1\n', 'other.json': '{"httpPort": 2}' })
  assert.equal((await readOptions({ cwd })).httpPort, 1)
  assert.equal((await readOptions({ cwd, flags: { config: 'other.json' } })).httpPort, 2)
  assert.equal((await readOptions({ cwd, env: { BUSBAR_CONFIG: 'other.json' } })).httpPort, 2)
  await refused(t, { flags: { config: 'absent.yaml' } }, /configuration file .*absent\.yaml cannot be read/)
})

test('an empty variable counts as not set', async (t) => {
  assert.equal((await read(t, { env: { BUSBAR_HTTP_PORT: '' } })).httpPort, 4800)
})

test('a name that is not known is refused, with the nearest one that is', async (t) => {
  await refused(t, { env: { BUSBAR_HTP_PORT: '1' } }, /BUSBAR_HTP_PORT\. Did you mean 'BUSBAR_HTTP_PORT'\?/)
  await refused(t, {}, /unknown key 'htpPort'\. Did you mean 'httpPort'\?/, 'htpPort: 1')
  await refused(t, {}, /unknown key 'limit'\. Did you mean 'limits'\?/, 'limit: {}')
  await refused(
    t,
    {},
    /unknown key 'limits\.requestByte'\. Did you mean 'requestBytes'\?/,
    'limits: {requestByte: 1}',
  )
  await refused(
    t,
    {},
    /unknown key 'auth\.administrators\[0\]\.nam'\. Did you mean 'name'\?/,
    'auth: {administrators: [{nam: ada, key: a-key-of-some-length}]}',
  )
  await refused(
    t,
    {},
    /storageAccounts\/Letters\.connectionstring'\. Did you mean 'connectionString'\?/,
    `connections: {${account}: {connectionstring: x}}`,
  )
  await refused(t, { flags: { logLevel: 'wran' } }, /Did you mean 'warn'\?/)
})

test('a value of the wrong kind in the file is refused by its path', async (t) => {
  await refused(t, {}, /'limits\.requestBytes' must be integer/, 'limits: {requestBytes: much}')
  await refused(t, {}, /'limits\.requestBytes' must be >= 1/, 'limits: {requestBytes: 0}')
  await refused(
    t,
    {},
    /'auth\.administrators\[0\]\.key'/,
    'auth: {administrators: [{name: ada, key: short}]}',
  )
  await refused(t, {}, /'httpPort' must be one value/, 'httpPort: [1]')
  await refused(t, {}, /expected keys with values/, '- a list')
  await refused(t, {}, /cannot be read/, 'httpPort: 1\nhttpPort: 2')
  await refused(t, {}, /hostAliases.*'not a host'/, 'hostAliases: [not a host]')
  await refused(t, {}, /'locations'.*'the-moon'/, 'locations: [the-moon]')
  assert.deepEqual((await read(t, {}, 'locations: [Berlin 2]')).locations, ['berlin2'])
})

test('a port is a number up to 65535, 0 or off, and one listener must be left', async (t) => {
  assert.equal((await read(t, { flags: { httpPort: 'off' } })).httpPort, 'off')
  assert.equal((await read(t, {}, 'httpPort: off')).httpPort, 'off')
  assert.equal((await read(t, { flags: { httpPort: '65535' } })).httpPort, 65_535)
  for (const httpPort of ['65536', '-1', 'on', '1e3', '4800 '])
    await refused(t, { flags: { httpPort } }, /--http-port must be a port/)
  await refused(t, { flags: { httpPort: 'off', httpsPort: 'off' } }, /Both listeners are off/)
  await refused(t, { flags: { httpPort: '7000', httpsPort: '7000' } }, /both 7000/)
  assert.equal((await read(t, { flags: { httpPort: '0', httpsPort: '0' } })).httpsPort, 0)
})

test('an address that others can reach needs an auth section', async (t) => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'busbar.example.org', '[2001:db8::1]'])
    await refused(t, { flags: { host } }, /no 'auth' section/)
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'])
    assert.equal((await read(t, { flags: { host } })).development, true)
  const options = await read(t, { flags: { host: '0.0.0.0' } }, `auth: ${administrators}`)
  assert.equal(options.development, false)
  assert.equal(options.webhooks.allowHttp, false)
  assert.equal(options.webhooks.allowPrivateAddresses, false)
  assert.equal(options.auth?.administrators[0]?.name, 'ada')
})

test('principals, issuers and webhook tokens are read, and what they leave out is filled in', async (t) => {
  const id = '7A2F1C0E-5B3D-4E8A-9C6F-0D1E2F3A4B5C'
  const { auth, signIn, development, warnings } = await read(
    t,
    {},
    `auth:
  principals: [{name: ada, clientId: ${id}, clientSecret: a-secret-of-some-length}]
  issuers: [{issuer: "https://login.example.org"}, {issuer: "http://127.0.0.1:9", audiences: [a]}]
  webhookTokens: [{tenantId: ${id}, tokenEndpoint: "https://login.example.org/token", clientId: c, clientSecret: s}]`,
  )
  assert.equal(auth, undefined)
  assert.equal(development, true)
  assert.match(warnings[0] ?? '', /nobody who may use the control plane/)
  const [principal] = signIn.principals
  assert.equal(principal?.clientId, id.toLowerCase())
  assert.equal(principal.administrator, false)
  assert.match(principal.objectId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  assert.deepEqual(signIn.issuers, [
    {
      issuer: 'https://login.example.org',
      audiences: ['https://eventgrid.azure.net', 'https://eventgrid.azure.net/'],
    },
    { issuer: 'http://127.0.0.1:9', audiences: ['a'] },
  ])
  assert.equal(signIn.webhookTokens[0]?.tenantId, id.toLowerCase())
})

test('a principal that is an administrator may use the control plane of a server that others can reach', async (t) => {
  const principal = (more: string) =>
    `auth: {principals: [{name: ada, clientId: 7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c, clientSecret: a-secret-of-some-length${more}}]}`
  const flags = { host: '0.0.0.0' }
  await refused(t, { flags }, /names nobody under 'auth' who may use the control plane/, principal(''))
  const options = await read(t, { flags }, principal(', administrator: true'))
  assert.ok(options.auth)
  assert.equal(options.development, false)
})

test('what is wrong with a principal, an issuer or a webhook token is refused by its key', async (t) => {
  const principal = 'clientId: 7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c, clientSecret: a-secret-of-some-length'
  for (const [text, message] of [
    [
      '{principals: [{name: a, clientId: x, clientSecret: a-secret-of-some-length}]}',
      /'auth\.principals\[0\]\.clientId'.*must be a guid.*'x'/,
    ],
    [`{principals: [{name: a, ${principal}, objectId: x}]}`, /'auth\.principals\[0\]\.objectId'/],
    [`{principals: [{name: a, ${principal}}, {name: b, ${principal}}]}`, /'auth\.principals'.*twice/],
    ['{principals: [{name: a, clientId: x, clientSecret: short}]}', /'auth\.principals\[0\]\.clientSecret'/],
    [
      '{principals: [{name: a, clientId: 7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c}]}',
      /'auth\.principals\[0\]'.*neither a clientSecret nor a certificate/,
    ],
    [
      '{principals: [{name: a, clientId: 7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c, certificate: absent.pem}]}',
      /'auth\.principals\[0\]\.certificate'.*absent\.pem is no certificate/,
    ],
    ['{principal: []}', /unknown key 'auth\.principal'\. Did you mean 'principals'\?/],
    ['{issuers: [{issuer: "http://login.example.org"}]}', /'auth\.issuers\[0\]\.issuer'.*https/],
    ['{issuers: [{issuer: "https://a.example"}, {issuer: "https://a.example"}]}', /'auth\.issuers'.*twice/],
    [
      '{webhookTokens: [{tenantId: t, tokenEndpoint: "https://a.example", clientId: c, clientSecret: s}]}',
      /'auth\.webhookTokens\[0\]\.tenantId'/,
    ],
  ] as const)
    await refused(t, {}, message, `auth: ${text}`)
})

test('trusted proxies are addresses or ranges of them', async (t) => {
  assert.deepEqual((await read(t, {}, 'trustedProxies: [10.0.0.0/8, "::1"]')).trustedProxies, [
    '10.0.0.0/8',
    '::1',
  ])
  await refused(t, {}, /'trustedProxies'.*'proxy\.internal'/, 'trustedProxies: [proxy.internal]')
})

test('an auth section lets someone in, and an issuer comes with its audience', async (t) => {
  await refused(t, {}, /neither administrators nor an issuer/, 'auth: {}')
  await refused(t, {}, /go together/, 'auth: {issuer: "https://login.example.org"}')
  await refused(t, {}, /must be an https/, 'auth: {issuer: "http://login.example.org", audience: a}')
  const { auth } = await read(t, {}, 'auth: {issuer: "https://login.example.org", audience: [a, b]}')
  assert.deepEqual(auth?.oidc, { issuer: 'https://login.example.org', audiences: ['a', 'b'] })
})

test('of an issuer some may be owners, and a managed identity is one of the principals', async (t) => {
  const issuer = 'issuer: "https://login.example.org", audience: a'
  const { auth } = await read(t, {}, `auth: {${issuer}, owners: [0F9E8D7C-6B5A-4A39-8271-605F4E3D2C1B]}`)
  assert.deepEqual(auth?.oidc?.owners, ['0f9e8d7c-6b5a-4a39-8271-605f4e3d2c1b'])
  await refused(t, {}, /'owners' says who they are of an 'issuer'/, 'auth: {owners: [a]}')
  const principals =
    'principals: [{name: Shop, clientId: 7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c, clientSecret: a-secret-of-some-length}]'
  const { signIn } = await read(t, {}, `auth: {${principals}, managedIdentity: {principal: shop}}`)
  assert.deepEqual(signIn.managedIdentity, {
    clientId: '7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c',
    userAssigned: undefined,
  })
  await refused(
    t,
    {},
    /managedIdentity\.principal.* names 'ship', which is none of 'auth\.principals'/,
    `auth: {${principals}, managedIdentity: {principal: ship}}`,
  )
})

test('time runs faster only in development mode', async (t) => {
  assert.equal((await read(t, { flags: { timeScale: '3600' } })).timeScale, 3600)
  assert.equal((await read(t, { flags: { timeScale: '0.5' } })).timeScale, 0.5)
  for (const timeScale of ['0', '-1', 'fast', 'Infinity', ' '])
    await refused(t, { flags: { timeScale } }, /--time-scale must be a number greater than 0/)
  await refused(t, { flags: { timeScale: '2' } }, /for development alone/, `auth: ${administrators}`)
})

test('what this version does not have is refused by name, and off is always right', async (t) => {
  await refused(t, { flags: { engine: 'nats' } }, /only the embedded engine/)
  await refused(t, { flags: { engine: 'embeded' } }, /Did you mean 'embedded'\?/)
  await refused(t, { env: { BUSBAR_NATS_URL: 'nats://127.0.0.1' } }, /BUSBAR_NATS_URL/)
  const off = await read(t, { flags: { mqttPort: 'off', mqttsPort: 'off', amqpsPort: 'off' } })
  assert.deepEqual(off.warnings, [])
})

test('AMQP has its usual port, any where HTTP has any, and is off where it is told so', async (t) => {
  const port = async (flags: Readonly<Record<string, string>>) => (await read(t, { flags })).amqpsPort
  assert.equal(await port({}), 5671)
  assert.equal(await port({ httpPort: '0' }), 0)
  assert.equal(await port({ amqpsPort: 'off' }), 'off')
  assert.equal(await port({ httpPort: '0', amqpsPort: '1' }), 1)
  await refused(t, { env: { BUSBAR_AMQPS_PORT: 'x' } }, /BUSBAR_AMQPS_PORT must be a port/)
})

test('MQTT has its usual ports, any where HTTP has any, and none without TLS for other machines', async (t) => {
  const ports = async (sources: Parameters<typeof read>[1], file?: string) => {
    const { mqttPort, mqttsPort } = await read(t, sources, file)
    return [mqttPort, mqttsPort]
  }
  assert.deepEqual(await ports({}), [1883, 8883])
  assert.deepEqual(await ports({ flags: { httpPort: '0' } }), [0, 0])
  assert.deepEqual(await ports({ flags: { mqttPort: 'off', mqttsPort: '1' } }), ['off', 1])
  const auth = `auth: ${administrators}`
  assert.deepEqual(await ports({ flags: { host: '0.0.0.0' } }, auth), ['off', 8883])
  assert.deepEqual(
    await ports({ flags: { host: '0.0.0.0' } }, `${auth}\nmqtt: {plaintext: true}`),
    [1883, 8883],
  )
  await refused(
    t,
    { flags: { host: '0.0.0.0', mqttPort: '1883' } },
    /--mqtt-port opens MQTT without TLS on 0\.0\.0\.0/,
    auth,
  )
  await refused(t, { flags: { mqttPort: '9', mqttsPort: '9' } }, /--mqtt-port and --mqtts-port are both 9/)
})

test('MQTT without credentials is for development alone', async (t) => {
  assert.equal((await read(t, {})).mqtt.anonymous, false)
  assert.equal((await read(t, { flags: { mqttAnonymous: 'true' } })).mqtt.anonymous, true)
  await refused(t, { flags: { mqttAnonymous: 'true' } }, /for development alone/, `auth: ${administrators}`)
  await refused(t, { env: { BUSBAR_MQTT_ANONYMOUS: 'maybe' } }, /must be on or off: got 'maybe'/)
})

test('each limit and feature of MQTT can be set by itself, in its range', async (t) => {
  const { mqtt } = await read(t, {}, 'mqtt: {limits: {packetBytes: 4096}, features: {maximumQos: 1}}')
  assert.deepEqual([mqtt.limits, mqtt.features], [{ packetBytes: 4096 }, { maximumQos: 1 }])
  await refused(
    t,
    {},
    /unknown key 'mqtt\.limits\.packetByte'.*'packetBytes'/,
    'mqtt: {limits: {packetByte: 1}}',
  )
  await refused(t, {}, /'mqtt\.limits\.packetBytes'/, 'mqtt: {limits: {packetBytes: 1}}')
})

test('connections are kept by the id of their resource in lower case', async (t) => {
  const { connections } = await read(
    t,
    {},
    `connections: {${account}: {connectionString: UseDevelopmentStorage=true}}`,
  )
  assert.deepEqual(connections.get(account.toLowerCase()), { connectionString: 'UseDevelopmentStorage=true' })
  await refused(
    t,
    {},
    /'letters' is not the ARM id of a resource that can have a connection/,
    'connections: {letters: {connectionString: x}}',
  )
})

test('a blob service that is passed on needs a storage account with a connection that has a key', async (t) => {
  const passOn = (more: string) =>
    `{blobServices: [{storageAccount: ${account}, port: 0${more}}], connections: `
  const keyed = `{${account}: {connectionString: UseDevelopmentStorage=true}}}`
  const { blobServices } = await read(t, {}, `${passOn(', url: "https://blobs.example.org/"')}${keyed}`)
  assert.deepEqual(blobServices, [
    {
      ...{ accountId: account, connectionString: 'UseDevelopmentStorage=true', port: 0, isTls: false },
      url: 'https://blobs.example.org',
    },
  ])
  assert.deepEqual((await read(t)).blobServices, [])
  await refused(t, {}, /'blobServices'.* has no connection: give its connectionString/, `${passOn('')}{}}`)
  const signed = 'BlobEndpoint=https://a.blob.example.org;SharedAccessSignature=sv=1'
  await refused(
    t,
    {},
    /'blobServices'.* has a connection without a key/,
    `${passOn('')}{${account}: {connectionString: ${signed}}}}`,
  )
  await refused(t, {}, /has a url that is no http/, `${passOn(', url: "ftp://blobs"')}${keyed}`)
  await refused(
    t,
    {},
    /'letters' is not the ARM id of a storage account/,
    'blobServices: [{storageAccount: letters, port: 1}]',
  )
})

test('alerts have one place to go, whose URL is not repeated where it is none', async (t) => {
  const { monitorAlertsUrl } = await read(t, {}, 'monitorAlerts: {url: "https://alerts.example.org/?code=s"}')
  assert.equal(monitorAlertsUrl, 'https://alerts.example.org/?code=s')
  assert.equal((await read(t)).monitorAlertsUrl, undefined)
  await refused(
    t,
    {},
    /'monitorAlerts\.url' .* must be an http:\/\/ or https:\/\/ URL\.$/,
    'monitorAlerts: {url: "ftp://a"}',
  )
  await refused(t, {}, /'monitorAlerts\.ulr'\. Did you mean 'url'\?/, 'monitorAlerts: {ulr: x}')
})

test('limits keep their defaults where the file says nothing', async (t) => {
  const { limits } = await read(t, {}, 'limits: {eventsPerRequest: 7}')
  assert.equal(limits.eventsPerRequest, 7)
  assert.equal(limits.requestBytes, 1_048_576)
  assert.equal(limits.connections, 20_000)
})

test('diagnostic logs are off unless the file asks, and lie in the data directory unless it says where', async (t) => {
  assert.equal((await read(t)).diagnostics, undefined)
  const { dataDir, diagnostics } = await read(t, {}, 'diagnostics: {}')
  assert.deepEqual(diagnostics, {
    directory: join(dataDir, 'logs'),
    categories: [
      'PublishFailures',
      'DeliveryFailures',
      'DataPlaneRequests',
      'SuccessfulHttpDataPlaneOperations',
      'FailedHttpDataPlaneOperations',
      'SuccessfulMqttConnections',
      'FailedMqttConnections',
      'MqttDisconnections',
      'FailedMqttPublishedMessages',
      'FailedMqttSubscriptionOperations',
    ],
    maxFileBytes: 16_777_216,
    files: 4,
  })
  await refused(
    t,
    {},
    /unknown category 'PublishFailure'.*Did you mean 'PublishFailures'/,
    'diagnostics: {categories: [PublishFailure]}',
  )
})

test('the public URL is a base without a query, and loses its last slash', async (t) => {
  const publicUrl = 'https://events.example.org/'
  assert.equal((await read(t, { flags: { publicUrl } })).publicUrl, 'https://events.example.org')
  for (const wrong of ['events.example.org', 'ftp://events.example.org', 'https://a/?b'])
    await refused(t, { flags: { publicUrl: wrong } }, /--public-url must be/)
})

const read = (t: TestContext, sources: Sources = {}, file?: string) =>
  readOptions({ cwd: directoryWith(t, file === undefined ? {} : { 'busbar.yaml': file }), ...sources })

const refused = (t: TestContext, sources: Sources, message: RegExp, file?: string) =>
  assert.rejects(read(t, sources, file), { name: 'OperatorError', message })

function directoryWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'busbar-config-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  return directory
}
