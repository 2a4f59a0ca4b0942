import assert from 'node:assert/strict'
import { startRecordingWebhook } from '../../../src/testing/recording-webhook.ts'
import type { TestTopic } from '../../../src/testing/test-server.ts'
import type { Rule, Section } from '../rule.ts'
import { assertRefused, batched, cloudEvent, eventsOf, gridEvent, type World } from '../world.ts'

const topicOf = (domain: TestTopic, name: string) => `${domain.id}/topics/${name}`

const stateOf = async (world: World, id: string) => (await world.server.call('GET', id)).status

/** One event subscription at the scope, made and deleted; whether the domain topic is there before and after. */
async function comeAndGo(t: Parameters<typeof startRecordingWebhook>[0], world: World, domain: TestTopic) {
  const topic = topicOf(domain, 'tenant-a')
  const hook = await startRecordingWebhook(t)
  const id = `${topic}/providers/Microsoft.EventGrid/eventSubscriptions/only`
  const body = {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
  }
  const made = await world.server.call('PUT', id, body)
  const during = await stateOf(world, topic)
  await world.server.call('DELETE', id)
  return { made: made.status, during, after: await stateOf(world, topic) }
}

const cleared = (rule: string, topic: unknown, status: number, code: string): Rule => ({
  rule,
  async check(_t, world) {
    const domain = await world.domain()
    const answer = await world.send(domain, [gridEvent({ topic })])
    assert.deepEqual([answer.status, answer.code], [status, code], answer.text)
  },
})

