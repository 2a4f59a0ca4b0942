import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestError } from '../base/errors.ts'
import {
  type Answer,
  type ControlPlane,
  eventSubscriptionPath,
  knownAccount,
  knownProviders,
  startControlPlane,
  subscription,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'

/** What was sent, the status and code that must come, and what the message must say. */
type Case = readonly [sent: string, body: unknown, status: number, code: string, says?: RegExp]

const group = '/resourceGroups/rg'
const provider = `${group}/providers/Microsoft.EventGrid`
const version = '?api-version=2025-02-15'
const long = (length: number) => 'x'.repeat(length)

async function check({ raw }: ControlPlane, [sent, body, status, code, says]: Case): Promise<void> {
  const [method = '', path = ''] = sent.split(/ (.*)/s)
  const query = path.includes('?') ? '' : version
  const absolute = path.startsWith('!') ? path.slice(1) : subscription + path
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const answer: Answer = await raw(method, absolute + query, text)
  const what = `${sent} ${text?.slice(0, 200) ?? ''}\n-> ${answer.status} ${JSON.stringify(answer.body)}`
  assert.equal(answer.status, status, what)
  assert.equal(answer.body?.error?.code, code, what)
  assert.equal(typeof answer.body.error.message, 'string', what)
  if (says) assert.match(answer.body.error.message, says, what)
}

function table(
  title: string,
  cases: readonly Case[],
  prepare?: (server: ControlPlane) => Promise<void>,
): void {
  test(`${title} (${cases.length} cases)`, async (t) => {
    const server = await startControlPlane(t)
    await server.makeTopic()
    await prepare?.(server)
    for (const each of cases) await check(server, each)
  })
}

table('a path, verb or api-version that means nothing is refused with its documented code', [
  ['GET !/subscriptions?x=1', undefined, 400, 'MissingApiVersionParameter'],
  ['GET !/subscriptions?api-version=', undefined, 400, 'MissingApiVersionParameter'],
  ['GET /resourceGroups?x=1', undefined, 400, 'MissingApiVersionParameter'],
  ['GET /resourceGroups?api-version=latest', undefined, 400, 'InvalidApiVersionParameter', /'latest'/],
  ['GET /resourceGroups?api-version=2021-13-01', undefined, 400, 'InvalidApiVersionParameter'],
  ['GET /resourceGroups?api-version=2021-01-01-final', undefined, 400, 'InvalidApiVersionParameter'],
  [
    `GET ${topicPath}?api-version=2025-02-16`,
    undefined,
    400,
    'NoRegisteredProviderFound',
    /API version '2025-02-16' for type 'topics'.*2025-02-15.*locations are '.*westus2/,
  ],
  [`PUT ${eventSubscriptionPath}?api-version=2022-09-01`, {}, 400, 'NoRegisteredProviderFound'],
  ['GET /resourceGroups?api-version=2021-04-02', undefined, 400, 'InvalidApiVersionParameter', /2021-04-01/],
  ['GET !/subscriptions?api-version=1999-01-01', undefined, 400, 'InvalidApiVersionParameter'],
  [
    'GET /providers/Microsoft.Authorization/locks?api-version=2021-01-01',
    undefined,
    400,
    'InvalidApiVersionParameter',
  ],
  [`GET ${topicPath}?api-version=20210101`, undefined, 400, 'InvalidApiVersionParameter', /2025-02-15/],
  ['GET !/subscriptions/11111111-1111-1111-1111-111111111111', undefined, 404, 'SubscriptionNotFound'],
  ['GET !/subscriptions/nonsense/resourceGroups', undefined, 404, 'SubscriptionNotFound', /nonsense/],
  ['GET /nothing', undefined, 404, 'NotFound'],
  ['GET /resourceGroups/rg/nothing', undefined, 404, 'NotFound'],
  ['GET /resourceGroups/rg/nothing/more', undefined, 404, 'NotFound'],
  ['GET /resourceGroups/rg/locations', undefined, 404, 'NotFound'],
  ['GET !/tenants/x', undefined, 404, 'NotFound'],
  ['GET !/subscriptions/%E0%A4%A', undefined, 400, 'BadRequest'],
  [`GET !/subscriptions/${long(9000)}`, undefined, 414, 'RequestUriTooLong'],
  ['GET /providers/Microsoft.Nothing', undefined, 404, 'InvalidResourceNamespace'],
  ['POST /providers/Microsoft.Nothing/register', undefined, 404, 'InvalidResourceNamespace'],
  ['GET !/providers/Microsoft.Nothing', undefined, 404, 'InvalidResourceNamespace'],
  [`GET ${group}/providers/Microsoft.Nothing/topics/x`, undefined, 404, 'InvalidResourceNamespace'],
  [`GET ${provider}/things/x`, undefined, 404, 'InvalidResourceType', /'things'/],
  [`PUT ${provider}/things/x`, {}, 404, 'InvalidResourceType'],
  [`GET ${provider}/things`, undefined, 404, 'InvalidResourceType'],
  [`GET ${provider}/topics/orders/children/x`, undefined, 404, 'InvalidResourceType'],
  [`POST ${topicPath}/explode`, undefined, 404, 'NotFound'],
  [`GET ${topicPath}/listKeys`, undefined, 405, 'HttpResourceMethodNotAllowed'],
  [`POST ${topicPath}`, {}, 405, 'HttpResourceMethodNotAllowed', /POST/],
  [`OPTIONS ${topicPath}`, undefined, 405, 'HttpResourceMethodNotAllowed'],
  [`PUT ${provider}/topics`, {}, 405, 'HttpResourceMethodNotAllowed'],
  [`DELETE ${provider}/topics`, undefined, 405, 'HttpResourceMethodNotAllowed'],
  ['DELETE !/subscriptions', undefined, 405, 'HttpResourceMethodNotAllowed'],
  ['PUT ', {}, 405, 'HttpResourceMethodNotAllowed'],
  ['POST /resourceGroups/rg', {}, 405, 'HttpResourceMethodNotAllowed'],
  ['POST /resources', {}, 405, 'HttpResourceMethodNotAllowed'],
  ['GET /providers/Microsoft.EventGrid/register', undefined, 405, 'HttpResourceMethodNotAllowed'],
  ['GET /providers/Microsoft.EventGrid/topics/x', undefined, 404, 'NotFound'],
  ['GET /operationresults/x', undefined, 404, 'OperationNotFound'],
  [
    'GET /providers/Microsoft.EventGrid/locations/westus2/operationsStatus/x',
    undefined,
    404,
    'OperationNotFound',
  ],
  [
    'GET /providers/Microsoft.EventGrid/locations/westus2/operationsStatus/00000000-0000-0000-0000-000000000000',
    undefined,
    404,
    'OperationNotFound',
  ],
  ['GET /providers/Microsoft.EventGrid/operationResults/x', undefined, 404, 'OperationNotFound'],
  ['GET !/eventsubscriptions/a/validate', undefined, 404, 'NotFound'],
  ['GET !/eventsubscriptions/a', undefined, 404, 'NotFound'],
  ['DELETE !/eventsubscriptions/a/validate', undefined, 405, 'HttpResourceMethodNotAllowed'],
])

table('a list with a wrong page size, token or filter is refused', [
  [`GET ${provider}/topics${version}&$top=0`, undefined, 400, 'InvalidParameter', /\$top.*1 to 100/],
  [`GET ${provider}/topics${version}&$top=101`, undefined, 400, 'InvalidParameter'],
  [`GET ${provider}/topics${version}&$top=ten`, undefined, 400, 'InvalidParameter'],
  [`GET ${provider}/topics${version}&$top=-1`, undefined, 400, 'InvalidParameter'],
  [`GET ${provider}/topics${version}&$top=1.5`, undefined, 400, 'InvalidParameter'],
  [`GET ${provider}/topics${version}&$skipToken=!!`, undefined, 400, 'InvalidParameter'],
  [`GET ${provider}/topics${version}&$filter=location eq 'x'`, undefined, 400, 'InvalidFilterInQueryString'],
  [`GET ${provider}/topics${version}&$filter=contains(name)`, undefined, 400, 'InvalidFilterInQueryString'],
  [
    `GET ${provider}/topics${version}&$filter=${'('.repeat(100)}`,
    undefined,
    400,
    'InvalidFilterInQueryString',
  ],
  [`GET ${provider}/topics${version}&$filter=${long(5000)}`, undefined, 400, 'InvalidFilterInQueryString'],
  [`GET ${group}2/providers/Microsoft.EventGrid/topics`, undefined, 404, 'ResourceGroupNotFound'],
  [`GET ${provider}/topics/none/eventSubscriptions`, undefined, 404, 'ParentResourceNotFound'],
  [`GET /resourceGroups/none/resources`, undefined, 404, 'ResourceGroupNotFound'],
  [
    `GET /resourceGroups/none/providers/Microsoft.EventGrid/eventSubscriptions`,
    undefined,
    404,
    'ResourceGroupNotFound',
  ],
])

const inWest = { location: 'westus2' }

table('a group that breaks a rule is refused', [
  ['PUT /resourceGroups/new', undefined, 400, 'InvalidRequestContent', /empty/],
  ['PUT /resourceGroups/new', '{', 400, 'InvalidRequestContent'],
  ['PUT /resourceGroups/new', '[]', 400, 'InvalidRequestContent', /JSON object/],
  ['PUT /resourceGroups/new', '{"location":"westus2",}', 400, 'InvalidRequestContent'],
  ['PUT /resourceGroups/new', {}, 400, 'LocationRequired'],
  ['PUT /resourceGroups/new', { location: 5 }, 400, 'InvalidRequest', /location.*got 5/],
  ['PUT /resourceGroups/new', { location: 'west/us' }, 400, 'InvalidRequest'],
  [`PUT /resourceGroups/${long(91)}`, inWest, 400, 'InvalidResourceName'],
  ['PUT /resourceGroups/dot.', inWest, 400, 'InvalidResourceName'],
  ['PUT /resourceGroups/a%20b', inWest, 400, 'InvalidResourceName'],
  ['PUT /resourceGroups/rg', { location: 'eastus' }, 409, 'InvalidResourceGroupLocation', /'westus2'/],
  ['PUT /resourceGroups/new', { ...inWest, tags: [] }, 400, 'InvalidRequest', /'tags'/],
  ['PUT /resourceGroups/new', { ...inWest, tags: { a: 1 } }, 400, 'InvalidRequest', /'tags\.a'.*got 1/],
  ['PUT /resourceGroups/new', { ...inWest, tags: { 'a<b': '' } }, 400, 'InvalidRequest'],
  ['PUT /resourceGroups/new', { ...inWest, tags: { a: '', A: '' } }, 400, 'InvalidRequest'],
  ['PUT /resourceGroups/new', { ...inWest, tags: { a: long(257) } }, 400, 'InvalidRequest'],
  ['PUT /resourceGroups/new', { ...inWest, tags: { [long(513)]: '' } }, 400, 'InvalidRequest'],
  [
    'PUT /resourceGroups/new',
    { ...inWest, tags: Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, ''])) },
    400,
    'TooManyTags',
  ],
  ['PATCH /resourceGroups/none', {}, 404, 'ResourceGroupNotFound'],
  ['DELETE /resourceGroups/none', undefined, 404, 'ResourceGroupNotFound'],
])

