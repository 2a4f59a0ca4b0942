import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ManagementLockClient } from '@azure/arm-locks'
import { ResourceManagementClient } from '@azure/arm-resources'
import { DeploymentsClient } from '@azure/arm-resourcesdeployments'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Every operation of the official management clients, each called against a running server over HTTPS. The operations
 * are read from the client itself: one that a newer client brings fails the test until it is called here, or named with
 * the reason why it is refused. The api-version of this client of Event Grid has no namespaces: their operations are called
 * by the tests of namespaces.
 */

/** Where each request is written down with its answer, for scripts/validate-traffic.ts. */
const trafficFolder = process.env.BUSBAR_TRAFFIC
/** What the client of Event Grid asks for then, in place of its own. */
const trafficVersion = process.env.BUSBAR_TRAFFIC_API_VERSION

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const settings = { endpoint: server.https }
const eventGrid = new EventGridManagementClient(credential, defaultSubscriptionId, {
  ...settings,
  ...(trafficVersion !== undefined && { apiVersion: trafficVersion }),
})
const resourceManager = new ResourceManagementClient(credential, defaultSubscriptionId, settings)
const deployer = new DeploymentsClient(credential, defaultSubscriptionId, settings)
// This client of an older make takes its endpoint under another name.
const locker = new ManagementLockClient(credential, defaultSubscriptionId, {
  ...settings,
  $host: server.https,
})

/** What is called for one operation, in the order of the table. */
type Call = () => PromiseLike<unknown>
/** An operation that is not done here: status and body of the refusal. */
interface Refused {
  readonly refused: RegExp
  readonly call: Call
}
type Steps = Readonly<Record<string, Call | Refused>>

const refused = (why: RegExp, call: Call): Refused => ({ refused: why, call })

/** The operations of a client as `group.operation`, each once: the two forms of a long-running one are the same. */
function operationsOf(client: object): readonly string[] {
  return Object.entries(client)
    .filter(([group, value]) => typeof value === 'object' && value !== null && !/^(_|pipeline$)/.test(group))
    .flatMap(([group, operations]: [string, Record<string, unknown>]) => {
      const own = Object.getPrototypeOf(operations) as object
      const names = [
        ...Object.keys(operations),
        ...(own === Object.prototype ? [] : Object.getOwnPropertyNames(own)),
      ]
      return names
        .filter((name) => typeof operations[name] === 'function' && !/^(_|constructor$)/.test(name))
        .filter((name) => !/PagingPage$|PagingAll$|AndWait$/.test(name))
        .map((name) => `${group}.${name.replace(/^begin(.)/, (_, first: string) => first.toLowerCase())}`)
    })
    .filter((name, index, all) => all.indexOf(name) === index)
    .toSorted()
}

interface Client {
  readonly pipeline: {
    addPolicy(policy: {
      readonly name: string
      sendRequest(request: Asked, next: (request: Asked) => Promise<Answered>): Promise<Answered>
    }): void
  }
}
type Headers = Iterable<readonly [string, string]>
interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body?: unknown
}
interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly bodyAsText?: string | null
}

let recorded = 0

