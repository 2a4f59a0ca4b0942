import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { DeploymentsClient } from '@azure/arm-resourcesdeployments'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { uniqueString } from '../src/templates/unique-string.ts'
import { startAzuriteQueues } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Templates as people write them for Azure: each is deployed, deployed again without changing anything, exported, and
 * goes with its group without leaving anything behind.
 */

const group = 'examples'
const groupId = `${subscription}/resourceGroups/${group}`
const account = (name: string) => `${groupId}/providers/Microsoft.Storage/storageAccounts/${name}`
const queues = await startAzuriteQueues({ after })
await queues.queue('devices').create()
const connection = { connectionString: queues.connectionString }

const server = await startTestServer(
  { after },
  {
    file: {
      connections: {
        [account(`letters${uniqueString([groupId])}`.slice(0, 24))]: connection,
        [account('routed')]: connection,
        [`${subscription}/resourceGroups/others/providers/Microsoft.Storage/storageAccounts/letters`]:
          connection,
      },
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])
const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const { deployments } = new DeploymentsClient(credential, defaultSubscriptionId, { endpoint: server.https })

/** @param replaced what stands in the text for what, where the example names an endpoint that nobody serves */
function example(
  name: string,
  parameters: Readonly<Record<string, unknown>>,
  replaced?: readonly [string, string],
) {
  const text = readFileSync(new URL(`../src/templates/examples/${name}.json`, import.meta.url), 'utf8')
  const template = JSON.parse(replaced ? text.replace(...replaced) : text) as Record<string, unknown>
  return {
    properties: {
      mode: 'Incremental' as const,
      template,
      parameters: Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, { value }])),
    },
  }
}

const idsOf = (list: readonly { readonly id: string }[]) => list.map(({ id }) => id)
const everything = async () => {
  const [resources, eventSubscriptions] = await Promise.all([
    server.call('GET', '/resources'),
    server.call('GET', '/providers/Microsoft.EventGrid/eventSubscriptions'),
  ])
  return [...idsOf(resources.body.value), ...idsOf(eventSubscriptions.body.value)]
}

async function inGroup(t: TestContext): Promise<RecordingWebhook> {
  const hook = await startRecordingWebhook(t)
  assert.equal((await server.call('PUT', `/resourceGroups/${group}`, { location: 'eastus' })).status, 201)
  return hook
}

/** Deploys it twice, exports it, and deletes the group. */
async function live(
  wanted: ReturnType<typeof example>,
  hook: RecordingWebhook | undefined,
  before: readonly string[],
) {
  const made = await deployments.beginCreateOrUpdateAndWait(group, 'main', wanted)
  assert.equal(made.properties?.provisioningState, 'Succeeded')
  const handshakes = hook?.handshakes.length
  assert.ok(handshakes !== 0)
  const { changes } = await deployments.beginWhatIfAndWait(group, 'main', wanted)
  assert.deepEqual(
    changes?.filter(({ changeType }) => changeType !== 'NoChange' && changeType !== 'Ignore'),
    [],
  )
  await deployments.beginCreateOrUpdateAndWait(group, 'main', wanted)
  assert.equal(hook?.handshakes.length, handshakes)
  assert.deepEqual((await deployments.exportTemplate(group, 'main')).template, wanted.properties.template)
  await remove(before)
  return made
}

async function remove(before: readonly string[]) {
  await server.call('DELETE', `/resourceGroups/${group}`)
  assert.deepEqual(await everything(), before)
  assert.equal((await server.call('GET', `/resourceGroups/${group}`)).status, 404)
}

test('a topic with a webhook and a dead-letter container', async (t) => {
  const before = await everything()
  const hook = await inGroup(t)
  const wanted = example('topic-with-webhook', { topicName: 'orders-example', endpoint: hook.url })
  const made = await live(wanted, hook, before)
  const outputs = made.properties?.outputs as Record<string, { type: string; value?: string }>
  assert.match(outputs.endpoint?.value ?? '', /\/topics\/eastus\/orders-example\//)
  assert.deepEqual(outputs.key, { type: 'SecureString' })
  assert.deepEqual(
    made.properties?.diagnostics?.map(({ level, message }) => [
      level,
      /type '(.+?)'/.exec(message ?? '')?.[1],
    ]),
    [
      ['Warning', 'Microsoft.Storage/storageAccounts'],
      ['Warning', 'Microsoft.Storage/storageAccounts/blobServices/containers'],
    ],
  )
})

test('a domain with topics for tenants', async (t) => {
  const before = await everything()
  const hook = await inGroup(t)
  await live(example('domain', { domainName: 'crm', endpoint: `${hook.url}/` }), hook, before)
})

test('a system topic on a storage account', async (t) => {
  const before = await everything()
  const hook = await inGroup(t)
  const wanted = example('system-topic-on-storage', { storageName: 'uploadsaccount', endpoint: hook.url })
  await live(wanted, hook, before)
})

test('nested and looped topics, with a lock that keeps them', async (t) => {
  const before = await everything()
  const hook = await inGroup(t)
  const expression = `[concat(reference(names.topic('orders', copyIndex('hooks', 1))).endpoint, '?x')]`
  const url = `[concat('${hook.url}?', uriComponent(reference(names.topic('orders', copyIndex('hooks', 1))).endpoint))]`
  const nested = (parameters: Readonly<Record<string, unknown>>) =>
    example('nested-and-looped', parameters, [expression, url])
  await deployments.beginCreateOrUpdateAndWait(group, 'main', nested({ withLock: true }))
  assert.equal((await server.call('DELETE', `/resourceGroups/${group}`)).status, 409)
  assert.equal(
    (await server.call('DELETE', `${groupId}/providers/Microsoft.Authorization/locks/keep`)).status,
    200,
  )
  await live(nested({}), hook, before)
})

test('symbolic names, types of its own, and an account that is there already', async (t) => {
  const before = await everything()
  const hook = await inGroup(t)
  await server.call('PUT', account('letters'), {
    location: 'eastus',
    sku: { name: 'Standard_LRS' },
    properties: {},
  })
  const made = await live(
    example('symbolic-names', {
      hooks: [
        { name: 'one', url: hook.url },
        { name: 'two', url: `${hook.url}?two`, batch: 5 },
      ],
    }),
    hook,
    before,
  )
  const outputs = made.properties?.outputs as Record<string, { value?: unknown }>
  assert.deepEqual(outputs.states?.value, ['Succeeded', 'Succeeded'])
})

test('an IoT hub with a system topic', async (t) => {
  const before = await everything()
  await inGroup(t)
  const made = await live(example('system-topic-on-hub', { hubName: 'plant' }), undefined, before)
  const outputs = made.properties?.outputs as Record<string, { value?: string }>
  assert.equal(outputs.hostName?.value, 'plant.azure-devices.net')
})

test('an IoT hub with routes', async (t) => {
  const before = await everything()
  await inGroup(t)
  await live(example('hub-with-routes', { hubName: 'plant' }), undefined, before)
})

test('a namespace whose sensors publish through topic spaces, with routing', async (t) => {
  const before = await everything()
  await inGroup(t)
  await live(example('namespace', { namespaceName: 'plant' }), undefined, before)
})