const topic = (properties: unknown, more: object = {}) => ({ ...inWest, properties, ...more })
const mapping = (properties: unknown) => ({ inputSchemaMappingType: 'Json', properties })
const mapped = (inputSchemaMapping: unknown) =>
  topic({ inputSchema: 'CustomEventSchema', inputSchemaMapping })
const newTopic = `PUT ${provider}/topics/new`

table('a topic that breaks a rule, or asks for what is not done here, is refused', [
  ['PUT /resourceGroups/none/providers/Microsoft.EventGrid/topics/new', inWest, 404, 'ResourceGroupNotFound'],
  [newTopic, {}, 400, 'LocationRequired'],
  [newTopic, '', 400, 'InvalidRequestContent'],
  [newTopic, '"x"', 400, 'InvalidRequestContent'],
  [newTopic, Buffer.from([0x7b, 0xff]).toString('latin1'), 400, 'InvalidRequestContent'],
  [newTopic, topic([]), 400, 'InvalidRequestContent', /properties/],
  [`PUT ${provider}/topics/ab`, inWest, 400, 'InvalidRequest', /3 to 50/],
  [`PUT ${provider}/topics/${long(51)}`, inWest, 400, 'InvalidRequest'],
  [`PUT ${provider}/topics/a_b`, inWest, 400, 'InvalidRequest'],
  [`PUT ${provider}/topics/microsoft-x`, inWest, 400, 'InvalidRequest', /Microsoft/],
  [`PUT ${provider}/topics/EventGridX`, inWest, 400, 'InvalidRequest'],
  [`PUT ${provider}/topics/systems`, inWest, 400, 'InvalidRequest'],
  [`PUT ${topicPath}`, { location: 'eastus' }, 409, 'InvalidResourceLocation', /'westus2'.*'eastus'/],
  [newTopic, topic({ inputSchema: 'Other' }), 400, 'InvalidRequest', /properties\.inputSchema.*got "Other"/],
  [newTopic, topic({ inputSchema: 7 }), 400, 'InvalidRequest'],
  [
    newTopic,
    topic({ inputSchemaMapping: mapping({}) }),
    400,
    'InvalidRequest',
    /'properties\.inputSchemaMapping' belongs to .*'CustomEventSchema', but 'properties\.inputSchema' is 'EventGridSchema'/,
  ],
  [
    newTopic,
    topic({ inputSchema: 'CloudEventSchemaV1_0', inputSchemaMapping: mapping({}) }),
    400,
    'InvalidRequest',
    /'CloudEventSchemaV1_0'/,
  ],
  [newTopic, mapped([]), 400, 'InvalidRequest', /inputSchemaMapping' must be an object/],
  [newTopic, mapped({}), 400, 'InvalidRequest', /inputSchemaMappingType' must be Json; got nothing/],
  [newTopic, mapped({ ...mapping({}), inputSchemaMappingType: 'Xml' }), 400, 'InvalidRequest', /one of Json/],
  [newTopic, mapped(mapping([])), 400, 'InvalidRequest', /inputSchemaMapping\.properties' must be an object/],
  [newTopic, mapped(mapping({ id: 'x' })), 400, 'InvalidRequest', /properties\.id' must be an object/],
  [newTopic, mapped(mapping({ id: { sourceField: 7 } })), 400, 'InvalidRequest', /id\.sourceField.*got 7/],
  [
    newTopic,
    mapped(mapping({ topic: { sourceField: long(513) } })),
    400,
    'InvalidRequest',
    /topic\.sourceField' must be at most 512 characters/,
  ],
  [
    newTopic,
    mapped(mapping({ subject: { defaultValue: long(513) } })),
    400,
    'InvalidRequest',
    /subject\.defaultValue' must be at most 512/,
  ],
  [`PUT ${topicPath}`, topic({ inputSchema: 'CloudEventSchemaV1_0' }), 400, 'PropertyChangeNotAllowed'],
  ...[
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0',
    '2001:db8::/129',
    'fe80::1%1',
    'example.org',
    '',
    7,
  ].map(
    (ipMask): Case => [
      newTopic,
      topic({
        inboundIpRules: [
          { ipMask: '10.0.0.0/8', action: 'Allow' },
          { ipMask, action: 'Allow' },
        ],
      }),
      400,
      'InvalidRequest',
      /properties\.inboundIpRules\[1\]\.ipMask/,
    ],
  ),
  [
    newTopic,
    topic({ inboundIpRules: [{}] }),
    400,
    'InvalidRequest',
    /inboundIpRules\[0\]\.ipMask.*got nothing/,
  ],
  [newTopic, topic({ inboundIpRules: ['10.0.0.0/8'] }), 400, 'InvalidRequest', /inboundIpRules\[0\]/],
  [
    newTopic,
    topic({ inboundIpRules: [{ ipMask: '10.0.0.0/8', action: 'Deny' }] }),
    400,
    'InvalidRequest',
    /inboundIpRules\[0\]\.action.*one of Allow; got "Deny"/,
  ],
  [
    newTopic,
    topic({ inboundIpRules: Array.from({ length: 129 }, () => ({ ipMask: '10.0.0.1' })) }),
    400,
    'InvalidRequest',
    /at most 128 items/,
  ],
  [newTopic, topic({ inboundIpRules: {} }), 400, 'InvalidRequest', /an array/],
  [
    newTopic,
    topic({ publicNetworkAccess: 'SecuredByPerimeter' }),
    400,
    'InvalidRequest',
    /network security perimeter.*not supported.*inboundIpRules/,
  ],
  [newTopic, topic({ disableLocalAuth: 'yes' }), 400, 'InvalidRequest', /true or false; got "yes"/],
  [newTopic, topic({ minimumTlsVersionAllowed: '1.0' }), 400, 'InvalidRequest', /TLS version of 1\.0/],
  [newTopic, topic({ minimumTlsVersionAllowed: '1.3' }), 400, 'InvalidRequest'],
  [newTopic, topic({ dataResidencyBoundary: 'Anywhere' }), 400, 'InvalidRequest'],
  [newTopic, topic({ eventTypeInfo: { kind: 'Other' } }), 400, 'InvalidRequest'],
  [newTopic, topic({ eventTypeInfo: { kind: 'Inline', inlineEventTypes: [] } }), 400, 'InvalidRequest'],
  [
    newTopic,
    topic({}, { identity: { type: 'UserAssigned' } }),
    400,
    'InvalidRequest',
    /an identity at least/,
  ],
  [
    newTopic,
    topic({}, { identity: { type: 'UserAssigned', userAssignedIdentities: { '/subscriptions/s': {} } } }),
    400,
    'InvalidRequest',
    /ARM ids of 'Microsoft.ManagedIdentity/,
  ],
  [newTopic, topic({}, { identity: { type: 'SystemAssigned, UserAssigned' } }), 400, 'InvalidRequest'],
  [newTopic, topic({}, { identity: { type: 'Someone' } }), 400, 'InvalidRequest', /identity\.type/],
  [newTopic, topic({}, { identity: 'me' }), 400, 'InvalidRequest'],
  [newTopic, topic({}, { identity: {} }), 400, 'InvalidRequest'],
  [`PATCH ${provider}/topics/none`, {}, 404, 'ResourceNotFound', /Microsoft\.EventGrid\/topics\/none/],
  [`PATCH ${topicPath}`, undefined, 400, 'InvalidRequestContent'],
  [`PATCH ${topicPath}`, { properties: 5 }, 400, 'InvalidRequest'],
  [`PATCH ${topicPath}`, { properties: { publicNetworkAccess: 'Maybe' } }, 400, 'InvalidRequest'],
  [`PATCH ${topicPath}`, { properties: { disableLocalAuth: 1 } }, 400, 'InvalidRequest'],
  [`GET ${provider}/topics/none`, undefined, 404, 'ResourceNotFound'],
  [`POST ${provider}/topics/none/listKeys`, undefined, 404, 'ResourceNotFound'],
  [`POST ${topicPath}/regenerateKey`, undefined, 400, 'InvalidRequest'],
  [`POST ${topicPath}/regenerateKey`, {}, 400, 'InvalidRequest', /key1, key2/],
  [`POST ${topicPath}/regenerateKey`, { keyName: 'key3' }, 400, 'InvalidRequest', /got "key3"/],
])

const put = `PUT ${eventSubscriptionPath}`
const es = (properties: object) => toWebhook(properties as Record<string, unknown>)
const destination = (properties: object, endpointType: unknown = 'WebHook') => ({
  properties: {
    destination: { endpointType, properties: { endpointUrl: 'https://example.org/', ...properties } },
  },
})
const queue = { resourceId: knownAccount, queueName: 'orders' }
const web = `${knownProviders}/Microsoft.Web/sites`
const relay = `${knownProviders}/Microsoft.Relay/namespaces`
const namespaces = `${knownProviders}/Microsoft.EventGrid/namespaces`
const actionGroups = `${knownProviders}/Microsoft.Insights/actionGroups`
const alert = (properties: object) =>
  destination({ severity: 'Sev1', actionGroups: [`${actionGroups}/known`], ...properties }, 'MonitorAlert')
const authorization = {
  deliveryAttributeMappings: [{ name: 'authorization', type: 'Static', properties: { value: 'x' } }],
}
const toQueue = { endpointType: 'StorageQueue', properties: queue }
const webhook = { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.org/' } }
const systemAssigned = { type: 'SystemAssigned' }
const toContainer = {
  endpointType: 'StorageBlob',
  properties: { resourceId: knownAccount, blobContainerName: 'letters' },
}
const withIdentity = (deliveryWithResourceIdentity: object) => ({
  properties: { deliveryWithResourceIdentity },
})
const filter = (value: unknown) => es({ filter: value })
const advanced = (...advancedFilters: unknown[]) => filter({ advancedFilters })
const attribute = (value: unknown) => destination({ deliveryAttributeMappings: [value] })
const fixed = (name: string, value: unknown = 'v') =>
  attribute({ name, type: 'Static', properties: { value } })
const deadLetter = (properties: object, endpointType = 'StorageBlob') =>
  es({ deadLetterDestination: { endpointType, properties } })
const refused = [400, 'InvalidRequest'] as const
const proper = /Supplied URL is invalid\. It cannot be null or empty and should be a proper HTTPS URL/

table('an event subscription whose name, scope or destination breaks a rule is refused', [
  [put.replace('es1', 'ab'), es({}), ...refused, /3 to 64/],
  [put.replace('es1', long(65)), es({}), ...refused],
  [put.replace('es1', 'a.b'), es({}), ...refused],
  [put.replace('orders', 'none'), es({}), 404, 'ParentResourceNotFound'],
  [`PUT ${provider}/topics/none/eventSubscriptions/es1`, es({}), 404, 'ParentResourceNotFound'],
  [put.replace('/rg/', '/none/'), es({}), 404, 'ResourceGroupNotFound'],
  [
    `GET ${eventSubscriptionPath}`,
    undefined,
    404,
    'ResourceNotFound',
    /^Event subscription doesn't exist\.$/,
  ],
  [`PATCH ${eventSubscriptionPath}`, {}, 404, 'ResourceNotFound'],
  [`POST ${eventSubscriptionPath}/getFullUrl`, undefined, 404, 'ResourceNotFound'],
  [
    `PUT ${provider}/systemTopics/any/providers/Microsoft.EventGrid/eventSubscriptions/es1`,
    es({}),
    ...refused,
    /not supported using this API call/,
  ],
  [
    `PUT ${eventSubscriptionPath}/providers/Microsoft.EventGrid/eventSubscriptions/es1`,
    es({}),
    ...refused,
    /has no events of its own/,
  ],
  [
    `PUT ${provider}/domains/none/topics/any/providers/Microsoft.EventGrid/eventSubscriptions/es1`,
    es({}),
    404,
    'ParentResourceNotFound',
    /domains\/none/,
  ],
  [put, undefined, 400, 'InvalidRequestContent'],
  [put, {}, ...refused, /properties\.destination/],
  [put, { properties: { destination: 'x' } }, ...refused, /an object/],
  [put, destination({}, null), ...refused, /endpointType/],
  [put, destination({}, 'Pigeon'), ...refused, /one of WebHook/],
  [put, destination({}, 3), ...refused],
  [
    put,
    destination({}, 'EventHub'),
    ...refused,
    /type Microsoft.EventHub\/namespaces\/eventhubs; got nothing/,
  ],
  [
    put,
    destination({ resourceId: 'x' }, 'StorageQueue'),
    ...refused,
    /type Microsoft.Storage\/storageAccounts; got "x"/,
  ],
  [put, destination({ resourceId: `${knownAccount}2` }, 'StorageQueue'), ...refused, /key 'connections'/],
  [
    put,
    destination({ ...queue, queueName: 'A' }, 'StorageQueue'),
    ...refused,
    /queueName' must be a queue name/,
  ],
  [
    put,
    destination({ ...queue, queueMessageTimeToLiveInSeconds: 0 }, 'StorageQueue'),
    ...refused,
    /never expire/,
  ],
  [
    put,
    destination({ ...queue, queueMessageTimeToLiveInSeconds: -2 }, 'StorageQueue'),
    ...refused,
    /from -1/,
  ],
  [
    put,
    destination(
      { ...queue, deliveryAttributeMappings: [{ name: 'x', type: 'Static', properties: { value: 'y' } }] },
      'StorageQueue',
    ),
    ...refused,
    /StorageQueue has no delivery attributes/,
  ],
  [put, destination({}, 'AzureFunction'), ...refused, /type Microsoft.Web\/sites\/functions; got nothing/],
  [put, destination({ resourceId: `${web}/known` }, 'AzureFunction'), ...refused],
  [
    put,
    destination({ resourceId: `${web}/other/functions/f` }, 'AzureFunction'),
    ...refused,
    /Give its url under the configuration key 'connections'/,
  ],
  [
    put,
    destination({ resourceId: `${web}/known/functions/f`, ...authorization }, 'AzureFunction'),
    ...refused,
    /another than Authorization for a function/,
  ],
  [put, destination({ resourceId: `${relay}/other/hybridConnections/h` }, 'HybridConnection'), ...refused],
  [
    put,
    destination({ resourceId: `${relay}/known/hybridConnections/h`, ...authorization }, 'HybridConnection'),
    ...refused,
    /another than Authorization for a hybrid connection/,
  ],
  [
    put,
    destination({ resourceId: `${namespaces}/known/topics/t` }, 'NamespaceTopic'),
    ...refused,
    /NamespaceTopic takes events in CloudEventSchemaV1_0, not in the event delivery schema 'EventGridSchema'/,
  ],
  [put, alert({ severity: undefined }), ...refused, /severity' must be one of Sev0, Sev1/],
  [put, alert({ severity: 'Sev5' }), ...refused, /got "Sev5"/],
  [put, alert({ actionGroups: ['x'] }), ...refused, /actionGroups\[0\]' must be the ARM id/],
  [put, alert({ actionGroups: [`${actionGroups}/other`] }), ...refused, /'monitorAlerts'/],
  [put, alert({ actionGroups: null }), ...refused, /without action groups .* 'monitorAlerts'/],
  [put, alert({ actionGroups: Array(6).fill(`${actionGroups}/known`) }), ...refused, /at most 5/],
  [put, alert({ description: long(1025) }), ...refused, /at most 1024/],
  [put, alert({}), ...refused, /MonitorAlert takes events in CloudEventSchemaV1_0/],
  [put, destination({ resourceId: 'x' }, 'PartnerDestination'), ...refused, /partnerDestinations; got "x"/],
  [put, destination({ endpointUrl: null }), ...refused, proper],
  [put, destination({ endpointUrl: '' }), ...refused, proper],
  [put, destination({ endpointUrl: 'example.org' }), ...refused, proper],
  [put, destination({ endpointUrl: 'http://example.org' }), ...refused, proper],
  [put, destination({ endpointUrl: 'ftp://example.org' }), ...refused, proper],
  [put, destination({ endpointUrl: 'https://' }), ...refused, proper],
  [put, destination({ endpointUrl: 'https://exa mple.org' }), ...refused, proper],
  [put, destination({ endpointUrl: 'https://example.org:99999' }), ...refused, proper],
  [put, destination({ endpointUrl: 5 }), ...refused, /a string; got 5/],
  [put, destination({ endpointUrl: 'https://user:pw@example.org' }), ...refused, /without user name/],
  [put, destination({ endpointUrl: `https://example.org/${long(2048)}` }), ...refused, /2048/],
  [put, destination({ maxEventsPerBatch: 0 }), ...refused, /1 to 5000; got 0/],
  [put, destination({ maxEventsPerBatch: 5001 }), ...refused],
  [put, destination({ maxEventsPerBatch: 1.5 }), ...refused],
  [put, destination({ maxEventsPerBatch: '1' }), ...refused],
  [put, destination({ preferredBatchSizeInKilobytes: 1025 }), ...refused, /1 to 1024/],
  [put, destination({ preferredBatchSizeInKilobytes: 0 }), ...refused],
  [put, destination({ azureActiveDirectoryTenantId: 'x' }), ...refused, /together with azureActive/],
  [
    put,
    destination({ azureActiveDirectoryApplicationIdOrUri: 'x' }),
    ...refused,
    /together with azureActive/,
  ],
  [
    put,
    destination({
      ...authorization,
      ...{ azureActiveDirectoryTenantId: 't', azureActiveDirectoryApplicationIdOrUri: 'a' },
    }),
    ...refused,
    /another than Authorization for a webhook protected by Microsoft Entra ID/,
  ],
  [put, destination({ minimumTlsVersionAllowed: '1.1' }), ...refused],
  [
    put,
    es({ deliveryWithResourceIdentity: { identity: {}, destination: {} } }),
    ...refused,
    /Only one of 'properties\.destination' and 'properties\.deliveryWithResourceIdentity'/,
  ],
  [put, withIdentity({ identity: systemAssigned }), ...refused, /deliveryWithResourceIdentity\.destination/],
  [
    put,
    withIdentity({ identity: systemAssigned, destination: webhook }),
    ...refused,
    /WebHook takes no managed identity/,
  ],
  [put, withIdentity({ destination: toQueue }), ...refused, /identity\.type' must be one of SystemAssigned/],
  [
    put,
    withIdentity({ identity: systemAssigned, destination: toQueue }),
    ...refused,
    /has no system-assigned identity/,
  ],
  [
    put,
    withIdentity({
      identity: { type: 'UserAssigned', userAssignedIdentity: '/subscriptions/s/i' },
      destination: toQueue,
    }),
    ...refused,
    /'\/subscriptions\/s\/i' is not assigned/,
  ],
  [
    put,
    es({ deadLetterWithResourceIdentity: { identity: systemAssigned } }),
    ...refused,
    /deadLetterWithResourceIdentity\.deadLetterDestination/,
  ],
  [
    put,
    es({
      deadLetterDestination: toContainer,
      deadLetterWithResourceIdentity: { identity: systemAssigned, deadLetterDestination: toContainer },
    }),
    ...refused,
    /Only one of 'properties\.deadLetterDestination' and 'properties\.deadLetterWithResourceIdentity'/,
  ],
  [
    put,
    es({ deadLetterWithResourceIdentity: { identity: systemAssigned, deadLetterDestination: toContainer } }),
    ...refused,
    /no system-assigned identity/,
  ],
])

table('a delivery attribute that breaks a rule is refused', [
  [put, destination({ deliveryAttributeMappings: {} }), ...refused, /an array/],
  [
    put,
    destination({
      deliveryAttributeMappings: Array.from({ length: 11 }, (_, index) => ({ name: `x${index}` })),
    }),
    ...refused,
    /at most 10/,
  ],
  [put, attribute('x'), ...refused],
  [put, fixed(''), ...refused, /header name/],
  [put, fixed('a b'), ...refused],
  [put, fixed('ä'), ...refused],
  [put, fixed('aeg-x'), ...refused, /aeg-/],
  [put, fixed('AEG-X'), ...refused],
  [put, fixed('Content-Length'), ...refused],
  [put, fixed('host'), ...refused],
  [put, fixed('transfer-encoding'), ...refused],
  [put, fixed(long(129)), ...refused],
  [put, fixed('x-a', ''), ...refused],
  [put, fixed('x-a', 5), ...refused],
  [put, fixed('x-a', null), ...refused],
  [put, fixed('x-a', 'a\r\nb: c'), ...refused, /control characters/],
  [put, fixed('x-a', '€'), ...refused],
  [put, fixed('x-a', long(4097)), ...refused, /4096/],
  [put, attribute({ name: 'x-a', type: 'Other' }), ...refused, /Static, Dynamic/],
  [put, attribute({ name: 'x-a', properties: { value: 'v' } }), ...refused],
  [put, attribute({ name: 'x-a', type: 'Dynamic', properties: {} }), ...refused, /sourceField/],
  [put, attribute({ name: 'x-a', type: 'Dynamic', properties: { sourceField: ' ' } }), ...refused],
  [put, attribute({ name: 'x-a', type: 'Static', properties: { value: 'v', isSecret: 'no' } }), ...refused],
  [
    put,
    destination({
      deliveryAttributeMappings: ['x-a', 'X-A'].map((name) => ({
        name,
        type: 'Static',
        properties: { value: 'v' },
      })),
    }),
    ...refused,
    /different/,
  ],
])

const values = (count: number) => Array.from({ length: count }, (_, index) => `v${index}`)
const stringIn = (given: unknown, key: unknown = 'data.a') => ({
  operatorType: 'StringIn',
  key,
  values: given,
})

table('a filter that breaks a rule is refused', [
  [put, filter([]), ...refused, /properties\.filter/],
  [put, filter({ subjectBeginsWith: 1 }), ...refused],
  [put, filter({ subjectEndsWith: long(1025) }), ...refused],
  [put, filter({ isSubjectCaseSensitive: 'true' }), ...refused],
  [put, filter({ includedEventTypes: 'x' }), ...refused],
  [put, filter({ includedEventTypes: [''] }), ...refused],
  [put, filter({ includedEventTypes: [5] }), ...refused, /includedEventTypes\[0\]/],
  [put, filter({ includedEventTypes: values(1001) }), ...refused],
  [put, filter({ enableAdvancedFilteringOnArrays: 1 }), ...refused],
  [put, filter({ advancedFilters: {} }), ...refused],
  [put, advanced(...Array.from({ length: 26 }, () => stringIn(['a']))), ...refused, /at most 25/],
  [put, advanced(stringIn(values(26))), ...refused],
  [put, advanced(stringIn(values(13)), stringIn(values(13))), ...refused, /26 values/],
  [put, advanced('x'), ...refused],
  [put, advanced({ key: 'a' }), ...refused, /operatorType/],
  [put, advanced({ operatorType: 'StringLike', key: 'a' }), ...refused],
  [put, advanced(stringIn(['a'], null)), ...refused, /name of a field/],
  [put, advanced(stringIn(['a'], '')), ...refused],
  [put, advanced(stringIn(['a'], 5)), ...refused],
  [put, advanced(stringIn([])), ...refused],
  [put, advanced(stringIn('a')), ...refused],
  [put, advanced(stringIn([5])), ...refused, /values\[0\]/],
  [put, advanced(stringIn([long(513)])), ...refused, /512/],
  [put, advanced({ operatorType: 'StringIn', key: 'a', value: 'x', values: ['x'] }), ...refused],
  [put, advanced({ operatorType: 'NumberIn', key: 'a', values: ['1'] }), ...refused, /a number/],
  [put, advanced({ operatorType: 'NumberLessThan', key: 'a', values: [1] }), ...refused],
  [put, advanced({ operatorType: 'NumberLessThan', key: 'a' }), ...refused],
  [put, advanced({ operatorType: 'NumberGreaterThan', key: 'a', value: '1' }), ...refused],
  [
    put,
    advanced({ operatorType: 'NumberInRange', key: 'a', values: [[1]] }),
    ...refused,
    /range of two numbers/,
  ],
  [put, advanced({ operatorType: 'NumberInRange', key: 'a', values: [[2, 1]] }), ...refused, /low end/],
  [put, advanced({ operatorType: 'NumberNotInRange', key: 'a', values: [1, 2] }), ...refused],
  [put, advanced({ operatorType: 'BoolEquals', key: 'a', value: 'true' }), ...refused],
  [put, advanced({ operatorType: 'BoolEquals', key: 'a', values: [true] }), ...refused],
  [put, advanced({ operatorType: 'IsNotNull', key: 'a', value: 1 }), ...refused, /no value/],
  [put, advanced({ operatorType: 'IsNullOrUndefined' }), ...refused],
])

const container = { resourceId: knownAccount, blobContainerName: 'dead' }

table('a label, time, schema, retry policy or dead-letter destination that breaks a rule is refused', [
  [put, es({ labels: 'x' }), ...refused],
  [put, es({ labels: [1] }), ...refused],
  [put, es({ labels: values(101) }), ...refused],
  [put, es({ labels: [long(513)] }), ...refused],
  [put, es({ expirationTimeUtc: 'tomorrow' }), ...refused, /date and time/],
  [put, es({ expirationTimeUtc: 5 }), ...refused],
  [put, es({ expirationTimeUtc: '2030-13-01T00:00:00Z' }), ...refused],
  [put, es({ expirationTimeUtc: '2020-01-01T00:00:00Z' }), ...refused, /in the future/],
  [put, es({ expirationTimeUtc: '2026-01-02T03:04:05Z' }), ...refused, /in the future/],
  [put, es({ eventDeliverySchema: 'Other' }), ...refused],
  [put, es({ eventDeliverySchema: 'CustomInputSchema' }), ...refused, /'CustomInputSchema' is not available/],
  [put, es({ eventDeliverySchema: 'InputEventSchema' }), ...refused],
  [put, es({ retryPolicy: 5 }), ...refused],
  [put, es({ retryPolicy: { maxDeliveryAttempts: 0 } }), ...refused, /1 to 30/],
  [put, es({ retryPolicy: { maxDeliveryAttempts: 31 } }), ...refused],
  [put, es({ retryPolicy: { eventTimeToLiveInMinutes: 0 } }), ...refused],
  [put, es({ retryPolicy: { eventTimeToLiveInMinutes: 1441 } }), ...refused, /1 to 1440; got 1441/],
  [put, es({ retryPolicy: { eventTimeToLiveInMinutes: '60' } }), ...refused],
  [put, deadLetter(container, 'Other'), ...refused],
  [put, es({ deadLetterDestination: {} }), ...refused],
  [put, deadLetter({}), ...refused, /ARM id/],
  [put, deadLetter({ ...container, resourceId: 'known' }), ...refused],
  [put, deadLetter({ ...container, resourceId: subscription + topicPath }), ...refused],
  [put, deadLetter({ ...container, blobContainerName: 'Dead' }), ...refused, /container name/],
  [put, deadLetter({ ...container, blobContainerName: 'a--b' }), ...refused],
  [put, deadLetter({ ...container, blobContainerName: 'ab' }), ...refused],
  [put, deadLetter({ resourceId: knownAccount }), ...refused],
  [put, deadLetter({ ...container, resourceId: `${knownAccount}2` }), ...refused, /'connections'/],
])

const onCloudEvents = async ({ makeTopic, call }: ControlPlane) => {
  await call('DELETE', topicPath)
  await makeTopic({ inputSchema: 'CloudEventSchemaV1_0' })
}

table(
  'a topic of CloudEvents delivers nothing but CloudEvents',
  [
    [put, es({ eventDeliverySchema: 'EventGridSchema' }), ...refused, /'CloudEventSchemaV1_0'; available/],
    [put, es({ eventDeliverySchema: 'CustomInputSchema' }), ...refused],
  ],
  onCloudEvents,
)

test('nothing that was refused left anything behind', async (t) => {
  const server = await startControlPlane(t)
  await server.makeTopic()
  const records = server.disk.records.size
  await check(server, [put, es({ labels: 5 }), ...refused])
  await check(server, [newTopic, mapped({}), ...refused])
  assert.equal(server.disk.records.size, records)
  assert.equal((await server.call('GET', `${provider}/topics/new`)).status, 404)
})

test('what is at the edge of each rule is taken', async (t) => {
  const server = await startControlPlane(t)
  await server.makeTopic()
  const bodies = [
    destination({ maxEventsPerBatch: 5000, preferredBatchSizeInKilobytes: 1024 }),
    es({ retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 } }),
    es({ retryPolicy: { maxDeliveryAttempts: 1, eventTimeToLiveInMinutes: 1 } }),
    es({ expirationTimeUtc: '2026-01-02T03:04:05.001' }),
    es({ expirationTimeUtc: null, labels: null, filter: null, retryPolicy: null }),
    advanced(stringIn(values(25))),
    advanced(...Array.from({ length: 25 }, () => ({ operatorType: 'isnotnull', key: 'data.a' }))),
    advanced(stringIn([long(512)]), { operatorType: 'NumberInRange', key: 'a', values: [[1, 1]] }),
    fixed('x-a', long(4096)),
    fixed('Authorization', 'Bearer x'),
    deadLetter(container),
    deadLetter({ ...container, resourceId: knownAccount.toUpperCase() }),
    destination({ endpointUrl: 'HTTPS://Example.org:8443/a%20b?c=d#e' }),
    {
      properties: {
        ...destination({}).properties,
        topic: 'ignored',
        provisioningState: 'Failed',
        unknown: 1,
      },
      id: 5,
    },
  ]
  for (const body of bodies) {
    const { status, body: answer } = await server.call('PUT', eventSubscriptionPath, body)
    assert.equal(status, 201, JSON.stringify([body, answer]))
  }
})

test('a webhook without TLS is taken where that is allowed', async (t) => {
  const server = await startControlPlane(t, { allowHttpWebhooks: true })
  await server.makeTopic()
  const { status } = await server.call(
    'PUT',
    eventSubscriptionPath,
    destination({ endpointUrl: 'http://127.0.0.1:9/x' }),
  )
  assert.equal(status, 201)
})

test('a body of more than 8 MiB is refused', async (t) => {
  const { raw } = await startControlPlane(t)
  const body = `{"location":"${long(8 * 1024 * 1024)}"}`
  const answer = await raw('PUT', `${subscription}/resourceGroups/rg${version}`, body)
  assert.equal(answer.status, 413)
  assert.equal(answer.headers.get('x-ms-failure-cause'), 'gateway')
})

test('paths match in any letter case, with doubled and encoded slashes and one at the end', async (t) => {
  const { raw, makeTopic } = await startControlPlane(t)
  await makeTopic()
  for (const path of [
    (subscription + topicPath).toUpperCase(),
    `/${subscription}${topicPath.replace('/topics', '//topics')}/`,
    encodeURIComponent(subscription + topicPath),
    `/${encodeURIComponent((subscription + topicPath).slice(1))}`,
  ]) {
    const absolute = path.startsWith('/') ? path : `/${path}`
    const answer = await raw('GET', `${absolute}?API-Version=2018-05-01-PREVIEW`)
    assert.equal(answer.status, 200, path)
    assert.equal(answer.body.id, subscription + topicPath)
  }
})

test('a caller that is nobody gets 401 before anything else is looked at', async (t) => {
  const { raw } = await startControlPlane(t, {
    authorize: () =>
      Promise.reject(
        new RequestError(401, 'AuthenticationFailed', 'Who?', { headers: { 'WWW-Authenticate': 'Bearer' } }),
      ),
  })
  const answer = await raw('GET', '/subscriptions/other')
  assert.equal(answer.status, 401)
  assert.equal(answer.body.error.code, 'AuthenticationFailed')
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
  assert.equal(answer.headers.get('x-ms-failure-cause'), 'gateway')
})
