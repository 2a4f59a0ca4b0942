import assert from 'node:assert/strict'
import { proved, type Rule, type Section } from '../rule.ts'
import { batched, cloudEvent, gridEvent } from '../world.ts'

const secondMs = 1_000
const minuteMs = 60 * secondMs

/** An endpoint that answers so is tried again after exactly that long, or never. */
const status = (code: number, waitMs: number | undefined): Rule => ({
  rule:
    waitMs === undefined
      ? `A webhook that answers ${code} is not tried again`
      : `A webhook that answers ${code} is tried again after ${waitMs / secondMs} seconds`,
  async check(t, world) {
    const topic = await world.topic()
    const hook = await world.subscribe(t, topic, {}, [code, 200])
    await world.send(topic, [gridEvent()])
    await world.server.settle()
    await world.clock.advance((waitMs ?? 24 * 60 * minuteMs) - 1)
    assert.equal(hook.received.length, 1)
    await world.clock.advance(1)
    assert.equal(hook.received.length, waitMs === undefined ? 1 : 2)
  },
})

const success = (code: number): Rule => ({
  rule: `${code} is a success`,
  async check(t, world) {
    const topic = await world.topic()
    const hook = await world.subscribe(t, topic, {}, [code])
    await world.send(topic, [gridEvent()])
    await world.server.settle()
    await world.clock.advance(minuteMs)
    assert.equal(hook.received.length, 1)
  },
})

const offsets = (times: readonly number[]) => times.map((at) => at * secondMs)

