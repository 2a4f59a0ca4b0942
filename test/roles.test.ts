import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { AuthorizationManagementClient } from '@azure/arm-authorization'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import { DeploymentsClient } from '@azure/arm-resourcesdeployments'
import { ClientSecretCredential } from '@azure/identity'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { all } from '../src/testing/official-clients.ts'
import { type Received, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Roles decide what callers may do on the control plane, seen through the official clients: each principal signs in at
 * Busbar, the owner assigns it roles, and what it may not do is refused in Resource Manager's words.
 */

const administratorKey = 'a-key-of-an-administrator'
const principal = (digits: string, administrator = false) => ({
  name: `principal ${digits}`,
  clientId: `${digits}000000-0000-4000-8000-000000000000`,
  objectId: `${digits}111111-0000-4000-8000-000000000000`,
  clientSecret: `the-long-secret-of-${digits}`,
  administrator,
})
const owner = principal('aa', true)
/** Nobody's yet: each test takes principals of its own. */
const spare = Array.from({ length: 40 }, (_, index) => principal((index + 16).toString(16)))
const take = () => spare.pop() as (typeof spare)[number]

const server = await startTestServer(
  { after },
  {
    administratorKey,
    file: {
      auth: { administrators: [{ name: 'ada', key: administratorKey }], principals: [owner, ...spare] },
      subscriptions: [{ id: '6b1f4c0e-2d5a-4f8b-9c3e-7a1d0e5f2b48' }],
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

type Principal = typeof owner

function clientsOf({ clientId, clientSecret }: Principal) {
  const credential = new ClientSecretCredential(defaultSubscriptionId, clientId, clientSecret, {
    authorityHost: server.https,
    disableInstanceDiscovery: true,
  })
  const settings = { endpoint: server.https }
  const token = async () => (await credential.getToken('https://management.azure.com/.default')).token
  return {
    eventGrid: new EventGridManagementClient(credential, defaultSubscriptionId, settings),
    resources: new ResourceManagementClient(credential, defaultSubscriptionId, settings),
    deployments: new DeploymentsClient(credential, defaultSubscriptionId, settings),
    roles: new AuthorizationManagementClient(credential, defaultSubscriptionId, settings),
    ask: async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' }
      const response = await fetch(server.http + path, { ...init, headers })
      const text = await response.text()
      return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text }
    },
    /** How a stream that does not end begins. */
    follow: async (path: string) => {
      const ending = new AbortController()
      const headers = { authorization: `Bearer ${await token()}` }
      const { status } = await fetch(server.http + path, { headers, signal: ending.signal })
      ending.abort()
      return status
    },
  }
}

const owners = clientsOf(owner)
const roleIds = {
  owner: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
  userAccessAdministrator: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
  eventGridContributor: '1e241071-0855-49ea-94dc-649edcd759de',
  subscriptionContributor: '428e0ff0-5e57-4d9c-a221-2c70d0e0a443',
  subscriptionReader: '2414bbcf-6497-4faf-8c65-045460748405',
} as const
const definition = (id: string) => `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${id}`

async function assign(to: Principal, role: string, scope: string, as = owners) {
  const name = randomUUID()
  await as.roles.roleAssignments.create(scope, name, {
    roleDefinitionId: definition(role),
    principalId: to.objectId,
    principalType: 'ServicePrincipal',
  })
  return { name, scope }
}

const group = (name = 'rg') => `${subscription}/resourceGroups/${name}`
const topicId = (name: string, inGroup = 'rg') =>
  `${group(inGroup)}/providers/Microsoft.EventGrid/topics/${name}`
const forbidden = (action: string, scope: string, { clientId, objectId }: Principal) => ({
  statusCode: 403,
  code: 'AuthorizationFailed',
  message: new RegExp(
    `^The client '${clientId}' with object id '${objectId}' does not have authorization to perform action '${action}' over scope '${scope}' or the scope is invalid\\.`,
  ),
})
const location = 'westus2'

test('a principal without a role sees nothing and may do nothing', async () => {
  const nobody = take()
  const { eventGrid, resources, ask } = clientsOf(nobody)
  const read = forbidden('Microsoft.EventGrid/topics/read', topicId('orders'), nobody)
  await assert.rejects(eventGrid.topics.get('rg', 'orders'), read)
  await assert.rejects(
    eventGrid.topics.get('rg', 'none'),
    forbidden('Microsoft.EventGrid/topics/read', topicId('none'), nobody),
    'the same as of what is there',
  )
  await assert.rejects(
    all(resources.resourceGroups.list()),
    forbidden('Microsoft.Resources/subscriptions/resourceGroups/read', subscription, nobody),
  )
  await assert.rejects(
    all(eventGrid.topics.listBySubscription()),
    forbidden('Microsoft.EventGrid/topics/read', subscription, nobody),
  )
  await assert.rejects(
    resources.resourceGroups.createOrUpdate('new', { location }),
    forbidden('Microsoft.Resources/subscriptions/resourceGroups/write', group('new'), nobody),
  )
  assert.deepEqual((await ask('/subscriptions?api-version=2022-12-01')).body.value, [])
  const own = await ask(`${subscription}?api-version=2022-12-01`)
  assert.deepEqual([own.status, own.body.error.code], [403, 'AuthorizationFailed'])
})

test('a reader of the subscription reads everything in it, and changes nothing', async () => {
  const reader = take()
  await assign(reader, roleIds.reader, subscription)
  const { eventGrid, resources, roles } = clientsOf(reader)
  assert.equal((await eventGrid.topics.get('rg', 'orders')).name, 'orders')
  assert.ok((await all(resources.resources.list())).some(({ name }) => name === 'orders'))
  assert.ok((await all(roles.roleAssignments.listForSubscription())).length > 0)
  const refused = (verb: string, id = topicId('orders')) =>
    forbidden(`Microsoft.EventGrid/topics/${verb}`, id, reader)
  await assert.rejects(eventGrid.topics.listSharedAccessKeys('rg', 'orders'), refused('listKeys/action'))
  await assert.rejects(
    eventGrid.topics.beginCreateOrUpdate('rg', 'mine', { location }),
    refused('write', topicId('mine')),
  )
  await assert.rejects(eventGrid.topics.beginUpdate('rg', 'orders', { tags: {} }), refused('write'))
  await assert.rejects(eventGrid.topics.beginDelete('rg', 'orders'), refused('delete'))
})

test('a contributor of a group manages what is in it, and neither assigns roles nor reads the next group', async () => {
  const contributor = take()
  await owners.resources.resourceGroups.createOrUpdate('team', { location })
  await owners.resources.resourceGroups.createOrUpdate('other', { location })
  const { scope, name } = await assign(contributor, roleIds.contributor, group('team'))
  const { eventGrid, resources } = clientsOf(contributor)
  await eventGrid.topics.beginCreateOrUpdateAndWait('team', 'parcels', { location })
  assert.match((await eventGrid.topics.listSharedAccessKeys('team', 'parcels')).key1 ?? '', /=$/)
  assert.deepEqual(
    (await all(resources.resourceGroups.list())).map((each) => each.name),
    ['team'],
  )
  assert.deepEqual(
    (await all(eventGrid.topics.listBySubscription())).map((each) => each.name),
    ['parcels'],
  )
  assert.deepEqual(
    (await all(resources.resources.list())).map((each) => each.name),
    ['parcels'],
  )
  await assert.rejects(
    eventGrid.topics.get('rg', 'orders'),
    forbidden('Microsoft.EventGrid/topics/read', topicId('orders'), contributor),
  )
  await assert.rejects(assign(contributor, roleIds.owner, group('team'), clientsOf(contributor)), {
    statusCode: 403,
    code: 'AuthorizationFailed',
    message: /Microsoft\.Authorization\/roleAssignments\/write/,
  })
  await eventGrid.topics.beginDeleteAndWait('team', 'parcels')
  await owners.roles.roleAssignments.delete(scope, name)
  await assert.rejects(all(eventGrid.topics.listByResourceGroup('team')), { statusCode: 403 })
})

test('one who manages access assigns a role, which counts from the next request on', async () => {
  const [manager, worker] = [take(), take()]
  await assign(manager, roleIds.userAccessAdministrator, group())
  const { name, scope } = await assign(worker, roleIds.eventGridContributor, group(), clientsOf(manager))
  const { eventGrid, resources } = clientsOf(worker)
  await eventGrid.topics.beginCreateOrUpdateAndWait('rg', 'by-worker', { location })
  await assert.rejects(
    resources.resourceGroups.beginDelete('rg'),
    forbidden('Microsoft.Resources/subscriptions/resourceGroups/delete', group(), worker),
  )
  await assert.rejects(
    clientsOf(manager).eventGrid.topics.beginDelete('rg', 'by-worker'),
    forbidden('Microsoft.EventGrid/topics/delete', topicId('by-worker'), manager),
  )
  await clientsOf(manager).roles.roleAssignments.delete(scope, name)
  await assert.rejects(eventGrid.topics.get('rg', 'by-worker'), { statusCode: 403 })
})

test('one who manages event subscriptions makes them, and uses no resource that it may not write', async () => {
  const manager = take()
  await server.createTopic('watched')
  const id = topicId('watched')
  await assign(manager, roleIds.subscriptionContributor, id)
  const hook = await startRecordingWebhook({ after })
  const { eventGrid } = clientsOf(manager)
  const to = (endpointUrl: string) => ({ destination: { endpointType: 'WebHook' as const, endpointUrl } })
  const made = await eventGrid.eventSubscriptions.beginCreateOrUpdateAndWait(id, 'mine', to(hook.url))
  assert.equal(made.provisioningState, 'Succeeded')
  assert.equal(
    (await all(eventGrid.eventSubscriptions.listByResource('rg', 'Microsoft.EventGrid', 'topics', 'watched')))
      .length,
    1,
  )
  assert.equal((await eventGrid.eventSubscriptions.getFullUrl(id, 'mine')).endpointUrl, hook.url)
  await assert.rejects(
    eventGrid.topics.get('rg', 'watched'),
    forbidden('Microsoft.EventGrid/topics/read', id, manager),
  )
  await assert.rejects(
    eventGrid.eventSubscriptions.beginCreateOrUpdate(topicId('orders'), 'mine', to(hook.url)),
    {
      statusCode: 403,
    },
  )
  const account = `${group()}/providers/Microsoft.Storage/storageAccounts/theirs`
  await assert.rejects(
    eventGrid.eventSubscriptions.beginCreateOrUpdate(id, 'theirs', {
      destination: { endpointType: 'StorageQueue', resourceId: account, queueName: 'q' },
    }),
    {
      statusCode: 403,
      code: 'LinkedAuthorizationFailed',
      message:
        /does not have permission to perform action 'Microsoft\.Storage\/storageAccounts\/write' on the linked scope/,
    },
  )
  await eventGrid.eventSubscriptions.beginDeleteAndWait(id, 'mine')
  const reader = take()
  await assign(reader, roleIds.subscriptionReader, id)
  assert.deepEqual(
    await all(
      clientsOf(reader).eventGrid.eventSubscriptions.listByResource(
        'rg',
        'Microsoft.EventGrid',
        'topics',
        'watched',
      ),
    ),
    [],
  )
})

test('a role on a resource that is not stored here counts for the event subscriptions on it', async () => {
  const manager = take()
  const account = `${group()}/providers/Microsoft.Storage/storageAccounts/azures`
  await assign(manager, roleIds.subscriptionContributor, account)
  const hook = await startRecordingWebhook({ after })
  const { eventGrid } = clientsOf(manager)
  const to = { destination: { endpointType: 'WebHook' as const, endpointUrl: hook.url } }
  await eventGrid.eventSubscriptions.beginCreateOrUpdateAndWait(account, 'blobs', to)
  assert.equal((await eventGrid.eventSubscriptions.get(account, 'blobs')).name, 'blobs')
  await assert.rejects(
    eventGrid.systemTopics.beginCreateOrUpdate('rg', 'theirs', {
      location,
      source: account,
      topicType: 'Microsoft.Storage.StorageAccounts',
    }),
    forbidden(
      'Microsoft.EventGrid/systemTopics/write',
      `${group()}/providers/Microsoft.EventGrid/systemTopics/theirs`,
      manager,
    ),
  )
  await owners.resources.resourceGroups.createOrUpdate('own', { location })
  await assign(manager, roleIds.eventGridContributor, group('own'))
  const other = `${group()}/providers/Microsoft.Storage/storageAccounts/others`
  await assert.rejects(
    eventGrid.systemTopics.beginCreateOrUpdate('own', 'theirs', {
      location,
      source: other,
      topicType: 'Microsoft.Storage.StorageAccounts',
    }),
    {
      statusCode: 403,
      code: 'LinkedAuthorizationFailed',
      message: /eventSubscriptions\/write.*storageAccounts\/others/,
    },
  )
})

test('a custom role permits what it names, with wildcards and exceptions, until it is changed', async () => {
  const keeper = take()
  const name = randomUUID()
  const role = (actions: string[], notActions: string[] = []) => ({
    roleName: 'Keeper of keys',
    description: 'Reads topics and their keys.',
    roleType: 'CustomRole',
    assignableScopes: [subscription],
    permissions: [{ actions, notActions, dataActions: [], notDataActions: [] }],
  })
  const made = await owners.roles.roleDefinitions.createOrUpdate(
    subscription,
    name,
    role(
      ['Microsoft.EventGrid/*/read', 'Microsoft.EventGrid/topics/*Key*/action'],
      ['Microsoft.EventGrid/topics/regenerateKey/action'],
    ),
  )
  assert.deepEqual([made.roleName, made.roleType], ['Keeper of keys', 'CustomRole'])
  const { scope, name: assignment } = await assign(keeper, name, group())
  const { eventGrid, roles } = clientsOf(keeper)
  assert.match((await eventGrid.topics.listSharedAccessKeys('rg', 'orders')).key1 ?? '', /=$/)
  await assert.rejects(
    eventGrid.topics.beginRegenerateKey('rg', 'orders', { keyName: 'key1' }),
    forbidden('Microsoft.EventGrid/topics/regenerateKey/action', topicId('orders'), keeper),
  )
  const found = await all(
    owners.roles.roleDefinitions.list(group(), { filter: "roleName eq 'Keeper of keys'" }),
  )
  assert.deepEqual(
    found.map((each) => each.name),
    [name],
  )
  assert.deepEqual(
    (await all(owners.roles.permissions.listForResourceGroup('rg'))).map(({ actions }) => actions),
    [['*']],
  )
  assert.equal((await all(roles.permissions.listForResourceGroup('rg')))[0]?.notActions?.length, 1)
  await owners.roles.roleDefinitions.createOrUpdate(subscription, name, role(['Microsoft.EventGrid/*/read']))
  await assert.rejects(eventGrid.topics.listSharedAccessKeys('rg', 'orders'), { statusCode: 403 })
  await assert.rejects(owners.roles.roleDefinitions.delete(subscription, name), {
    code: 'RoleDefinitionHasAssignments',
  })
  await owners.roles.roleAssignments.delete(scope, assignment)
  await owners.roles.roleDefinitions.delete(subscription, name)
  await assert.rejects(owners.roles.roleDefinitions.get(subscription, name), {
    code: 'RoleDefinitionDoesNotExist',
  })
})

test('a custom role is changed by nobody who may not change it wherever it may be assigned', async () => {
  const owns = take()
  await owners.resources.resourceGroups.createOrUpdate('owned', { location })
  await assign(owns, roleIds.owner, group('owned'))
  const name = randomUUID()
  const role = (assignableScopes: string[], action: string) => ({
    roleName: `Role ${name}`,
    assignableScopes,
    permissions: [{ actions: [action] }],
  })
  await owners.roles.roleDefinitions.createOrUpdate(
    subscription,
    name,
    role([subscription], 'Microsoft.EventGrid/topics/read'),
  )
  const { roles } = clientsOf(owns)
  const linked = { statusCode: 403, code: 'LinkedAuthorizationFailed' }
  await assert.rejects(
    roles.roleDefinitions.createOrUpdate(group('owned'), name, role([group('owned')], '*')),
    linked,
  )
  await assert.rejects(roles.roleDefinitions.delete(group('owned'), name), linked)
  const own = randomUUID()
  await roles.roleDefinitions.createOrUpdate(group('owned'), own, {
    ...role([group('owned')], '*'),
    roleName: `Role ${own}`,
  })
  await assert.rejects(assign(owns, own, subscription), {
    statusCode: 400,
    code: 'RoleAssignmentScopeNotAssignableToRoleDefinition',
  })
  await assert.rejects(
    roles.roleDefinitions.createOrUpdate(group('owned'), randomUUID(), {
      ...role([group('owned')], '*'),
      roleName: 'owner',
    }),
    { statusCode: 409, code: 'RoleDefinitionWithSameNameExists' },
  )
})

test('a deployment does what its caller may do, and of a nested one in another group nothing', async () => {
  const deployer = take()
  await owners.resources.resourceGroups.createOrUpdate('deployed', { location })
  await assign(deployer, roleIds.contributor, group('deployed'))
  const { deployments } = clientsOf(deployer)
  const topic = (name: string) => ({
    type: 'Microsoft.EventGrid/topics',
    apiVersion: '2022-06-15',
    name,
    location,
    properties: {},
  })
  const template = (resources: readonly unknown[]) => ({
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources,
  })
  const deploy = (name: string, resources: readonly unknown[]) =>
    deployments.deployments.createOrUpdate('deployed', name, {
      properties: { mode: 'Incremental', template: template(resources) },
    })
  const done = await deploy('mine', [topic('by-template')])
  assert.equal(done.properties?.provisioningState, 'Succeeded')
  const nested = {
    type: 'Microsoft.Resources/deployments',
    apiVersion: '2021-04-01',
    name: 'elsewhere',
    resourceGroup: 'rg',
    properties: { mode: 'Incremental', template: template([topic('smuggled')]) },
  }
  const why = async (name: string) =>
    JSON.stringify((await deployments.deployments.get('deployed', name)).properties?.error)
  await assert.rejects(
    deploy('theirs', [nested]),
    forbidden(
      'Microsoft.Resources/deployments/write',
      `${group()}/providers/Microsoft.Resources/deployments/elsewhere`,
      deployer,
    ),
  )
  const assignment = {
    type: 'Microsoft.Authorization/roleAssignments',
    apiVersion: '2022-04-01',
    name: randomUUID(),
    properties: { roleDefinitionId: definition(roleIds.owner), principalId: deployer.objectId },
  }
  await assert.rejects(deploy('rise', [assignment]), /DeploymentFailed/)
  assert.match(await why('rise'), /AuthorizationFailed.*roleAssignments\/write/)
  await assert.rejects(owners.eventGrid.topics.get('rg', 'smuggled'), { statusCode: 404 })
})

test('an event of an operation tells of the role that let its caller, and a refused one of none', async () => {
  const contributor = take()
  await owners.resources.resourceGroups.createOrUpdate('told', { location })
  const { name } = await assign(contributor, roleIds.contributor, group('told'))
  const hook = await startRecordingWebhook({ after })
  await owners.eventGrid.eventSubscriptions.beginCreateOrUpdateAndWait(group('told'), 'told', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
    filter: { advancedFilters: [{ operatorType: 'StringContains', key: 'subject', values: ['/topics/'] }] },
  })
  const { eventGrid } = clientsOf(contributor)
  await eventGrid.topics.beginCreateOrUpdateAndWait('told', 'one', { location })
  await hook.until(1)
  interface Data {
    readonly status: string
    readonly authorization: { readonly evidence?: unknown }
  }
  const bodyOf = (at: number) =>
    ((hook.received[at] as Received).body as [{ eventType: string; data: Data }])[0]
  const plain = (guid: string) => guid.replaceAll('-', '')
  assert.deepEqual(bodyOf(0).data.authorization, {
    scope: topicId('one', 'told'),
    action: 'Microsoft.EventGrid/topics/write',
    evidence: {
      role: 'Contributor',
      roleAssignmentScope: group('told'),
      roleAssignmentId: plain(name),
      roleDefinitionId: plain(roleIds.contributor),
      principalId: plain(contributor.objectId),
      principalType: 'ServicePrincipal',
    },
  })
  await owners.roles.roleAssignments.delete(group('told'), name)
  await assign(contributor, roleIds.reader, group('told'))
  await assert.rejects(eventGrid.topics.beginDelete('told', 'one'), { statusCode: 403 })
  await hook.until(2)
  assert.equal(bodyOf(1).eventType, 'Microsoft.Resources.ResourceDeleteFailure')
  assert.deepEqual(bodyOf(1).data.authorization, {
    scope: topicId('one', 'told'),
    action: 'Microsoft.EventGrid/topics/delete',
  })
  assert.equal(bodyOf(1).data.status, 'Failed')
  await owners.eventGrid.topics.beginDeleteAndWait('told', 'one')
  await hook.until(3)
  assert.deepEqual(bodyOf(2).data.authorization.evidence, { role: 'Subscription Admin' })
})

test('what is beside Resource Manager asks for roles too: tail, trace, dead letters, triggered events', async () => {
  const [reader, manager, contributor] = [take(), take(), take()]
  await server.createTopic('seen')
  const id = topicId('seen')
  const hook = await startRecordingWebhook({ after })
  const es = await server.subscribe({ to: hook.url, topic: 'seen', name: 'seen-es' })
  await server.publish({ id: 'seen-1' }, { topic: 'seen' })
  await hook.until(1)
  await server.settle()
  await assign(reader, roleIds.reader, id)
  await assign(manager, roleIds.subscriptionContributor, es)
  await assign(contributor, roleIds.contributor, subscription)
  const statuses = async (path: string, init?: RequestInit) =>
    Promise.all(
      [reader, manager, contributor].map(async (each) => (await clientsOf(each).ask(path, init)).status),
    )
  const query = (name: string, value: string) => `${name}=${encodeURIComponent(value)}`
  const ok = 200
  assert.deepEqual(await statuses('/events/seen-1/trace'), [ok, ok, ok])
  assert.deepEqual(await statuses('/events/none/trace'), [404, 404, 404])
  await server.publish({ id: 'other-1' })
  assert.deepEqual(await statuses('/events/other-1/trace'), [403, 403, ok])
  // No dead-letter destination: whoever may ask is told so.
  assert.deepEqual(await statuses(`/deadletters?${query('eventSubscription', es)}`), [409, 409, 409])
  const records = `/deadletters/records?blob=b&${query('eventSubscription', es)}`
  assert.deepEqual(await statuses(records), [403, 409, 409])
  const replay = { method: 'POST', body: JSON.stringify({ eventSubscription: es }) }
  assert.deepEqual(await statuses('/deadletters/replay', replay), [403, 409, 409])
  const trigger = {
    method: 'POST',
    body: JSON.stringify({
      eventType: 'Microsoft.Resources.ResourceWriteSuccess',
      source: subscription,
    }),
  }
  assert.deepEqual(await statuses('/events/trigger', trigger), [403, 403, ok])
  for (const [who, what, status] of [
    [reader, query('topic', id), 403],
    [manager, query('topic', id), 403],
    [reader, query('eventSubscription', es), 403],
    [manager, query('eventSubscription', es.replace('/providers/Microsoft.EventGrid/eventS', '/eventS')), ok],
    [contributor, query('topic', id), ok],
  ] as const)
    assert.equal(await clientsOf(who).follow(`/events/tail?${what}`), status, `${who.name} ${what}`)
})