/** One exchange in a file, in the form that `oav validate-traffic` reads. */
function record(folder: string, { method, url, headers, body }: Asked, answer: Answered): void {
  // That an operation is polled is Resource Manager's protocol, and no operation of a provider.
  if (/\/operation(sStatus|Results)\//.test(url)) return
  mkdirSync(folder, { recursive: true })
  const json = (text: unknown) => (typeof text === 'string' && text !== '' ? JSON.parse(text) : undefined)
  const exchange = {
    liveRequest: {
      headers: Object.fromEntries(headers),
      method,
      url: url.replace(server.https, 'https://management.azure.com'),
      body: json(body),
    },
    liveResponse: {
      statusCode: String(answer.status),
      headers: Object.fromEntries(answer.headers),
      body: json(answer.bodyAsText) ?? {},
    },
  }
  const name = `${String(++recorded).padStart(4, '0')}.json`
  writeFileSync(join(folder, name), JSON.stringify(exchange, null, 2))
}

async function walk(t: TestContext, client: object, steps: Steps): Promise<void> {
  assert.deepEqual(Object.keys(steps).toSorted(), operationsOf(client))
  let last: Answered | undefined
  ;(client as Client).pipeline.addPolicy({
    name: 'what was answered last',
    async sendRequest(request, next) {
      last = await next(request).catch((error: { response?: Answered }) => {
        last = error.response
        throw error
      })
      if (trafficFolder !== undefined && client === eventGrid) record(trafficFolder, request, last)
      return last
    },
  })
  for (const [operation, step] of Object.entries(steps))
    await t.test(operation, async () => {
      if (typeof step === 'function') await step()
      else {
        await assert.rejects(async () => step.call())
        // Some clients do not tell what the refusal said.
        assert.match(`${last?.status} ${last?.bodyAsText}`, step.refused)
      }
    })
}

const all = (items: AsyncIterable<unknown>) => Array.fromAsync(items)
const location = 'westus2'
const idOf = (type: string, name: string) => `${subscription}/resourceGroups/rg/providers/${type}/${name}`

test('every operation of @azure/arm-eventgrid is answered', async (t) => {
  const hook = await startRecordingWebhook(t)
  const destination = { endpointType: 'WebHook' as const, endpointUrl: hook.url }
  const subscribed = { destination }
  const labelled = { labels: ['a'] }
  const { topics, domains, domainTopics, systemTopics, eventSubscriptions } = eventGrid
  const { topicEventSubscriptions, domainEventSubscriptions, domainTopicEventSubscriptions } = eventGrid
  const { systemTopicEventSubscriptions, partnerTopicEventSubscriptions } = eventGrid
  const { partnerConfigurations, partnerRegistrations, partnerNamespaces, channels, partnerTopics } =
    eventGrid
  const { privateEndpointConnections, privateLinkResources } = eventGrid
  const { extensionTopics, topicTypes, verifiedPartners, operations } = eventGrid
  const scope = idOf('Microsoft.EventGrid/topics', 'one')
  const source = idOf('Microsoft.Storage/storageAccounts', 'uploads')
  let immutableId = ''
  await walk(t, eventGrid, {
    'operations.list': () => all(operations.list()),
    'topicTypes.list': () => all(topicTypes.list()),
    'topicTypes.get': () => topicTypes.get('Microsoft.Storage.StorageAccounts'),
    'topicTypes.listEventTypes': () => all(topicTypes.listEventTypes('Microsoft.Storage.StorageAccounts')),
    'verifiedPartners.list': () => all(verifiedPartners.list()),
    'verifiedPartners.get': refused(/^404 .*verified partner 'any' does not exist/, () =>
      verifiedPartners.get('any'),
    ),

    'topics.createOrUpdate': () => topics.beginCreateOrUpdateAndWait('rg', 'one', { location }),
    'topics.get': () => topics.get('rg', 'one'),
    'topics.update': () => topics.beginUpdateAndWait('rg', 'one', { tags: { a: 'b' } }),
    'topics.listByResourceGroup': () => all(topics.listByResourceGroup('rg')),
    'topics.listBySubscription': () => all(topics.listBySubscription()),
    'topics.listSharedAccessKeys': () => topics.listSharedAccessKeys('rg', 'one'),
    'topics.regenerateKey': () => topics.beginRegenerateKeyAndWait('rg', 'one', { keyName: 'key1' }),
    'topics.listEventTypes': () =>
      all(topics.listEventTypes('rg', 'Microsoft.Storage', 'storageAccounts', 'uploads')),

    'topicEventSubscriptions.createOrUpdate': () =>
      topicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'one', 'nested', subscribed),
    'topicEventSubscriptions.get': () => topicEventSubscriptions.get('rg', 'one', 'nested'),
    'topicEventSubscriptions.update': () =>
      topicEventSubscriptions.beginUpdateAndWait('rg', 'one', 'nested', labelled),
    'topicEventSubscriptions.list': () => all(topicEventSubscriptions.list('rg', 'one')),
    'topicEventSubscriptions.getFullUrl': () => topicEventSubscriptions.getFullUrl('rg', 'one', 'nested'),
    'topicEventSubscriptions.getDeliveryAttributes': () =>
      topicEventSubscriptions.getDeliveryAttributes('rg', 'one', 'nested'),
    'topicEventSubscriptions.delete': () => topicEventSubscriptions.beginDeleteAndWait('rg', 'one', 'nested'),

    'eventSubscriptions.createOrUpdate': () =>
      eventSubscriptions.beginCreateOrUpdateAndWait(scope, 'first', subscribed),
    'eventSubscriptions.get': () => eventSubscriptions.get(scope, 'first'),
    'eventSubscriptions.update': () => eventSubscriptions.beginUpdateAndWait(scope, 'first', labelled),
    'eventSubscriptions.getFullUrl': () => eventSubscriptions.getFullUrl(scope, 'first'),
    'eventSubscriptions.getDeliveryAttributes': () =>
      eventSubscriptions.getDeliveryAttributes(scope, 'first'),
    'eventSubscriptions.listByResource': () =>
      all(eventSubscriptions.listByResource('rg', 'Microsoft.EventGrid', 'topics', 'one')),
    'eventSubscriptions.listGlobalBySubscription': () => all(eventSubscriptions.listGlobalBySubscription()),
    'eventSubscriptions.listGlobalBySubscriptionForTopicType': () =>
      all(eventSubscriptions.listGlobalBySubscriptionForTopicType('Microsoft.Resources.Subscriptions')),
    'eventSubscriptions.listGlobalByResourceGroup': () =>
      all(eventSubscriptions.listGlobalByResourceGroup('rg')),
    'eventSubscriptions.listGlobalByResourceGroupForTopicType': () =>
      all(
        eventSubscriptions.listGlobalByResourceGroupForTopicType('rg', 'Microsoft.Resources.ResourceGroups'),
      ),
    'eventSubscriptions.listRegionalBySubscription': () =>
      all(eventSubscriptions.listRegionalBySubscription(location)),
    'eventSubscriptions.listRegionalBySubscriptionForTopicType': () =>
      all(eventSubscriptions.listRegionalBySubscriptionForTopicType(location, 'Microsoft.EventGrid.Topics')),
    'eventSubscriptions.listRegionalByResourceGroup': () =>
      all(eventSubscriptions.listRegionalByResourceGroup('rg', location)),
    'eventSubscriptions.listRegionalByResourceGroupForTopicType': () =>
      all(
        eventSubscriptions.listRegionalByResourceGroupForTopicType(
          'rg',
          location,
          'Microsoft.EventGrid.Topics',
        ),
      ),
    'eventSubscriptions.delete': () => eventSubscriptions.beginDeleteAndWait(scope, 'first'),
    'topics.delete': () => topics.beginDeleteAndWait('rg', 'one'),

    'domains.createOrUpdate': () => domains.beginCreateOrUpdateAndWait('rg', 'dom', { location }),
    'domains.get': () => domains.get('rg', 'dom'),
    'domains.update': () => domains.beginUpdateAndWait('rg', 'dom', { tags: { a: 'b' } }),
    'domains.listByResourceGroup': () => all(domains.listByResourceGroup('rg')),
    'domains.listBySubscription': () => all(domains.listBySubscription()),
    'domains.listSharedAccessKeys': () => domains.listSharedAccessKeys('rg', 'dom'),
    'domains.regenerateKey': () => domains.regenerateKey('rg', 'dom', { keyName: 'key2' }),
    'domainEventSubscriptions.createOrUpdate': () =>
      domainEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'dom', 'es1', subscribed),
    'domainEventSubscriptions.get': () => domainEventSubscriptions.get('rg', 'dom', 'es1'),
    'domainEventSubscriptions.update': () =>
      domainEventSubscriptions.beginUpdateAndWait('rg', 'dom', 'es1', labelled),
    'domainEventSubscriptions.list': () => all(domainEventSubscriptions.list('rg', 'dom')),
    'domainEventSubscriptions.getFullUrl': () => domainEventSubscriptions.getFullUrl('rg', 'dom', 'es1'),
    'domainEventSubscriptions.getDeliveryAttributes': () =>
      domainEventSubscriptions.getDeliveryAttributes('rg', 'dom', 'es1'),
    'domainEventSubscriptions.delete': () => domainEventSubscriptions.beginDeleteAndWait('rg', 'dom', 'es1'),
    'domainTopics.createOrUpdate': () => domainTopics.beginCreateOrUpdateAndWait('rg', 'dom', 'tenant'),
    'domainTopics.get': () => domainTopics.get('rg', 'dom', 'tenant'),
    'domainTopics.listByDomain': () => all(domainTopics.listByDomain('rg', 'dom')),
    'domainTopicEventSubscriptions.createOrUpdate': () =>
      domainTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'dom', 'tenant', 'es1', subscribed),
    'domainTopicEventSubscriptions.get': () =>
      domainTopicEventSubscriptions.get('rg', 'dom', 'tenant', 'es1'),
    'domainTopicEventSubscriptions.update': () =>
      domainTopicEventSubscriptions.beginUpdateAndWait('rg', 'dom', 'tenant', 'es1', labelled),
    'domainTopicEventSubscriptions.list': () =>
      all(domainTopicEventSubscriptions.list('rg', 'dom', 'tenant')),
    'domainTopicEventSubscriptions.getFullUrl': () =>
      domainTopicEventSubscriptions.getFullUrl('rg', 'dom', 'tenant', 'es1'),
    'domainTopicEventSubscriptions.getDeliveryAttributes': () =>
      domainTopicEventSubscriptions.getDeliveryAttributes('rg', 'dom', 'tenant', 'es1'),
    'eventSubscriptions.listByDomainTopic': () =>
      all(eventSubscriptions.listByDomainTopic('rg', 'dom', 'tenant')),
    'domainTopicEventSubscriptions.delete': () =>
      domainTopicEventSubscriptions.beginDeleteAndWait('rg', 'dom', 'tenant', 'es1'),
    'privateEndpointConnections.update': () =>
      privateEndpointConnections.beginUpdateAndWait('rg', 'domains', 'dom', 'c', {
        privateEndpoint: { id: idOf('Microsoft.Network/privateEndpoints', 'office') },
      }),
    'privateEndpointConnections.get': () => privateEndpointConnections.get('rg', 'domains', 'dom', 'c'),
    'privateEndpointConnections.listByResource': () =>
      all(privateEndpointConnections.listByResource('rg', 'domains', 'dom')),
    'privateEndpointConnections.delete': () =>
      privateEndpointConnections.beginDeleteAndWait('rg', 'domains', 'dom', 'c'),
    'privateLinkResources.listByResource': () =>
      all(privateLinkResources.listByResource('rg', 'domains', 'dom')),
    'privateLinkResources.get': () => privateLinkResources.get('rg', 'domains', 'dom', 'domain'),
    'domainTopics.delete': () => domainTopics.beginDeleteAndWait('rg', 'dom', 'tenant'),
    'domains.delete': () => domains.beginDeleteAndWait('rg', 'dom'),

    'systemTopics.createOrUpdate': () =>
      systemTopics.beginCreateOrUpdateAndWait('rg', 'uploads', {
        location,
        source,
        topicType: 'Microsoft.Storage.StorageAccounts',
      }),
    'systemTopics.get': () => systemTopics.get('rg', 'uploads'),
    'systemTopics.update': () => systemTopics.beginUpdateAndWait('rg', 'uploads', { tags: { a: 'b' } }),
    'systemTopics.listByResourceGroup': () => all(systemTopics.listByResourceGroup('rg')),
    'systemTopics.listBySubscription': () => all(systemTopics.listBySubscription()),
    'extensionTopics.get': () => extensionTopics.get(source.slice(1)),
    'systemTopicEventSubscriptions.createOrUpdate': () =>
      systemTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'uploads', 'es1', subscribed),
    'systemTopicEventSubscriptions.get': () => systemTopicEventSubscriptions.get('rg', 'uploads', 'es1'),
    'systemTopicEventSubscriptions.update': () =>
      systemTopicEventSubscriptions.beginUpdateAndWait('rg', 'uploads', 'es1', labelled),
    'systemTopicEventSubscriptions.listBySystemTopic': () =>
      all(systemTopicEventSubscriptions.listBySystemTopic('rg', 'uploads')),
    'systemTopicEventSubscriptions.getFullUrl': () =>
      systemTopicEventSubscriptions.getFullUrl('rg', 'uploads', 'es1'),
    'systemTopicEventSubscriptions.getDeliveryAttributes': () =>
      systemTopicEventSubscriptions.getDeliveryAttributes('rg', 'uploads', 'es1'),
    'systemTopicEventSubscriptions.delete': () =>
      systemTopicEventSubscriptions.beginDeleteAndWait('rg', 'uploads', 'es1'),
    'systemTopics.delete': () => systemTopics.beginDeleteAndWait('rg', 'uploads'),

    'partnerRegistrations.createOrUpdate': async () => {
      const made = await partnerRegistrations.beginCreateOrUpdateAndWait('rg', 'contoso', {
        location: 'global',
      })
      immutableId = made.partnerRegistrationImmutableId ?? ''
    },
    'partnerRegistrations.get': () => partnerRegistrations.get('rg', 'contoso'),
    'partnerRegistrations.update': () =>
      partnerRegistrations.beginUpdateAndWait('rg', 'contoso', { tags: { a: 'b' } }),
    'partnerRegistrations.listByResourceGroup': () => all(partnerRegistrations.listByResourceGroup('rg')),
    'partnerRegistrations.listBySubscription': () => all(partnerRegistrations.listBySubscription()),
    'partnerConfigurations.createOrUpdate': () => partnerConfigurations.beginCreateOrUpdateAndWait('rg', {}),
    'partnerConfigurations.get': () => partnerConfigurations.get('rg'),
    'partnerConfigurations.update': () =>
      partnerConfigurations.beginUpdateAndWait('rg', { tags: { a: 'b' } }),
    'partnerConfigurations.listByResourceGroup': () => all(partnerConfigurations.listByResourceGroup('rg')),
    'partnerConfigurations.listBySubscription': () => all(partnerConfigurations.listBySubscription()),
    'partnerConfigurations.authorizePartner': () =>
      partnerConfigurations.authorizePartner('rg', { partnerRegistrationImmutableId: immutableId }),
    'partnerNamespaces.createOrUpdate': () =>
      partnerNamespaces.beginCreateOrUpdateAndWait('rg', 'partner', {
        location,
        partnerRegistrationFullyQualifiedId: idOf('Microsoft.EventGrid/partnerRegistrations', 'contoso'),
        partnerTopicRoutingMode: 'ChannelNameHeader',
      }),
    'partnerNamespaces.get': () => partnerNamespaces.get('rg', 'partner'),
    'partnerNamespaces.update': () =>
      partnerNamespaces.beginUpdateAndWait('rg', 'partner', { tags: { a: 'b' } }),
    'partnerNamespaces.listByResourceGroup': () => all(partnerNamespaces.listByResourceGroup('rg')),
    'partnerNamespaces.listBySubscription': () => all(partnerNamespaces.listBySubscription()),
    'partnerNamespaces.listSharedAccessKeys': () => partnerNamespaces.listSharedAccessKeys('rg', 'partner'),
    'partnerNamespaces.regenerateKey': () =>
      partnerNamespaces.regenerateKey('rg', 'partner', { keyName: 'key1' }),
    'channels.createOrUpdate': () =>
      channels.createOrUpdate('rg', 'partner', 'orders', {
        channelType: 'PartnerTopic',
        partnerTopicInfo: {
          azureSubscriptionId: defaultSubscriptionId,
          resourceGroupName: 'rg',
          name: 'theirs',
          source: '/a',
        },
      }),
    'channels.get': () => channels.get('rg', 'partner', 'orders'),
    'channels.update': () =>
      channels.update('rg', 'partner', 'orders', {
        expirationTimeIfNotActivatedUtc: new Date(Date.now() + 86_400_000),
      }),
    'channels.listByPartnerNamespace': () => all(channels.listByPartnerNamespace('rg', 'partner')),
    'channels.getFullUrl': () => channels.getFullUrl('rg', 'partner', 'orders'),
    'partnerTopics.createOrUpdate': () => partnerTopics.createOrUpdate('rg', 'theirs', { location }),
    'partnerTopics.get': () => partnerTopics.get('rg', 'theirs'),
    'partnerTopics.update': () => partnerTopics.update('rg', 'theirs', { tags: { a: 'b' } }),
    'partnerTopics.activate': () => partnerTopics.activate('rg', 'theirs'),
    'partnerTopics.deactivate': () => partnerTopics.deactivate('rg', 'theirs'),
    'partnerTopics.listByResourceGroup': () => all(partnerTopics.listByResourceGroup('rg')),
    'partnerTopics.listBySubscription': () => all(partnerTopics.listBySubscription()),
    'partnerTopicEventSubscriptions.createOrUpdate': () =>
      partnerTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'theirs', 'es1', subscribed),
    'partnerTopicEventSubscriptions.get': () => partnerTopicEventSubscriptions.get('rg', 'theirs', 'es1'),
    'partnerTopicEventSubscriptions.update': () =>
      partnerTopicEventSubscriptions.beginUpdateAndWait('rg', 'theirs', 'es1', labelled),
    'partnerTopicEventSubscriptions.listByPartnerTopic': () =>
      all(partnerTopicEventSubscriptions.listByPartnerTopic('rg', 'theirs')),
    'partnerTopicEventSubscriptions.getFullUrl': () =>
      partnerTopicEventSubscriptions.getFullUrl('rg', 'theirs', 'es1'),
    'partnerTopicEventSubscriptions.getDeliveryAttributes': () =>
      partnerTopicEventSubscriptions.getDeliveryAttributes('rg', 'theirs', 'es1'),
    'partnerTopicEventSubscriptions.delete': () =>
      partnerTopicEventSubscriptions.beginDeleteAndWait('rg', 'theirs', 'es1'),
    'partnerTopics.delete': () => partnerTopics.beginDeleteAndWait('rg', 'theirs'),
    'channels.delete': () => channels.beginDeleteAndWait('rg', 'partner', 'orders'),
    'partnerNamespaces.delete': () => partnerNamespaces.beginDeleteAndWait('rg', 'partner'),
    'partnerConfigurations.unauthorizePartner': () =>
      partnerConfigurations.unauthorizePartner('rg', { partnerRegistrationImmutableId: immutableId }),
    'partnerConfigurations.delete': () => partnerConfigurations.beginDeleteAndWait('rg'),
    'partnerRegistrations.delete': () => partnerRegistrations.beginDeleteAndWait('rg', 'contoso'),
  })
})

