import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * docs/compatibility.md says nothing that is not so: each of its rows names a test, and each refusal that is proved
 * here is asked for, and comes with the status and code that the row says.
 */

const server = await startTestServer({ after }, { flags: { httpsPort: 'off' } })
await server.createTopic('clouds', { inputSchema: 'CloudEventSchemaV1_0' })

interface Row {
  readonly feature: string
  readonly status: string
  readonly proof: string
}

const rows: readonly Row[] = readFileSync(new URL('../docs/compatibility.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (---|client|operation|feature) /.test(line))
  .map((line) => {
    const [feature = '', status = '', proof = ''] = line.slice(2, -2).split(' | ')
    return { feature, status, proof }
  })

/** Method, path below the default subscription, and body. */
type Refused = readonly [method: string, path: string, body?: unknown]

const provider = '/resourceGroups/rg/providers/Microsoft.EventGrid'
const make = (type: string): Refused => ['PUT', `${provider}/${type}/thing`, { location: 'westus2' }]
const topic = (properties: object, more: object = {}): Refused => [
  ...(['PUT', `${provider}/topics/thing`] as const),
  { location: 'westus2', properties, ...more },
]
const eventSubscription = (properties: object, topicName = 'orders'): Refused => [
  ...(['PUT', server.idOf('thing', topicName)] as const),
  { properties: { ...toWebhook(), ...properties } },
]
const toWebhook = (more: object = {}) => ({
  destination: { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.org/', ...more } },
})
const identity = { type: 'SystemAssigned' }
const otherDestinations = [
  ...['AzureFunction', 'EventHub', 'HybridConnection', 'MonitorAlert', 'NamespaceTopic'],
  ...['PartnerDestination', 'ServiceBusQueue', 'ServiceBusTopic', 'StorageQueue'],
]
const blob = {
  endpointType: 'StorageBlob',
  properties: {
    resourceId: `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/unknown`,
    blobContainerName: 'letters',
  },
}

/** By the row that says so. */
const refusals: Readonly<Record<string, readonly Refused[]>> = {
  Namespaces: [make('namespaces')],
  'Partner topics, namespaces, registrations, destinations and configurations': [
    ...['Topics', 'Namespaces', 'Registrations', 'Destinations', 'Configurations'],
  ].map((word) => make(`partner${word}`)),
  'Template deployments': [
    ['PUT', '/resourceGroups/rg/providers/Microsoft.Resources/deployments/thing', { properties: {} }],
  ],
  'Private endpoint connections and private link resources': [
    ['GET', `${provider}/topics/orders/privateEndpointConnections`],
    ['GET', `${provider}/topics/orders/privateLinkResources`],
  ],
  'Other resource providers': [
    ['PUT', '/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/thing', { location: 'westus2' }],
    ['GET', '/providers/Microsoft.Insights'],
  ],
  'Topics: `minimumTlsVersionAllowed` other than `1.2`': ['1.0', '1.1', '1.3'].map((version) =>
    topic({ minimumTlsVersionAllowed: version }),
  ),
  'Topics: `publicNetworkAccess` `SecuredByPerimeter`': [
    topic({ publicNetworkAccess: 'SecuredByPerimeter' }),
  ],
  'Topics: user-assigned identities': [topic({}, { identity: { type: 'UserAssigned' } })],
  'Destinations other than `WebHook`': otherDestinations.map((endpointType) =>
    eventSubscription({ destination: { endpointType, properties: {} } }),
  ),
  'Webhooks protected by Microsoft Entra ID': [
    eventSubscription(toWebhook({ azureActiveDirectoryTenantId: 't' })),
    eventSubscription(toWebhook({ azureActiveDirectoryApplicationIdOrUri: 'a' })),
  ],
  'Delivery and dead-lettering with a managed identity': [
    eventSubscription({ deliveryWithResourceIdentity: { identity, ...toWebhook() } }),
    eventSubscription({ deadLetterWithResourceIdentity: { identity, deadLetterDestination: blob } }),
  ],
  'CloudEvents delivered in the Event Grid schema': [
    eventSubscription({ eventDeliverySchema: 'EventGridSchema' }, 'clouds'),
  ],
  'Dead-lettering to a storage account that the configuration does not name': [
    eventSubscription({ deadLetterDestination: blob }),
  ],
}

const provedHere = rows.filter(({ proof }) => proof.includes('test/compatibility.test.ts'))

for (const { feature, status } of provedHere)
  test(`${feature}: ${status}`, async () => {
    const [, httpStatus, code] = /^refused: (\d+) `(\w+)`$/.exec(status) ?? []
    const requests = refusals[feature]
    assert.ok(requests, 'is asked for in this file')
    for (const request of requests) {
      const answer = await server.call(...request)
      assert.deepEqual(
        [answer.status, answer.body?.error?.code],
        [Number(httpStatus), code],
        `${request[0]} ${request[1]} ${JSON.stringify(request[2])}: ${JSON.stringify(answer.body)}`,
      )
    }
  })

test('every refusal that is asked for here is a row of docs/compatibility.md, and every row names its tests', () => {
  const features = rows.map(({ feature }) => feature)
  assert.deepEqual([...new Set(features)], features)
  assert.deepEqual(Object.keys(refusals).toSorted(), provedHere.map(({ feature }) => feature).toSorted())
  for (const { feature, status, proof } of rows) {
    assert.match(status, /^(works|refused|differs|as )/, feature)
    assert.match(proof, /^(\[(\S+\.test\.ts)\]\(\.\.\/\2\)(, )?)+$/, feature)
  }
})

test('docs/compatibility.md names the versions of the official clients that are installed', () => {
  const { devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { readonly devDependencies: Readonly<Record<string, string>> }
  for (const { feature } of rows) {
    const [, name = '', version] = /^`([@\w/-]+)` (\d+\.\d+\.\d+)/.exec(feature) ?? []
    if (version !== undefined) assert.equal(version, devDependencies[name], name)
  }
})