export const domains: Section = {
  title: 'Domains',
  source: 'learn.microsoft.com/azure/event-grid/event-domains',
  rules: [
    {
      rule: 'One request may hold events for many topics of the domain; each reaches the event subscriptions of its own topic, and no other',
      async check(t, world) {
        const domain = await world.domain()
        const [a, b] = [
          await world.subscribe(t, topicOf(domain, 'tenant-a')),
          await world.subscribe(t, topicOf(domain, 'tenant-b')),
        ]
        const answer = await world.send(domain, [
          gridEvent({ id: '1', topic: 'tenant-a' }),
          gridEvent({ id: '2', topic: 'tenant-b' }),
          gridEvent({ id: '3', topic: 'tenant-c' }),
          gridEvent({ id: '4', topic: 'tenant-a' }),
        ])
        assert.equal(answer.status, 200, answer.text)
        await world.server.settle()
        assert.deepEqual(
          eventsOf(a)
            .map(({ id }) => id)
            .toSorted(),
          ['1', '4'],
        )
        assert.deepEqual(
          eventsOf(b).map(({ id }) => id),
          ['2'],
        )
      },
    },
    {
      rule: 'An event subscription on the domain gets the events of every topic',
      async check(t, world) {
        const domain = await world.domain()
        const hook = await world.subscribe(t, domain)
        await world.send(domain, [
          gridEvent({ id: '1', topic: 'tenant-a' }),
          gridEvent({ id: '2', topic: 'tenant-b' }),
        ])
        await world.server.settle()
        assert.deepEqual(
          eventsOf(hook)
            .map(({ id }) => id)
            .toSorted(),
          ['1', '2'],
        )
      },
    },
    {
      rule: 'The delivered `topic` is the ARM id of the domain topic',
      async check(t, world) {
        const domain = await world.domain()
        const hook = await world.subscribe(t, domain)
        await world.send(domain, [gridEvent({ topic: 'tenant-a' })])
        await world.server.settle()
        assert.equal(eventsOf(hook)[0]?.['topic'], topicOf(domain, 'tenant-a'))
      },
    },
    {
      rule: '`topic` may be the whole ARM id of a topic of this domain',
      async check(t, world) {
        const domain = await world.domain()
        const hook = await world.subscribe(t, topicOf(domain, 'tenant-a'))
        const answer = await world.send(domain, [gridEvent({ topic: topicOf(domain, 'tenant-a') })])
        assert.equal(answer.status, 200, answer.text)
        await world.server.settle()
        assert.equal(eventsOf(hook).length, 1)
      },
    },
    cleared('An event without `topic` is refused with 400', undefined, 400, 'BadRequest'),
    cleared('An event with an empty `topic` is refused with 400', '', 400, 'BadRequest'),
    cleared(
      'An event for a topic of another domain is refused with 401',
      '/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/domains/other/topics/tenant-a',
      401,
      'Unauthorized',
    ),
    {
      rule: 'A CloudEvent names its topic in `source`, which is delivered as it was published',
      async check(t, world) {
        const domain = await world.domain({ inputSchema: 'CloudEventSchemaV1_0' })
        const [own, all] = [
          await world.subscribe(t, topicOf(domain, 'tenant-a')),
          await world.subscribe(t, domain),
        ]
        await world.send(
          domain,
          [cloudEvent({ source: 'tenant-a' }), cloudEvent({ id: '2', source: '/another/place' })],
          { contentType: batched },
        )
        await world.server.settle()
        assert.deepEqual(eventsOf(own), [cloudEvent({ source: 'tenant-a' })])
        assert.equal(eventsOf(all).length, 2)
      },
    },
    {
      rule: 'A custom event names its topic in the field that is mapped to `topic`',
      async check(t, world) {
        const domain = await world.domain({
          inputSchema: 'CustomEventSchema',
          inputSchemaMapping: {
            inputSchemaMappingType: 'Json',
            properties: {
              topic: { sourceField: 'tenant' },
              eventType: { defaultValue: 'E' },
              subject: { defaultValue: 's' },
            },
          },
        })
        const hook = await world.subscribe(t, topicOf(domain, 'tenant-a'), {
          eventDeliverySchema: 'CustomInputSchema',
        })
        await world.send(domain, [{ tenant: 'tenant-a' }, { tenant: 'tenant-b' }])
        await world.server.settle()
        assert.deepEqual(eventsOf(hook), [{ tenant: 'tenant-a' }])
        assertRefused(await world.send(domain, [{ other: 1 }]), 400, 'BadRequest', 'InputJsonInvalid')
      },
    },
    {
      rule: 'The first event subscription makes the domain topic, the last one takes it away',
      async check(t, world) {
        assert.deepEqual(await comeAndGo(t, world, await world.domain()), {
          made: 201,
          during: 200,
          after: 404,
        })
      },
    },
    {
      rule: 'With `autoDeleteTopicWithLastSubscription: false` the domain topic stays',
      async check(t, world) {
        const domain = await world.domain({ autoDeleteTopicWithLastSubscription: false })
        assert.deepEqual(await comeAndGo(t, world, domain), { made: 201, during: 200, after: 200 })
      },
    },
    {
      rule: 'With `autoCreateTopicWithFirstSubscription: false` the domain topic must be there first',
      async check(t, world) {
        const domain = await world.domain({ autoCreateTopicWithFirstSubscription: false })
        const { made, during } = await comeAndGo(t, world, domain)
        assert.ok(made === 404 || made === 400, String(made))
        assert.equal(during, 404)
        await world.put(topicOf(domain, 'tenant-a'), undefined)
        assert.equal((await comeAndGo(t, world, domain)).made, 201)
      },
    },
    {
      rule: 'Deleting a domain deletes its topics and every event subscription',
      async check(t, world) {
        const domain = await world.domain()
        await world.subscribe(t, topicOf(domain, 'tenant-a'))
        await world.server.call('DELETE', domain.id)
        assert.equal(await stateOf(world, topicOf(domain, 'tenant-a')), 404)
        assert.equal(await stateOf(world, domain.id), 404)
      },
    },
    {
      rule: 'Both keys of a domain open its endpoint; a key of another resource does not',
      async check(_t, world) {
        const domain = await world.domain()
        const other = await world.topic()
        const event = gridEvent({ topic: 'tenant-a' })
        const ask = (key: string) =>
          world.send(domain, [event], { anonymous: true, headers: { 'aeg-sas-key': key } })
        assert.equal((await ask(domain.key1)).status, 200)
        assert.equal((await ask(domain.key2)).status, 200)
        assertRefused(await ask(other.key1), 401, 'Unauthorized', 'Unauthorized')
      },
    },
  ],
}