test('every operation of @azure/arm-resources is answered', async (t) => {
  const { operations, providers, providerResourceTypes, resources, resourceGroups, tagsOperations } =
    resourceManager
  const version = '2023-01-01'
  const storage = ['Microsoft.Storage', '', 'storageAccounts'] as const
  const byName = (name: string) => ['group', ...storage, name, version] as const
  const byId = `${subscription}/resourceGroups/group/providers/Microsoft.Storage/storageAccounts/second`
  const scope = `${subscription}/resourceGroups/group`
  const moving = { resources: [byId], targetResourceGroup: `${subscription}/resourceGroups/rg` }
  await walk(t, resourceManager, {
    'operations.list': () => all(operations.list()),
    'providers.list': () => all(providers.list()),
    'providers.listAtTenantScope': () => all(providers.listAtTenantScope()),
    'providers.get': () => providers.get('Microsoft.EventGrid'),
    'providers.getAtTenantScope': () => providers.getAtTenantScope('Microsoft.EventGrid'),
    'providers.providerPermissions': () => providers.providerPermissions('Microsoft.EventGrid'),
    'providers.unregister': () => providers.unregister('Microsoft.Maps'),
    'providers.register': () => providers.register('Microsoft.Maps'),
    'providers.registerAtManagementGroupScope': refused(/^404 .*There is nothing at/, () =>
      providers.registerAtManagementGroupScope('Microsoft.Maps', 'management-group'),
    ),
    'providerResourceTypes.list': () => providerResourceTypes.list('Microsoft.EventGrid'),

    'resourceGroups.createOrUpdate': () => resourceGroups.createOrUpdate('group', { location }),
    'resourceGroups.get': () => resourceGroups.get('group'),
    'resourceGroups.update': () => resourceGroups.update('group', { tags: { a: 'b' } }),
    'resourceGroups.checkExistence': async () =>
      assert.equal((await resourceGroups.checkExistence('group')).body, true),
    'resourceGroups.list': () => all(resourceGroups.list()),

    'resources.createOrUpdate': () => resources.beginCreateOrUpdateAndWait(...byName('first'), { location }),
    'resources.createOrUpdateById': () =>
      resources.beginCreateOrUpdateByIdAndWait(byId, version, { location }),
    'resources.get': () => resources.get(...byName('first')),
    'resources.getById': () => resources.getById(byId, version),
    'resources.update': () => resources.beginUpdateAndWait(...byName('first'), { tags: { a: 'b' } }),
    'resources.updateById': () => resources.beginUpdateByIdAndWait(byId, version, { tags: { a: 'b' } }),
    'resources.checkExistence': async () =>
      assert.equal((await resources.checkExistence(...byName('first'))).body, true),
    'resources.checkExistenceById': async () =>
      assert.equal((await resources.checkExistenceById(byId, version)).body, true),
    'resources.list': () => all(resources.list()),
    'resources.listByResourceGroup': () => all(resources.listByResourceGroup('group')),
    'resources.validateMoveResources': () => resources.beginValidateMoveResourcesAndWait('group', moving),
    'resources.moveResources': async () => {
      await resources.beginMoveResourcesAndWait('group', moving)
      await resources.beginMoveResourcesAndWait('rg', {
        resources: [byId.replace('/group/', '/rg/')],
        targetResourceGroup: scope,
      })
    },
    'resourceGroups.exportTemplate': () =>
      resourceGroups.beginExportTemplateAndWait('group', { resources: ['*'] }),

    'tagsOperations.createOrUpdate': () => tagsOperations.createOrUpdate('team'),
    'tagsOperations.createOrUpdateValue': () => tagsOperations.createOrUpdateValue('team', 'orders'),
    'tagsOperations.list': () => all(tagsOperations.list()),
    'tagsOperations.deleteValue': () => tagsOperations.deleteValue('team', 'orders'),
    'tagsOperations.delete': () => tagsOperations.delete('team'),
    'tagsOperations.createOrUpdateAtScope': () =>
      tagsOperations.beginCreateOrUpdateAtScopeAndWait(scope, { properties: { tags: { a: 'b' } } }),
    'tagsOperations.updateAtScope': () =>
      tagsOperations.beginUpdateAtScopeAndWait(scope, {
        operation: 'Merge',
        properties: { tags: { c: 'd' } },
      }),
    'tagsOperations.getAtScope': () => tagsOperations.getAtScope(scope),
    'tagsOperations.deleteAtScope': () => tagsOperations.beginDeleteAtScopeAndWait(scope),

    'resources.delete': () => resources.beginDeleteAndWait(...byName('first')),
    'resources.deleteById': () => resources.beginDeleteByIdAndWait(byId, version),
    'resourceGroups.delete': () => resourceGroups.beginDeleteAndWait('group'),
  })
})