export const delivery: Section = {
  title: 'Delivery, retry and dead-lettering',
  source:
    'learn.microsoft.com/azure/event-grid/delivery-and-retry, delivery-properties, manage-event-delivery',
  rules: [
    {
      rule: 'Each delivery carries `aeg-subscription-name` in upper case, `aeg-delivery-count` from 0, `aeg-event-type`, `aeg-metadata-version`, `aeg-data-version`, and an `aeg-output-event-id` that stays over retries',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic, {}, [500, 200])
        await world.send(topic, [gridEvent()])
        await world.server.settle()
        await world.clock.advance(10 * secondMs)
        const [first, second] = hook.received.map(({ headers }) => headers)
        assert.match(String(first?.['aeg-subscription-name']), /^SUBSCRIPTION-\d+$/)
        assert.equal(first?.['aeg-event-type'], 'Notification')
        assert.equal(first['aeg-metadata-version'], '1')
        assert.equal(first['aeg-data-version'], '1.0')
        assert.deepEqual([first['aeg-delivery-count'], second?.['aeg-delivery-count']], ['0', '1'])
        assert.equal(first['aeg-output-event-id'], second?.['aeg-output-event-id'])
      },
    },
    {
      rule: 'Without batching an Event Grid event is delivered as an array of one, as `application/json`',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic)
        await world.send(topic, [gridEvent(), gridEvent({ id: '2' })])
        await world.server.settle()
        assert.deepEqual(
          hook.received.map(({ body, headers }) => [(body as unknown[]).length, headers['content-type']]),
          [1, 1].map((count) => [count, 'application/json; charset=utf-8']),
        )
      },
    },
    {
      rule: 'Without batching a CloudEvent is delivered as one object, as `application/cloudevents+json`',
      async check(t, world) {
        const topic = await world.topic({ inputSchema: 'CloudEventSchemaV1_0' })
        const hook = await world.subscribe(t, topic)
        await world.send(topic, [cloudEvent()], { contentType: batched })
        await world.server.settle()
        assert.deepEqual(hook.received[0]?.body, cloudEvent())
        assert.equal(hook.received[0].headers['content-type'], 'application/cloudevents+json; charset=utf-8')
      },
    },
    {
      rule: 'With batching CloudEvents are delivered as an array, as `application/cloudevents-batch+json`, also where there is one',
      async check(t, world) {
        const topic = await world.topic({ inputSchema: 'CloudEventSchemaV1_0' })
        const hook = await world.subscribe(t, topic, {}, [200], { maxEventsPerBatch: 10 })
        await world.send(topic, [cloudEvent()], { contentType: batched })
        await world.server.settle()
        assert.deepEqual(hook.received[0]?.body, [cloudEvent()])
        assert.equal(
          hook.received[0].headers['content-type'],
          'application/cloudevents-batch+json; charset=utf-8',
        )
      },
    },
    {
      rule: '`maxEventsPerBatch` bounds a batch, and one status decides for all of it',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic, {}, [500, 200], { maxEventsPerBatch: 3 })
        await world.send(
          topic,
          Array.from({ length: 3 }, (_, n) => gridEvent({ id: String(n) })),
        )
        await world.server.settle()
        await world.clock.advance(10 * secondMs)
        assert.deepEqual(
          hook.received.map(({ body }) => (body as unknown[]).length),
          [3, 3],
        )
      },
    },
    {
      rule: '`preferredBatchSizeInKilobytes` is a target: a larger event is delivered alone',
      provedBy: [
        [
          'src/delivery/delivery.test.ts',
          'output batching fills a batch up to its number and to its preferred size',
        ],
      ],
    },
    ...[200, 201, 202, 203, 204].map(success),
    ...[205, 301, 429, 500, 502, 504].map((code) => status(code, 10 * secondMs)),
    status(503, 30 * secondMs),
    status(408, 2 * minuteMs),
    status(404, 5 * minuteMs),
    ...[400, 401, 403, 413].map((code) => status(code, undefined)),
    {
      rule: 'The retry schedule is 10 s, 30 s, 1 min, 5 min, 10 min, 30 min, 1 h, 3 h, 6 h, then every 12 h up to a day',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic, {}, [500])
        const startedAt = world.clock.now()
        await world.send(topic, [gridEvent()])
        await world.server.settle()
        const at: number[] = [0]
        for (const moment of offsets([10, 40, 100, 400, 1_000, 2_800, 6_400, 17_200, 38_800, 82_000])) {
          await world.clock.advance(startedAt + moment - 1 - world.clock.now())
          const before = hook.received.length
          await world.clock.advance(1)
          if (hook.received.length === before + 1) at.push(moment)
        }
        assert.equal(at.length, 11)
        await world.clock.advance(24 * 60 * minuteMs)
        assert.equal(hook.received.length, 11)
      },
    },
    {
      rule: 'An answer after 30 seconds is a failure',
      provedBy: [
        [
          'src/destinations/webhook.test.ts',
          'an endpoint that does not answer within thirty seconds has timed out',
        ],
      ],
    },
    {
      rule: '`Retry-After` of an endpoint is respected',
      provedBy: [
        [
          'src/destinations/webhook.test.ts',
          'a longer Retry-After is respected, and what the endpoint said is kept',
        ],
      ],
    },
    {
      rule: 'After `maxDeliveryAttempts` an event is given up',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic, { retryPolicy: { maxDeliveryAttempts: 2 } }, [500])
        await world.send(topic, [gridEvent()])
        await world.server.settle()
        await world.clock.advance(24 * 60 * minuteMs)
        assert.equal(hook.received.length, 2)
      },
    },
    {
      rule: 'After `eventTimeToLiveInMinutes` an event is given up at its next attempt',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic, { retryPolicy: { eventTimeToLiveInMinutes: 30 } }, [500])
        await world.send(topic, [gridEvent()])
        await world.server.settle()
        await world.clock.advance(24 * 60 * minuteMs)
        assert.equal(hook.received.length, 6)
      },
    },
    {
      rule: 'An endpoint that keeps failing is left alone for a while, by its last outcome, and no other waits for it',
      provedBy: [
        [
          'test/delivery.test.ts',
          'an endpoint that fails for a day delays no neighbour on the same topic, and every event is accounted for',
        ],
        [
          'src/delivery/health.test.ts',
          'ten failures in a row put an endpoint on probation, for as long as the last outcome says',
        ],
      ],
    },
    {
      rule: 'Static, secret and dynamic delivery attributes become headers',
      provedBy: [
        [
          'test/delivery.test.ts',
          'static, secret and dynamic attributes become headers; their secrets are told by their own calls alone',
        ],
      ],
    },
    {
      rule: 'At `expirationTimeUtc` an event subscription ends, with what it held',
      provedBy: [
        ['test/delivery.test.ts', 'an event subscription ends at its expiration time, with what it held'],
      ],
    },
    {
      rule: 'Without a dead-letter destination an event that is given up is dropped, and counted',
      async check(t, world) {
        const topic = await world.topic()
        await world.subscribe(t, topic, {}, [400])
        await world.send(topic, [gridEvent()])
        await world.server.settle()
        assert.equal(await world.server.metric('busbar_dropped_events_total', { topic: topic.id }), 1)
      },
    },
    {
      rule: 'Dead-letter records are written five minutes after the last attempt, to `NAME/yyyy/M/d/H/guid.json`, as an array',
      provedBy: [
        [
          'test/delivery.test.ts',
          'six attempts are made in thirty minutes, then the event is dead-lettered into its container',
        ],
      ],
    },
    {
      rule: 'Dead-letter records of CloudEvents carry the same facts as extension attributes in lower case',
      provedBy: [
        [
          'test/delivery.test.ts',
          'after as many attempts as the policy allows, a CloudEvent is dead-lettered with extension attributes',
        ],
      ],
    },
    proved('Records of custom events have the mapped envelope, with the event below `data`', [
      'test/deadletter-replay.test.ts',
      'custom events are dead-lettered in the envelope that their mapping makes, and replayed as they were published',
    ]),
    {
      rule: 'A container out of reach for four hours, or missing, loses its records',
      status: 'differs',
      note: 'records wait for as long as it takes, unless `limits.deadLetterPatienceMs` bounds it',
      provedBy: [
        [
          'src/delivery/delivery.test.ts',
          'records wait for a container that is out of reach for as long as it takes, and are tried ever less often',
        ],
        [
          'src/delivery/delivery.test.ts',
          'records that are not to wait for longer than a limit are dropped and counted then, and no sooner',
        ],
      ],
    },
    proved('Dead-lettered events are replayed to their event subscription once its receiver is mended', [
      'test/deadletter-replay.test.ts',
      'dead-lettered events are listed, shown, and delivered once when they are replayed to a mended receiver',
    ]),
  ],
}
