import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { issueTestCertificate, x509Of } from '../testing/client-certificates.ts'
import { subscription } from '../testing/control-plane.ts'
import { connect } from '../testing/official-clients.ts'

const names = (items: readonly { name?: string }[]) => items.map(({ name }) => name)
const ns = ['rg', 'machines'] as const
const refused =
  (statusCode: number, message: RegExp) => (error: { statusCode?: number; message: string }) => {
    assert.equal(error.statusCode, statusCode, error.message)
    assert.match(error.message, message)
    return true
  }

const apiVersion = '2025-02-15'

/*
 * The published management client for JavaScript knows no namespaces; the one for any resource does what it would.
 */
async function started(t: TestContext) {
  const { server, resources } = await connect(t)
  const path = '/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/machines'
  const idOf = (group: string, namespace: string, rest = '') =>
    `${subscription}/resourceGroups/${group}/providers/Microsoft.EventGrid/namespaces/${namespace}${rest}`
  const flat = ({ properties, ...resource }: { readonly properties?: unknown }) =>
    // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
    ({ ...resource, ...(properties as object) }) as any
  const groupOf = (collection: string) => ({
    beginCreateOrUpdateAndWait: async (
      ...[group, namespace, name, properties]: [string, string, string, Record<string, unknown>]
    ) =>
      flat(
        await resources.resources.beginCreateOrUpdateByIdAndWait(
          idOf(group, namespace, `/${collection}/${name}`),
          apiVersion,
          { properties },
        ),
      ),
    get: async (group: string, namespace: string, name: string) =>
      flat(await resources.resources.getById(idOf(group, namespace, `/${collection}/${name}`), apiVersion)),
    beginDeleteAndWait: (group: string, namespace: string, name: string) =>
      resources.resources.beginDeleteByIdAndWait(
        idOf(group, namespace, `/${collection}/${name}`),
        apiVersion,
      ),
    async listByNamespace(group: string, namespace: string) {
      const list = `/resourceGroups/${group}/providers/Microsoft.EventGrid/namespaces/${namespace}/${collection}`
      return (await server.call('GET', list)).body.value as { name: string }[]
    },
  })
  const eventGrid = {
    namespaces: {
      beginCreateOrUpdateAndWait: (
        group: string,
        name: string,
        { location, ...properties }: { location: string },
      ) =>
        resources.resources.beginCreateOrUpdateByIdAndWait(idOf(group, name), apiVersion, {
          location,
          properties,
        }),
      beginDeleteAndWait: (group: string, name: string) =>
        resources.resources.beginDeleteByIdAndWait(idOf(group, name), apiVersion),
    },
    clients: groupOf('clients'),
    clientGroups: groupOf('clientGroups'),
    topicSpaces: groupOf('topicSpaces'),
    permissionBindings: groupOf('permissionBindings'),
    caCertificates: groupOf('caCertificates'),
  }
  await eventGrid.namespaces.beginCreateOrUpdateAndWait(...ns, {
    location: 'westus2',
    ...{ topicSpacesConfiguration: { state: 'Enabled' } },
  })
  const put = (collection: string, name: string, properties: unknown) =>
    server.call('PUT', `${path}/${collection}/${name}`, { properties })
  return { server, eventGrid, put, path }
}

test('the generic client makes, reads, lists and deletes clients', async (t) => {
  const { eventGrid } = await started(t)
  const { clients } = eventGrid
  const made = await clients.beginCreateOrUpdateAndWait(...ns, 'Machine:1._', {
    description: 'The first.',
    clientCertificateAuthentication: {
      validationScheme: 'ThumbprintMatch',
      allowedThumbprints: ['AB'.repeat(20)],
    },
    attributes: { area: 'north', floor: 5, indoors: true, sensors: ['motion', 'light'] },
  })
  assert.equal(made.type, 'Microsoft.EventGrid/namespaces/clients')
  assert.equal(made.provisioningState, 'Succeeded')
  assert.equal(made.authenticationName, 'Machine:1._')
  assert.equal(made.state, 'Enabled')
  assert.deepEqual(made.attributes, { area: 'north', floor: 5, indoors: true, sensors: ['motion', 'light'] })
  const plain = await clients.beginCreateOrUpdateAndWait(...ns, 'plain', {
    authenticationName: 'plain.example.org',
  })
  assert.deepEqual(plain.clientCertificateAuthentication, {
    validationScheme: 'SubjectMatchesAuthenticationName',
    allowedThumbprints: [],
  })
  assert.deepEqual((await clients.get(...ns, 'plain')).attributes, {})
  assert.deepEqual(names(await clients.listByNamespace(...ns)), ['Machine:1._', 'plain'])
  await clients.beginDeleteAndWait(...ns, 'plain')
  await assert.rejects(clients.get(...ns, 'plain'), { code: 'ResourceNotFound', statusCode: 404 })
})