test('every operation of @azure/arm-resourcesdeployments is answered', async (t) => {
  const { deployments, deploymentOperations } = deployer
  const schema = 'https://schema.management.azure.com/schemas'
  const template = {
    $schema: `${schema}/2019-04-01/deploymentTemplate.json#`,
    contentVersion: '1.0.0.0',
    resources: [],
  }
  const toGroup = { properties: { mode: 'Incremental' as const, template } }
  const subscriptionTemplate = {
    ...template,
    $schema: `${schema}/2018-05-01/subscriptionDeploymentTemplate.json#`,
  }
  const above = { location, properties: { mode: 'Incremental' as const, template: subscriptionTemplate } }
  const scope = `${subscription.slice(1)}/resourceGroups/rg`
  const operationIn = async (list: AsyncIterable<{ operationId?: string }>) => {
    const [first] = await Array.fromAsync(list)
    return first?.operationId ?? ''
  }
  const steps: Steps = {
    'deployments.calculateTemplateHash': () => deployments.calculateTemplateHash(template),
    'deployments.validate': () => deployments.validate('rg', 'd', toGroup),
    'deployments.whatIf': () => deployments.whatIf('rg', 'd', toGroup),
    'deployments.createOrUpdate': () => deployments.createOrUpdate('rg', 'd', toGroup),
    'deployments.get': () => deployments.get('rg', 'd'),
    'deployments.checkExistence': () => deployments.checkExistence('rg', 'd'),
    'deployments.listByResourceGroup': () => all(deployments.listByResourceGroup('rg')),
    'deployments.exportTemplate': () => deployments.exportTemplate('rg', 'd'),
    'deploymentOperations.list': () => all(deploymentOperations.list('rg', 'd')),
    'deploymentOperations.get': async () =>
      deploymentOperations.get('rg', 'd', await operationIn(deploymentOperations.list('rg', 'd'))),
    // It has ended: that there is nothing to cancel is the answer.
    'deployments.cancel': refused(/^409 .*cancel/i, () => deployments.cancel('rg', 'd')),
    'deployments.delete': () => deployments.delete('rg', 'd'),

    'deployments.validateAtSubscriptionScope': () => deployments.validateAtSubscriptionScope('d', above),
    'deployments.whatIfAtSubscriptionScope': () => deployments.whatIfAtSubscriptionScope('d', above),
    'deployments.createOrUpdateAtSubscriptionScope': () =>
      deployments.createOrUpdateAtSubscriptionScope('d', above),
    'deployments.getAtSubscriptionScope': () => deployments.getAtSubscriptionScope('d'),
    'deployments.checkExistenceAtSubscriptionScope': () => deployments.checkExistenceAtSubscriptionScope('d'),
    'deployments.listAtSubscriptionScope': () => all(deployments.listAtSubscriptionScope()),
    'deployments.exportTemplateAtSubscriptionScope': () => deployments.exportTemplateAtSubscriptionScope('d'),
    'deploymentOperations.listAtSubscriptionScope': () =>
      all(deploymentOperations.listAtSubscriptionScope('d')),
    'deploymentOperations.getAtSubscriptionScope': async () =>
      deploymentOperations.getAtSubscriptionScope(
        'd',
        await operationIn(deploymentOperations.listAtSubscriptionScope('d')),
      ),
    'deployments.cancelAtSubscriptionScope': refused(/^409 .*cancel/i, () =>
      deployments.cancelAtSubscriptionScope('d'),
    ),
    'deployments.deleteAtSubscriptionScope': () => deployments.deleteAtSubscriptionScope('d'),

    'deployments.validateAtScope': () => deployments.validateAtScope(scope, 'e', toGroup),
    'deployments.createOrUpdateAtScope': () => deployments.createOrUpdateAtScope(scope, 'e', toGroup),
    'deployments.getAtScope': () => deployments.getAtScope(scope, 'e'),
    'deployments.checkExistenceAtScope': () => deployments.checkExistenceAtScope(scope, 'e'),
    'deployments.listAtScope': () => all(deployments.listAtScope(scope)),
    'deployments.exportTemplateAtScope': () => deployments.exportTemplateAtScope(scope, 'e'),
    'deploymentOperations.listAtScope': () => all(deploymentOperations.listAtScope(scope, 'e')),
    'deploymentOperations.getAtScope': async () =>
      deploymentOperations.getAtScope(
        scope,
        'e',
        await operationIn(deploymentOperations.listAtScope(scope, 'e')),
      ),
    'deployments.cancelAtScope': refused(/^409 .*cancel/i, () => deployments.cancelAtScope(scope, 'e')),
    'deployments.deleteAtScope': () => deployments.deleteAtScope(scope, 'e'),

    // There are no management groups here, and templates for a tenant are of Azure's own administration.
    ...Object.fromEntries(
      operationsOf(deployer)
        .filter((name) => /At(ManagementGroup|Tenant)Scope$/.test(name))
        .map((name) => {
          const [group = '', operation = ''] = name.split('.')
          const of = (
            deployer as unknown as Record<string, Record<string, (...given: unknown[]) => unknown>>
          )[group]
          const given = /AtManagement/.test(name) ? ['mg', 'd', above, above] : ['d', above, above]
          const call = () => {
            const answer = of?.[operation]?.(...(/operations\.get/i.test(name) ? ['mg', 'd', 'x'] : given))
            return Symbol.asyncIterator in (answer as object)
              ? all(answer as AsyncIterable<unknown>)
              : (answer as PromiseLike<unknown>)
          }
          return [
            name,
            refused(/^400 (undefined|null|$|.*management groups, to the tenant .* not supported)/, call),
          ]
        }),
    ),
  }
  await walk(t, deployer, steps)
})

