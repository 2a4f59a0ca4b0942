import assert from 'node:assert/strict'
import { subscription } from '../../../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../../../src/testing/recording-webhook.ts'
import { proved, type Rule, type Section } from '../rule.ts'
import type { World } from '../world.ts'

const provider = `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid`
const scopes = 'src/arm/scopes.test.ts'

type Place = (world: World) => Promise<string>
const inGroup =
  (type: string): Place =>
  () =>
    Promise.resolve(`${provider}/${type}`)
const body = (properties: object = {}) => ({ location: 'westus2', properties })
const source = (name: string) => ({
  source: `${subscription}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/${name}`,
  topicType: 'Microsoft.KeyVault.vaults',
})

/** The shortest and the longest name are taken; one character less, one more, and other characters are not. */
const named = (
  rule: string,
  shortest: number,
  longest: number,
  place: Place,
  bodyOf: (name: string, hookUrl: string) => object,
): Rule => ({
  rule,
  async check(t, world) {
    const path = await place(world)
    const { url } = await startRecordingWebhook(t)
    const put = (name: string) => world.server.call('PUT', `${path}/${name}`, bodyOf(name, url))
    for (const name of ['n'.repeat(shortest), 'N-9'.padEnd(longest, 'n')])
      assert.equal((await put(name)).status, 201, name)
    for (const name of ['n'.repeat(shortest - 1), 'n'.repeat(longest + 1), 'a_b', 'a.b', 'äöü']) {
      const { status, body: answer } = await put(encodeURIComponent(name))
      assert.deepEqual([status, answer.error.code], [400, 'InvalidRequest'], name)
    }
  },
})

const toWebhook = (endpointUrl: string) => ({
  properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl } } },
})

export const limits: Section = {
  title: 'Names and limits',
  source: 'learn.microsoft.com/azure/event-grid/quotas-limits, troubleshoot-errors',
  rules: [
    named('Topics: 3 to 50 letters, digits and hyphens', 3, 50, inGroup('topics'), () => body()),
    named('Domains: 3 to 50 letters, digits and hyphens', 3, 50, inGroup('domains'), () =>
      // What a topic is called, no domain of its location can be.
      ({ ...body(), location: 'eastus' }),
    ),
    named('System topics: 3 to 128 letters, digits and hyphens', 3, 128, inGroup('systemTopics'), (name) =>
      body(source(name)),
    ),
    named(
      'Domain topics: 3 to 128 letters, digits and hyphens',
      3,
      128,
      async (world) => `${(await world.domain()).id}/topics`,
      () => ({}),
    ),
    named(
      'Event subscriptions: 3 to 64 letters, digits and hyphens',
      3,
      64,
      async (world) => `${(await world.topic()).id}/providers/Microsoft.EventGrid/eventSubscriptions`,
      (_name, url) => toWebhook(url),
    ),
    {
      rule: 'Names of topics and domains do not begin with `Microsoft`, `EventGrid` or `System`',
      async check(_t, world) {
        const domain = await world.domain()
        for (const path of [`${provider}/topics`, `${provider}/domains`, `${domain.id}/topics`])
          for (const name of ['Microsoft-1', 'eventgridtopic', 'SYSTEM']) {
            const { status, body: answer } = await world.server.call('PUT', `${path}/${name}`, body())
            assert.deepEqual([status, answer.error.code], [400, 'InvalidRequest'], `${path}/${name}`)
          }
      },
    },
    proved(
      'A topic, a domain and a partner namespace of one location cannot have the same name: 409 `Conflict`',
      [scopes, 'a topic, a domain and a partner namespace of one location cannot have one name'],
    ),
    proved('A domain has at most 100,000 topics; one more is answered 409 `Conflict`', [
      scopes,
      'a page of a hundred thousand domain topics is read without a look at the others',
    ]),
    {
      rule: 'A domain has at most 50 event subscriptions of its own, and 500 on each domain topic',
      status: 'differs',
      note: 'as on a topic: 10,000 unless configured',
      provedBy: [
        [
          'test/configuration.test.ts',
          'a topic takes as many event subscriptions as configured and not one more, made at once or in turn',
        ],
      ],
    },
    {
      rule: 'A subscription has at most 100 topics and 100 domains in a region',
      status: 'differs',
      note: 'as many as there is room for',
      async check(_t, world) {
        for (const [type, location] of [
          ['topics', 'westcentralus'],
          ['domains', 'centralus'],
        ])
          for (let n = 0; n <= 100; n++) await world.put(`${provider}/${type}/one-of-many-${n}`, { location })
      },
    },
    {
      rule: 'A topic takes 5,000 events a second',
      status: 'differs',
      note: 'as many as the machine can; beyond `limits.pendingRequests` and `limits.pendingBytes` under way, 429',
      provedBy: [
        [
          'src/publish/publish.test.ts',
          'one request more than may be pending is answered 429 with Retry-After',
        ],
      ],
    },
    {
      rule: 'A publish request has at most 1 MiB',
      async check(_t, world) {
        const topic = await world.topic()
        const empty = { id: '1', subject: 's', eventType: 't', eventTime: '2026-01-01T00:00:00Z', data: '' }
        const bare = JSON.stringify([empty, empty])
        const request = (bytes: number) => {
          const data = 'x'.repeat(bytes - bare.length)
          return JSON.stringify([
            { ...empty, data: data.slice(0, 500_000) },
            { ...empty, data: data.slice(500_000) },
          ])
        }
        assert.equal((await world.send(topic, request(1_048_576))).status, 200)
        const { status, code } = await world.send(topic, request(1_048_577))
        assert.deepEqual([status, code], [413, 'RequestEntityTooLarge'])
      },
    },
  ],
}