test('an authentication name stays, and belongs to one client of the namespace', async (t) => {
  const { eventGrid } = await started(t)
  const { clients, namespaces } = eventGrid
  await clients.beginCreateOrUpdateAndWait(...ns, 'one', { authenticationName: 'Device' })
  await clients.beginCreateOrUpdateAndWait(...ns, 'one', { state: 'Disabled' })
  assert.equal((await clients.get(...ns, 'one')).authenticationName, 'Device')
  await assert.rejects(clients.beginCreateOrUpdateAndWait(...ns, 'one', { authenticationName: 'other' }), {
    code: 'PropertyChangeNotAllowed',
  })
  await assert.rejects(
    clients.beginCreateOrUpdateAndWait(...ns, 'two', { authenticationName: 'dEVICE' }),
    refused(409, /Another client of the namespace has the authentication name 'dEVICE'/),
  )
  await namespaces.beginCreateOrUpdateAndWait('rg', 'others', { location: 'westus2' })
  await clients.beginCreateOrUpdateAndWait('rg', 'others', 'two', { authenticationName: 'device' })
  await clients.beginDeleteAndWait(...ns, 'one')
  await clients.beginCreateOrUpdateAndWait(...ns, 'two', { authenticationName: 'dEVICE' })
})

const thumbprint = 'ab'.repeat(20)
const certificate = (clientCertificateAuthentication: Readonly<Record<string, unknown>>) => ({
  clientCertificateAuthentication,
})
const refusals: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
  ['clients', { authenticationName: '' }, /authenticationName' must be 1 to 128 characters/],
  ['clients', { authenticationName: 'x'.repeat(129) }, /authenticationName' must be at most 128/],
  ['clients', { state: 'Asleep' }, /state' must be one of Enabled, Disabled/],
  ['clients', certificate({ validationScheme: 'Any' }), /validationScheme' must be one of Subject/],
  ['clients', certificate({ validationScheme: 'ThumbprintMatch' }), /must be 1 or 2 thumbprints/],
  [
    'clients',
    certificate({ allowedThumbprints: [thumbprint] }),
    /goes with the validation scheme ThumbprintMatch only/,
  ],
  [
    'clients',
    certificate({
      validationScheme: 'ThumbprintMatch',
      allowedThumbprints: [thumbprint, thumbprint, thumbprint],
    }),
    /at most 2 items/,
  ],
  [
    'clients',
    certificate({ validationScheme: 'ThumbprintMatch', allowedThumbprints: ['abc'] }),
    /allowedThumbprints\[0\]' must be a SHA-1 or SHA-256 thumbprint/,
  ],
  [
    'clients',
    { attributes: { 'a-b': 1 } },
    /attributes.a-b' must be named with letters, digits and underscores/,
  ],
  [
    'clients',
    { attributes: { a: 1.5 } },
    /attributes.a' must be a string, an integer, true, false or an array/,
  ],
  ['clients', { attributes: { a: ['x', 1] } }, /attributes.a' must be/],
  ['clients', { attributes: { a: { b: 1 } } }, /attributes.a' must be/],
  ['clients', { attributes: { a: 'x'.repeat(4_096) } }, /attributes' must be at most 4096 bytes/],
  ['clientGroups', {}, /query' must be a query, such as/],
  [
    'clientGroups',
    { query: 'attributes.a like 1' },
    /query' is no group query that can be read: expected one of =.* at character 14, got 'like'/,
  ],
  ['topicSpaces', {}, /topicTemplates' must be an array of at least one/],
  [
    'topicSpaces',
    { topicTemplates: ['a/#/b'] },
    /topicTemplates\[0\]' is no topic template that can be read: expected '#' as the last segment only at character 3/,
  ],
  ['topicSpaces', { topicTemplates: ['$SYS/a'] }, /does not begin with '\$'/],
  [
    'topicSpaces',
    { topicTemplates: ['x'.repeat(257)] },
    /topicTemplates\[0\]' must be at most 256 characters/,
  ],
  ['topicSpaces', { topicTemplates: ['1/2/3/4/5/6/7/8/9'] }, /at most 8 segments/],
  ['topicSpaces', { topicTemplates: Array.from({ length: 11 }, () => 'a') }, /at most 10 items/],
  ['permissionBindings', {}, /permission' must be one of Publisher, Subscriber/],
  ['permissionBindings', { permission: 'Publisher' }, /topicSpaceName' must be the name of a topic space/],
  [
    'permissionBindings',
    { permission: 'Publisher', topicSpaceName: 'none', clientGroupName: '$all' },
    /The topic space 'none' does not exist in '.*namespaces\/machines'/,
  ],
  ['caCertificates', {}, /encodedCertificate' must be one X.509 certificate in PEM/],
  [
    'caCertificates',
    { encodedCertificate: 'nonsense' },
    /encodedCertificate' must be one X.509 certificate in PEM/,
  ],
]

test('what cannot be is refused with what was expected', async (t) => {
  const { put } = await started(t)
  for (const [collection, properties, message] of refusals) {
    const answer = await put(collection, 'one', properties)
    assert.equal(answer.status, 400, JSON.stringify([collection, properties, answer.body]))
    assert.match(answer.body.error.message, message)
  }
  for (const [collection, name] of [
    ['clients', 'a b'],
    ['clients', 'x'.repeat(129)],
    ['clientGroups', 'ab'],
    ['topicSpaces', 'a_b'],
    ['caCertificates', 'x'.repeat(51)],
  ] as const)
    assert.equal((await put(collection, encodeURIComponent(name), {})).status, 400, name)
})

test('the generic client makes, reads, lists and deletes client groups, and finds the built-in one', async (t) => {
  const { eventGrid } = await started(t)
  const { clientGroups } = eventGrid
  const query = '(attributes.sensors = "motion" or attributes.floor <= 5) and authenticationName != "x"'
  const made = await clientGroups.beginCreateOrUpdateAndWait(...ns, 'north', { query, description: 'North.' })
  assert.deepEqual([made.query, made.description, made.provisioningState], [query, 'North.', 'Succeeded'])
  assert.deepEqual(names(await clientGroups.listByNamespace(...ns)), ['$all', 'north'])
  const everyone = await clientGroups.get(...ns, '$all')
  assert.equal(everyone.type, 'Microsoft.EventGrid/namespaces/clientGroups')
  await assert.rejects(
    clientGroups.beginCreateOrUpdateAndWait(...ns, '$all', { query }),
    refused(409, /is built in/),
  )
  await assert.rejects(clientGroups.beginDeleteAndWait(...ns, '$all'), refused(409, /is built in/))
  await clientGroups.beginDeleteAndWait(...ns, 'north')
  await assert.rejects(clientGroups.get(...ns, 'north'), { statusCode: 404 })
})

test('the generic client makes, reads, lists and deletes topic spaces and bindings, in the order that keeps them whole', async (t) => {
  const { eventGrid } = await started(t)
  const { clientGroups, topicSpaces, permissionBindings } = eventGrid
  const topicTemplates = [
    `machines/\${client.authenticationName|.x}/\${client.attributes.area}/#`,
    'areas/+/alarms',
  ]
  const space = await topicSpaces.beginCreateOrUpdateAndWait(...ns, 'telemetry', { topicTemplates })
  assert.deepEqual(space.topicTemplates, topicTemplates)
  await clientGroups.beginCreateOrUpdateAndWait(...ns, 'north', { query: 'attributes.area = "north"' })
  const binding = await permissionBindings.beginCreateOrUpdateAndWait(...ns, 'tell', {
    clientGroupName: 'north',
    topicSpaceName: 'telemetry',
    permission: 'Publisher',
    description: 'May tell.',
  })
  assert.deepEqual(
    [binding.clientGroupName, binding.topicSpaceName, binding.permission, binding.description],
    ['north', 'telemetry', 'Publisher', 'May tell.'],
  )
  await permissionBindings.beginCreateOrUpdateAndWait(...ns, 'hear', {
    clientGroupName: '$all',
    topicSpaceName: 'Telemetry',
    permission: 'Subscriber',
  })
  await assert.rejects(
    topicSpaces.beginDeleteAndWait(...ns, 'telemetry'),
    refused(409, /cannot be deleted while '.*\/hear' names it/),
  )
  await assert.rejects(
    clientGroups.beginDeleteAndWait(...ns, 'north'),
    refused(409, /cannot be deleted while '.*\/tell' names it/),
  )
  assert.deepEqual(names(await topicSpaces.listByNamespace(...ns)), ['telemetry'])
  assert.deepEqual(names(await permissionBindings.listByNamespace(...ns)), ['hear', 'tell'])
  await permissionBindings.beginDeleteAndWait(...ns, 'tell')
  await clientGroups.beginDeleteAndWait(...ns, 'north')
  await permissionBindings.beginDeleteAndWait(...ns, 'hear')
  await topicSpaces.beginDeleteAndWait(...ns, 'telemetry')
  await assert.rejects(topicSpaces.get(...ns, 'telemetry'), { statusCode: 404 })
})

test('the generic client makes, reads, lists and deletes CA certificates, and sees when they end', async (t) => {
  const { eventGrid, put } = await started(t)
  const { caCertificates } = eventGrid
  const root = await issueTestCertificate({ subject: 'CN=root, O=Contoso', authority: true })
  const made = await caCertificates.beginCreateOrUpdateAndWait(...ns, 'root', {
    encodedCertificate: root.cert,
    description: 'Signs.',
  })
  assert.equal(made.encodedCertificate, root.cert)
  assert.equal(made.issueTimeInUtc, x509Of(root).validFromDate.toISOString())
  assert.equal(made.expiryTimeInUtc, x509Of(root).validToDate.toISOString())
  const inBase64 = Buffer.from(root.cert).toString('base64')
  const bare = x509Of(root).raw.toString('base64')
  for (const [name, encodedCertificate] of Object.entries({ base64: inBase64, bare })) {
    const other = await caCertificates.beginCreateOrUpdateAndWait(...ns, name, { encodedCertificate })
    assert.deepEqual(other.expiryTimeInUtc, made.expiryTimeInUtc)
  }
  assert.deepEqual(names(await caCertificates.listByNamespace(...ns)), ['bare', 'base64', 'root'])
  const none = await issueTestCertificate({ subject: 'CN=device' })
  const refusal = await put('caCertificates', 'none', { encodedCertificate: none.cert })
  assert.match(refusal.body.error.message, /that of 'CN=device' says that it is none/)
  const two = await put('caCertificates', 'two', { encodedCertificate: root.cert + none.cert })
  assert.equal(two.status, 400)
  await caCertificates.beginDeleteAndWait(...ns, 'root')
  await assert.rejects(caCertificates.get(...ns, 'root'), { statusCode: 404 })
})

test('a namespace has as many of each as the limits say, and the built-in group is not counted', async (t) => {
  const { put } = await started(t)
  const { cert: encodedCertificate } = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const bodies = {
    clientGroups: { query: 'attributes.a = 1' },
    topicSpaces: { topicTemplates: ['a'] },
    caCertificates: { encodedCertificate },
  }
  for (const [collection, properties] of Object.entries(bodies)) {
    for (let n = 0; n < 10; n++) assert.equal((await put(collection, `one-${n}`, properties)).status, 201)
    const answer = await put(collection, 'one-more', properties)
    assert.deepEqual([answer.status, answer.body.error.code], [409, 'Conflict'], collection)
    assert.equal((await put(collection, 'one-9', properties)).status, 201)
  }
})

test('the certificate of an issuer of tokens is one with an RSA key', async (t) => {
  const { server, path } = await started(t)
  const ec = await issueTestCertificate({ subject: 'CN=issuer' })
  const rsa = await issueTestCertificate({ subject: 'CN=issuer', rsa: true })
  const write = (encodedCertificate: string) =>
    server.call('PUT', path, {
      location: 'westus2',
      properties: {
        topicSpacesConfiguration: {
          state: 'Enabled',
          clientAuthentication: {
            customJwtAuthentication: {
              tokenIssuer: 'https://issuer.example.org/',
              encodedIssuerCertificates: [{ kid: 'one', encodedCertificate }],
            },
          },
        },
      },
    })
  assert.match((await write('PEM')).body.error.message, /must be an X.509 certificate in PEM/)
  assert.match((await write(ec.cert)).body.error.message, /with an RSA key, for tokens are signed with RS256/)
  assert.equal((await write(rsa.cert)).status, 201)
})

test('a namespace takes all of them along when it goes, and the built-in group comes back with a new one', async (t) => {
  const { eventGrid, put, server, path } = await started(t)
  await put('topicSpaces', 'telemetry', { topicTemplates: ['a'] })
  await put('permissionBindings', 'hear', {
    clientGroupName: '$all',
    topicSpaceName: 'telemetry',
    permission: 'Subscriber',
  })
  await eventGrid.namespaces.beginDeleteAndWait(...ns)
  for (const collection of ['topicSpaces/telemetry', 'permissionBindings/hear', 'clientGroups/$all'])
    assert.equal((await server.call('GET', `${path}/${collection}`)).status, 404, collection)
  await eventGrid.namespaces.beginCreateOrUpdateAndWait(...ns, { location: 'westus2' })
  assert.deepEqual(names(await eventGrid.clientGroups.listByNamespace(...ns)), ['$all'])
  assert.deepEqual(await eventGrid.topicSpaces.listByNamespace(...ns), [])
})
