import assert from 'node:assert/strict'
import { subscription } from '../../../src/testing/control-plane.ts'
import type { Rule, Section } from '../rule.ts'
import { eventsOf, type World } from '../world.ts'

const group = `${subscription}/resourceGroups/rg`
const provider = `${group}/providers/Microsoft.EventGrid`
let sources = 0
const newVault = () => `${group}/providers/Microsoft.KeyVault/vaults/vault-${++sources}`
const topicType = 'Microsoft.KeyVault.vaults'

const secret = (id: string, eventType = 'Microsoft.KeyVault.SecretNearExpiry') => ({
  id,
  eventType,
  subject: 'my-secret',
  eventTime: '2026-01-02T03:04:05Z',
  dataVersion: '1',
  data: {
    Id: 'x',
    VaultName: 'v',
    ObjectType: 'Secret',
    ObjectName: 'my-secret',
    Version: '1',
    NBF: 1,
    EXP: 2,
  },
})

async function systemTopic(world: World, source: string, type = topicType): Promise<string> {
  const id = `${provider}/systemTopics/vaults-${++sources}`
  await world.put(id, { location: 'westus2', properties: { source, topicType: type } })
  return id
}

/** Event subscriptions at a scope that Busbar itself knows nothing of but its id. */
const atScope = (rule: string, scope: () => string, type: string, eventType: string): Rule => ({
  rule,
  async check(t, world) {
    const source = scope()
    const hook = await world.subscribe(t, source, { filter: { includedEventTypes: [eventType] } })
    await world.server.raise(source, type, [{ ...secret('1', eventType), topic: source }])
    await world.server.settle()
    assert.deepEqual(
      eventsOf(hook).map(({ id }) => id),
      ['1'],
    )
  },
})

export const systemTopics: Section = {
  title: 'System topics',
  source: 'learn.microsoft.com/azure/event-grid/system-topics',
  rules: [
    {
      rule: 'The events of a source reach the event subscriptions of its system topic',
      async check(t, world) {
        const vault = newVault()
        const hook = await world.subscribe(t, await systemTopic(world, vault))
        await world.server.raise(vault, topicType, [secret('1')])
        await world.server.raise(newVault(), topicType, [secret('2')])
        await world.server.settle()
        assert.deepEqual(
          eventsOf(hook).map(({ id }) => id),
          ['1'],
        )
      },
    },
    {
      rule: 'They are delivered as CloudEvents where the event subscription says so',
      async check(t, world) {
        const vault = newVault()
        const hook = await world.subscribe(t, await systemTopic(world, vault), {
          eventDeliverySchema: 'CloudEventSchemaV1_0',
        })
        await world.server.raise(vault, topicType, [secret('1')])
        await world.server.settle()
        assert.partialDeepStrictEqual(eventsOf(hook)[0], {
          specversion: '1.0',
          type: 'Microsoft.KeyVault.SecretNearExpiry',
          subject: 'my-secret',
        })
      },
    },
    atScope(
      'Event subscriptions stand on any Azure resource, by its ARM id',
      newVault,
      topicType,
      'Microsoft.KeyVault.SecretNearExpiry',
    ),
    atScope(
      'Event subscriptions stand on an Azure subscription',
      () => subscription,
      'Microsoft.Resources.Subscriptions',
      'Microsoft.Resources.ResourceActionCancel',
    ),
    atScope(
      'Event subscriptions stand on a resource group',
      () => group,
      'Microsoft.Resources.ResourceGroups',
      'Microsoft.Resources.ResourceDeleteSuccess',
    ),
    {
      rule: 'There is one system topic for a source',
      async check(_t, world) {
        const vault = newVault()
        await systemTopic(world, vault)
        const second = await world.server.call('PUT', `${provider}/systemTopics/second-${++sources}`, {
          location: 'westus2',
          properties: { source: vault, topicType },
        })
        assert.equal(second.status, 409, JSON.stringify(second.body))
      },
    },
    {
      rule: '`source` and `topicType` of a system topic cannot be changed',
      async check(_t, world) {
        const id = await systemTopic(world, newVault())
        const answer = await world.server.call('PUT', id, {
          location: 'westus2',
          properties: { source: newVault(), topicType },
        })
        assert.equal(answer.status, 400, JSON.stringify(answer.body))
      },
    },
    {
      rule: 'The first event subscription on a source makes its system topic, the last one takes it away',
      async check(t, world) {
        const vault = newVault()
        await world.subscribe(t, vault)
        const extension = `${vault}/providers/Microsoft.EventGrid/extensionTopics/default`
        const made = await world.server.call('GET', extension)
        assert.equal(made.status, 200, JSON.stringify(made.body))
        assert.match(String(made.body.properties.systemTopic), /\/systemTopics\/vault-\d+-[0-9a-f-]{36}$/)
        const { body } = await world.server.call(
          'GET',
          `${vault}/providers/Microsoft.EventGrid/eventSubscriptions`,
        )
        for (const { id } of body.value) await world.server.call('DELETE', id)
        assert.equal((await world.server.call('GET', extension)).status, 404)
      },
    },
    {
      rule: 'Nobody publishes to a system topic: it has no endpoint and no keys',
      async check(_t, world) {
        const id = await systemTopic(world, newVault())
        const { body } = await world.server.call('GET', id)
        assert.equal(body.properties.endpoint, undefined)
        assert.equal((await world.server.call('POST', `${id}/listKeys`)).status, 404)
      },
    },
  ],
}
