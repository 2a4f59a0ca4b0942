import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeRuntime, planOf, shortIds, testGroup, testSubscription } from '../testing/templates.ts'
import { memberOf, type ObjectValue, type Value } from './language/value.ts'
import { groupScope, type Scope, subscriptionScope } from './surroundings.ts'
import { readTemplateText } from './template-text.ts'

const group = groupScope(testSubscription, testGroup)

interface Expectation {
  readonly parameters: ObjectValue
  readonly scope?: Scope
  /** In order: a resource, and what it waits for; ids without their group. */
  readonly plan: readonly (readonly [id: string, ...dependsOn: string[]])[]
  readonly outputs: ObjectValue
}

const storage = 'Microsoft.Storage/storageAccounts'
const grid = 'Microsoft.EventGrid'

/** What each example becomes. The unique names are those of the group that the test deploys to. */
const expectations: Readonly<Record<string, Expectation>> = {
  'topic-with-webhook': {
    parameters: { topicName: 'orders', endpoint: 'https://hooks.example/?code=secret' },
    plan: [
      [`${storage}/lettersjzg5y4k6tgaie`],
      [
        `${storage}/lettersjzg5y4k6tgaie/blobServices/default/containers/dead-letters`,
        `${storage}/lettersjzg5y4k6tgaie`,
      ],
      [`${grid}/topics/orders`],
      [
        `${grid}/topics/orders/providers/${grid}/eventSubscriptions/sub-webhook`,
        `${grid}/topics/orders`,
        `${storage}/lettersjzg5y4k6tgaie/blobServices/default/containers/dead-letters`,
      ],
    ],
    outputs: {
      endpoint: { type: 'String', value: 'https://orders.example' },
      key: { type: 'SecureString' },
    },
  },
  domain: {
    parameters: { domainName: 'crm', endpoint: 'https://hooks.example/' },
    plan: [
      [`${grid}/domains/crm`],
      [`${grid}/domains/crm/topics/everything`, `${grid}/domains/crm`],
      [`${grid}/domains/crm/topics/contoso`, `${grid}/domains/crm`],
      [`${grid}/domains/crm/topics/fabrikam`, `${grid}/domains/crm`],
      [
        `${grid}/domains/crm/topics/contoso/providers/${grid}/eventSubscriptions/hook`,
        `${grid}/domains/crm/topics/contoso`,
        `${grid}/domains/crm/topics/fabrikam`,
      ],
      [
        `${grid}/domains/crm/topics/fabrikam/providers/${grid}/eventSubscriptions/hook`,
        `${grid}/domains/crm/topics/contoso`,
        `${grid}/domains/crm/topics/fabrikam`,
        `${grid}/domains/crm/topics/contoso/providers/${grid}/eventSubscriptions/hook`,
      ],
    ],
    outputs: {
      topics: {
        type: 'Array',
        value: ['contoso', 'fabrikam'].map(
          (name) => `${group.id}/providers/${grid}/domains/crm/topics/${name}`,
        ),
      },
    },
  },
  'system-topic-on-storage': {
    parameters: { storageName: 'uploadsaccount', endpoint: 'https://hooks.example/' },
    plan: [
      [`${storage}/uploadsaccount`],
      [`${grid}/systemTopics/uploads`, `${storage}/uploadsaccount`],
      [`${grid}/systemTopics/uploads/eventSubscriptions/created`, `${grid}/systemTopics/uploads`],
    ],
    outputs: {},
  },
  'system-topic-on-hub': {
    parameters: { hubName: 'plant' },
    plan: [
      ['Microsoft.Devices/IotHubs/plant'],
      // Only the reference in its source says so.
      [`${grid}/systemTopics/hub-events`, 'Microsoft.Devices/IotHubs/plant'],
      [`${grid}/systemTopics/hub-events/eventSubscriptions/lifecycle`, `${grid}/systemTopics/hub-events`],
    ],
    outputs: { hostName: { type: 'String', value: 'plant.devices.example' } },
  },
  'subscription-events': {
    parameters: { endpoint: 'https://hooks.example/?code=secret' },
    scope: subscriptionScope(testSubscription),
    plan: [
      [`/subscriptions/${testSubscription}/resourceGroups/events`],
      [
        `/subscriptions/${testSubscription}/resourceGroups/events/providers/Microsoft.Resources/deployments/systemTopic`,
        `/subscriptions/${testSubscription}/resourceGroups/events`,
      ],
      // Of one source there is one system topic: whatever stands on the source beside it comes after it.
      [
        `/subscriptions/${testSubscription}/providers/${grid}/eventSubscriptions/direct`,
        `/subscriptions/${testSubscription}/resourceGroups/events/providers/Microsoft.Resources/deployments/systemTopic`,
      ],
    ],
    outputs: { topicId: { type: 'String', value: 'topicId of systemTopic' } },
  },
  namespace: {
    parameters: { namespaceName: 'plant' },
    plan: [
      [`${grid}/topics/plant-routing`],
      [`${grid}/namespaces/plant`, `${grid}/topics/plant-routing`],
      [`${grid}/namespaces/plant/topicSpaces/telemetry`, `${grid}/namespaces/plant`],
      [`${grid}/namespaces/plant/clientGroups/sensors`, `${grid}/namespaces/plant`],
      ...['Publisher', 'Subscriber'].map(
        (name) =>
          [
            `${grid}/namespaces/plant/permissionBindings/${name}`,
            `${grid}/namespaces/plant/topicSpaces/telemetry`,
            `${grid}/namespaces/plant/clientGroups/sensors`,
            `${grid}/namespaces/plant`,
          ] as const,
      ),
    ],
    outputs: {},
  },
  'hub-with-routes': {
    parameters: { hubName: 'plant' },
    plan: [[`${storage}/routed`], ['Microsoft.Devices/IotHubs/plant', `${storage}/routed`]],
    outputs: { connection: { type: 'String', value: 'HostName=plant.devices.example' } },
  },
  'nested-and-looped': {
    parameters: {},
    plan: [
      [`${grid}/topics/orders-01`],
      [`${grid}/topics/orders-02`],
      [`${grid}/topics/orders-03`, `${grid}/topics/orders-01`, `${grid}/topics/orders-02`],
      ['Microsoft.Resources/deployments/hooks-0', `${grid}/topics/orders-01`],
      ['Microsoft.Resources/deployments/hooks-1', `${grid}/topics/orders-02`],
      [
        `${grid}/topics/last`,
        `${grid}/topics/orders-01`,
        `${grid}/topics/orders-02`,
        `${grid}/topics/orders-03`,
        'Microsoft.Resources/deployments/hooks-0',
        'Microsoft.Resources/deployments/hooks-1',
      ],
    ],
    outputs: {},
  },
  'symbolic-names': {
    parameters: {
      hooks: [
        { name: 'one', url: 'https://one.example' },
        { name: 'two', url: 'https://two.example', batch: 5 },
      ],
    },
    plan: [
      [`${grid}/topics/orders`],
      [`${grid}/topics/orders/eventSubscriptions/one`, `${grid}/topics/orders`],
      [
        `${grid}/topics/orders/eventSubscriptions/two`,
        `${grid}/topics/orders`,
        `${grid}/topics/orders/eventSubscriptions/one`,
      ],
      [`${grid}/topics/last`, `${grid}/topics/orders/eventSubscriptions/one`],
    ],
    outputs: {
      names: { type: 'Array', value: ['ONE', 'TWO'] },
      states: { type: 'Array', value: ['Succeeded', 'Succeeded'] },
      all: { type: 'Int', value: 2 },
    },
  },
}