test('every operation of @azure/arm-locks is answered', async (t) => {
  const { managementLocks: locks, authorizationOperations } = locker
  await resourceManager.resourceGroups.createOrUpdate('locked', { location })
  const level = { level: 'CanNotDelete' as const }
  const scope = `${subscription}/resourceGroups/locked`
  const resource = ['locked', 'Microsoft.Storage', '', 'storageAccounts', 'locked'] as const
  await server.call('PUT', `${scope}/providers/Microsoft.Storage/storageAccounts/locked`, { location })
  await walk(t, locker, {
    'authorizationOperations.list': () => all(authorizationOperations.list()),
    'managementLocks.createOrUpdateAtResourceGroupLevel': () =>
      locks.createOrUpdateAtResourceGroupLevel('locked', 'one', level),
    'managementLocks.getAtResourceGroupLevel': () => locks.getAtResourceGroupLevel('locked', 'one'),
    'managementLocks.listAtResourceGroupLevel': () => all(locks.listAtResourceGroupLevel('locked')),
    'managementLocks.deleteAtResourceGroupLevel': () => locks.deleteAtResourceGroupLevel('locked', 'one'),
    'managementLocks.createOrUpdateAtResourceLevel': () =>
      locks.createOrUpdateAtResourceLevel(...resource, 'one', level),
    'managementLocks.getAtResourceLevel': () => locks.getAtResourceLevel(...resource, 'one'),
    'managementLocks.listAtResourceLevel': () => all(locks.listAtResourceLevel(...resource)),
    'managementLocks.deleteAtResourceLevel': () => locks.deleteAtResourceLevel(...resource, 'one'),
    'managementLocks.createOrUpdateByScope': () => locks.createOrUpdateByScope(scope, 'two', level),
    'managementLocks.getByScope': () => locks.getByScope(scope, 'two'),
    'managementLocks.listByScope': () => all(locks.listByScope(scope)),
    'managementLocks.deleteByScope': () => locks.deleteByScope(scope, 'two'),
    'managementLocks.createOrUpdateAtSubscriptionLevel': () =>
      locks.createOrUpdateAtSubscriptionLevel('three', level),
    'managementLocks.getAtSubscriptionLevel': () => locks.getAtSubscriptionLevel('three'),
    'managementLocks.listAtSubscriptionLevel': () => all(locks.listAtSubscriptionLevel()),
    'managementLocks.deleteAtSubscriptionLevel': () => locks.deleteAtSubscriptionLevel('three'),
  })
})
