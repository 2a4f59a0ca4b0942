import assert from 'node:assert/strict'
import { knownAccount } from '../../../src/testing/control-plane.ts'
import type { Rule, Section } from '../rule.ts'
import type { World } from '../world.ts'

const webhook = (properties: object = {}) => ({
  endpointType: 'WebHook',
  properties: { endpointUrl: 'https://example.org/hook?code=s', ...properties },
})
let made = 0

/** Where an event subscription of a topic of its own may be put. */
async function place(world: World): Promise<string> {
  const { id } = await world.topic()
  return `${id}/providers/Microsoft.EventGrid/eventSubscriptions/rule-${++made}`
}

/** None of these bodies makes an event subscription. */
const refused = (
  rule: string,
  bodies: readonly Readonly<Record<string, unknown>>[],
  target: RegExp,
): Rule => ({
  rule,
  async check(_t, world) {
    const id = await place(world)
    for (const properties of bodies) {
      const answer = await world.server.call('PUT', id, {
        properties: { destination: webhook(), ...properties },
      })
      const shown = JSON.stringify([properties, answer.body])
      assert.deepEqual([answer.status, answer.body?.error?.code], [400, 'InvalidRequest'], shown)
      assert.match(answer.body.error.message, target, shown)
      assert.equal((await world.server.call('GET', id)).status, 404, shown)
    }
  },
})

/** What is read of an event subscription that was made with these properties, and of one to which they are patched. */
const kept = (
  rule: string,
  given: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
): Rule => ({
  rule,
  async check(t, world) {
    const topic = await world.topic()
    await world.subscribe(t, topic, given)
    const { body } = await world.server.call('GET', `${topic.id}/eventSubscriptions`)
    const [{ properties }] = body.value
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(properties[name], value, name)
  },
})

const letters = {
  endpointType: 'StorageBlob',
  properties: { resourceId: knownAccount, blobContainerName: 'letters' },
}
const system = { type: 'SystemAssigned' }

export const eventSubscriptions: Section = {
  title: 'Event subscriptions',
  source:
    'learn.microsoft.com/azure/event-grid/subscription-creation-schema, delivery-and-retry, delivery-properties',
  rules: [
    kept(
      '`retryPolicy` is 30 attempts and 1440 minutes unless it says otherwise',
      {},
      { retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 } },
    ),
    kept(
      'A part of `retryPolicy` that is given leaves the other at its default',
      { retryPolicy: { maxDeliveryAttempts: 1 } },
      { retryPolicy: { maxDeliveryAttempts: 1, eventTimeToLiveInMinutes: 1440 } },
    ),
    refused(
      '`maxDeliveryAttempts` is 1 to 30',
      [0, 31, 1.5, '3'].map((maxDeliveryAttempts) => ({ retryPolicy: { maxDeliveryAttempts } })),
      /maxDeliveryAttempts.* from 1 to 30/,
    ),
    refused(
      '`eventTimeToLiveInMinutes` is 1 to 1440',
      [0, 1441].map((eventTimeToLiveInMinutes) => ({ retryPolicy: { eventTimeToLiveInMinutes } })),
      /eventTimeToLiveInMinutes.* from 1 to 1440/,
    ),
    refused(
      '`expirationTimeUtc` is a date, and lies in the future',
      ['tomorrow', '2020-01-01T00:00:00Z', '2030-13-01T00:00:00Z', 1].map((expirationTimeUtc) => ({
        expirationTimeUtc,
      })),
      /expirationTimeUtc/,
    ),
    refused(
      'Exactly one of `destination` and `deliveryWithResourceIdentity` is given',
      [
        { destination: undefined },
        { deliveryWithResourceIdentity: { identity: system, destination: webhook() } },
      ],
      /destination/,
    ),
    refused(
      'At most one of `deadLetterDestination` and `deadLetterWithResourceIdentity` is given',
      [
        {
          deadLetterDestination: letters,
          deadLetterWithResourceIdentity: { identity: system, deadLetterDestination: letters },
        },
      ],
      /Only one of/,
    ),
    refused(
      'Dead-letter destinations are blob containers',
      [{ deadLetterDestination: { ...letters, endpointType: 'StorageQueue' } }],
      /StorageBlob/,
    ),
    refused(
      '`maxEventsPerBatch` is 1 to 5000',
      [0, 5001].map((maxEventsPerBatch) => ({ destination: webhook({ maxEventsPerBatch }) })),
      /maxEventsPerBatch.* from 1 to 5000/,
    ),
    refused(
      '`preferredBatchSizeInKilobytes` is 1 to 1024',
      [0, 1025].map((preferredBatchSizeInKilobytes) => ({
        destination: webhook({ preferredBatchSizeInKilobytes }),
      })),
      /preferredBatchSizeInKilobytes.* from 1 to 1024/,
    ),
    refused(
      'There are at most 10 delivery attributes, each of at most 4096 bytes and with no name that begins with `aeg-`',
      [
        Array.from({ length: 11 }, (_, n) => ({
          name: `x-${n}`,
          type: 'Static',
          properties: { value: 'v' },
        })),
        [{ name: 'x', type: 'Static', properties: { value: 'v'.repeat(4097) } }],
        [{ name: 'AEG-x', type: 'Static', properties: { value: 'v' } }],
      ].map((deliveryAttributeMappings) => ({ destination: webhook({ deliveryAttributeMappings }) })),
      /deliveryAttributeMappings/,
    ),
    refused(
      'Webhooks are HTTP endpoints, and have neither user name nor password in their URL',
      ['', 'ftp://example.org/', 'example.org', 'https://user:password@example.org/'].map((endpointUrl) => ({
        destination: webhook({ endpointUrl }),
      })),
      /Supplied URL is invalid|without user name and password/,
    ),
    kept('`labels` are kept', { labels: ['a', 'b'] }, { labels: ['a', 'b'] }),
    {
      rule: 'PATCH replaces each member that it gives as a whole, and leaves the others as they are',
      async check(t, world) {
        const topic = await world.topic()
        const filter = { subjectBeginsWith: '/a', includedEventTypes: ['A'] }
        await world.subscribe(t, topic, { filter, labels: ['a'], retryPolicy: { maxDeliveryAttempts: 3 } })
        const { body } = await world.server.call('GET', `${topic.id}/eventSubscriptions`)
        const [{ id }] = body.value
        const patched = await world.server.call('PATCH', id, { filter: { subjectEndsWith: '.z' } })
        assert.equal(patched.status, 201, JSON.stringify(patched.body))
        const { properties } = patched.body
        assert.deepEqual([properties.filter.subjectBeginsWith, properties.filter.subjectEndsWith], ['', '.z'])
        assert.equal(properties.filter.includedEventTypes, null)
        assert.deepEqual([properties.labels, properties.retryPolicy.maxDeliveryAttempts], [['a'], 3])
      },
    },
    {
      rule: '`topic` and `provisioningState` are the service’s to say: what a client sends of them is ignored',
      async check(_t, world) {
        const topic = await world.topic()
        const { body } = await world.server.call('GET', topic.id)
        const properties = { ...body.properties, provisioningState: 'Failed', endpoint: 'https://elsewhere/' }
        const again = await world.server.call('PUT', topic.id, { ...body, properties, id: '/x', name: 'x' })
        assert.deepEqual(again.body.properties, body.properties)
        assert.deepEqual([again.body.id, again.body.name], [body.id, body.name])
      },
    },
  ],
}