const folder = join(import.meta.dirname, 'examples')
const files = readdirSync(folder).map((file) => file.replace('.json', ''))

function planned(name: string) {
  const { parameters, scope } = expectations[name] as Expectation
  const template = readTemplateText(readFileSync(join(folder, `${name}.json`), 'utf8'))
  return planOf(template, parameters, { scope: scope ?? group })
}

test('every example has an expectation', () => {
  assert.deepEqual(files.toSorted(), Object.keys(expectations).toSorted())
})

for (const [name, expected] of Object.entries(expectations)) {
  test(`the example ${name} becomes the resources it is about, in order, with what each waits for`, () => {
    assert.deepEqual(shortIds(planned(name)), expected.plan)
  })

  test(`the example ${name} has bodies without expressions and the expected outputs once it is deployed`, async () => {
    const plan = planned(name)
    for (const resource of plan.resources) {
      const body = await plan.evaluate(resource, fakeRuntime)
      const { template: _, ...properties } = (memberOf(body, 'properties') ?? {}) as ObjectValue
      assert.doesNotMatch(JSON.stringify({ ...body, properties }), /"\[(?!\])[a-z]/i)
      const nested = await resource.nested?.open(fakeRuntime)
      for (const inner of nested?.resources ?? [])
        assert.doesNotMatch(JSON.stringify(await nested?.evaluate(inner, fakeRuntime)), /"\[[a-z]/i)
    }
    assert.deepEqual(await plan.outputs(fakeRuntime), expected.outputs)
  })
}

const bodyOf = async (name: string, end: string): Promise<Value> => {
  const plan = planned(name)
  const resource = plan.resources.find(({ id }) => id.endsWith(end))
  assert.ok(resource, end)
  return plan.evaluate(resource, fakeRuntime)
}

test('a property loop makes an array, and a list function is asked when its resource is there', async () => {
  const { properties } = (await bodyOf('hub-with-routes', '/plant')) as {
    properties: { routing: ObjectValue }
  }
  assert.deepEqual(properties.routing.routes, [
    {
      name: 'alarms',
      source: 'DeviceMessages',
      condition: 'level > 3',
      endpointNames: ['lake'],
      isEnabled: true,
    },
    { name: 'all', source: 'DeviceMessages', condition: 'true', endpointNames: ['lake'], isEnabled: true },
  ])
  assert.match(JSON.stringify(properties.routing.endpoints), /AccountKey=the key of routed/)
})

test('the variables of a loop are an array', async () => {
  assert.deepEqual(memberOf((await bodyOf('namespace', '/telemetry')) as ObjectValue, 'properties'), {
    topicTemplates: ['devices/1/+', 'devices/2/+'],
  })
})

test('a template in the inner scope has names of its own, and a secret stays one under another name', () => {
  const nested = planned('subscription-events').resources[1]?.nested
  assert.equal(nested?.scope.id, `/subscriptions/${testSubscription}/resourceGroups/events`)
  assert.deepEqual(shortIds(nested?.preview as never), [
    [`/subscriptions/${testSubscription}/resourceGroups/events/providers/${grid}/systemTopics/changes`],
    [
      `/subscriptions/${testSubscription}/resourceGroups/events/providers/${grid}/systemTopics/changes/eventSubscriptions/writes`,
      `/subscriptions/${testSubscription}/resourceGroups/events/providers/${grid}/systemTopics/changes`,
    ],
  ])
  assert.deepEqual(nested?.preview?.parameters, {
    source: { type: 'String', value: `/subscriptions/${testSubscription}` },
    endpoint: { type: 'SecureString' },
  })
  assert.doesNotMatch(JSON.stringify(nested?.preview), /code=secret/)
})

test('secrets are in no plan, only in the bodies that are deployed', async () => {
  const plan = planned('topic-with-webhook')
  assert.deepEqual(plan.parameters.endpoint, { type: 'SecureString' })
  assert.doesNotMatch(JSON.stringify([plan.resources, plan.parameters]), /code=secret/)
  const body = await bodyOf('topic-with-webhook', '/sub-webhook')
  assert.match(JSON.stringify(body), /code=secret/)
})
