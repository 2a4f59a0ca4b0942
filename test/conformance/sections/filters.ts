import assert from 'node:assert/strict'
import type { Rule, Section } from '../rule.ts'
import { batched, cloudEvent, gridEvent } from '../world.ts'

type Events = readonly Readonly<Record<string, unknown>>[]

/** An event subscription with that filter gets these of the events, and no others. */
const passes = (rule: string, filter: object, events: Events, expectedIds: readonly string[]): Rule => ({
  rule,
  async check(t, world) {
    const topic = await world.topic()
    const hook = await world.subscribe(t, topic, { filter })
    const answer = await world.send(
      topic,
      events.map((event, index) => gridEvent({ id: String(index + 1), ...event })),
    )
    assert.equal(answer.status, 200, answer.text)
    await world.server.settle()
    const ids = hook.received.flatMap(({ body }) => (body as { id: string }[]).map(({ id }) => id))
    assert.deepEqual(ids.toSorted(), expectedIds)
  },
})

const sample = { n: 5, s: 'Azure Data', b: true, arr: [1, 'x', 3], z: null }

/** key, payload, whether the sample event passes, and whether arrays are looked into. */
type Truth = readonly [key: string, payload: unknown, expected: boolean, onArrays?: boolean]

/** One advanced filter for each truth; all of them meet the sample event at once. */
const operator = (operatorType: string, meaning: string, truths: readonly Truth[]): Rule => ({
  rule: `\`${operatorType}\`: ${meaning}`,
  async check(t, world) {
    const topic = await world.topic()
    const hooks = await Promise.all(
      truths.map(([key, payload, , onArrays]) =>
        world.subscribe(t, topic, {
          filter: {
            ...(onArrays && { enableAdvancedFilteringOnArrays: true }),
            advancedFilters: [
              {
                operatorType,
                key,
                ...(payload !== undefined &&
                  (Array.isArray(payload) ? { values: payload } : { value: payload })),
              },
            ],
          },
        }),
      ),
    )
    await world.send(topic, [gridEvent({ data: sample })])
    await world.server.settle()
    truths.forEach(([key, payload, expected], index) =>
      assert.equal(
        hooks[index]?.received.length,
        expected ? 1 : 0,
        `${operatorType} ${JSON.stringify(payload)} on ${key}`,
      ),
    )
  },
})

/** A filter that is not accepted. */
const refused = (rule: string, filter: object, path: string): Rule => ({
  rule,
  async check(_t, world) {
    const topic = await world.topic()
    const answer = await world.server.call('PUT', world.server.idOf('refused', topic.name), {
      properties: {
        destination: { endpointType: 'WebHook', properties: { endpointUrl: 'http://127.0.0.1:9/' } },
        filter,
      },
    })
    assert.equal(answer.status, 400, JSON.stringify(answer.body))
    assert.ok(String(answer.body.error.message).includes(path), answer.body.error.message)
  },
})

const strings = (count: number) => Array.from({ length: count }, (_, n) => String(n))

export const filters: Section = {
  title: 'Filters',
  source: 'learn.microsoft.com/azure/event-grid/event-filtering',
  rules: [
    passes('Without a filter every event passes', {}, [{}, { eventType: 'Other' }], ['1', '2']),
    passes(
      'Of a batch that matches in part, only what matches is delivered',
      { includedEventTypes: ['Orders.Placed'] },
      [{}, { eventType: 'Orders.Cancelled' }, {}],
      ['1', '3'],
    ),
    passes(
      '`includedEventTypes` lists the event types that pass, in any letter case',
      { includedEventTypes: ['orders.PLACED', 'Orders.Paid'] },
      [{}, { eventType: 'Orders.Paid' }, { eventType: 'Orders' }],
      ['1', '2'],
    ),
    passes('`includedEventTypes: ["All"]` is every type', { includedEventTypes: ['All'] }, [{}], ['1']),
    passes(
      '`subjectBeginsWith` and `subjectEndsWith` compare ignoring case',
      { subjectBeginsWith: '/ORDERS', subjectEndsWith: '.PNG' },
      [{ subject: '/orders/1.png' }, { subject: '/orders/1.jpg' }, { subject: '/bills/1.png' }],
      ['1'],
    ),
    passes(
      '`isSubjectCaseSensitive` makes both subject filters mind the case',
      { subjectBeginsWith: '/Orders', isSubjectCaseSensitive: true },
      [{ subject: '/Orders/1' }, { subject: '/orders/1' }],
      ['1'],
    ),
    passes(
      'Event type, subject and every advanced filter must pass',
      {
        includedEventTypes: ['Orders.Placed'],
        subjectBeginsWith: '/orders',
        advancedFilters: [
          { operatorType: 'NumberGreaterThan', key: 'data.n', value: 1 },
          { operatorType: 'StringIn', key: 'data.s', values: ['a', 'b'] },
        ],
      },
      [
        { data: { n: 2, s: 'b' } },
        { data: { n: 1, s: 'b' } },
        { data: { n: 2, s: 'c' } },
        { data: { n: 2, s: 'b' }, subject: '/other' },
      ],
      ['1'],
    ),
    operator('NumberIn', 'equals one of the values', [
      ['data.n', [5, 1], true],
      ['data.n', [4], false],
      ['data.missing', [1], false],
      ['data.arr', [3], true, true],
      ['data.arr', [3], false],
    ]),
    operator('NumberNotIn', 'equals none of the values; true where the key is missing', [
      ['data.n', [4], true],
      ['data.n', [5], false],
      ['data.missing', [1], true],
      ['data.arr', [3], false, true],
    ]),
    operator('NumberLessThan', 'is less than the value', [
      ['data.n', 6, true],
      ['data.n', 5, false],
      ['data.missing', 6, false],
    ]),
    operator('NumberLessThanOrEquals', 'is at most the value', [
      ['data.n', 5, true],
      ['data.n', 4, false],
    ]),
    operator('NumberGreaterThan', 'is greater than the value', [
      ['data.n', 4, true],
      ['data.n', 5, false],
      ['data.arr', 2, true, true],
    ]),
    operator('NumberGreaterThanOrEquals', 'is at least the value', [
      ['data.n', 5, true],
      ['data.n', 6, false],
    ]),
    operator('NumberInRange', 'lies in one of the ranges, bounds included', [
      ['data.n', [[3.14, 999.95]], true],
      ['data.n', [[5, 5]], true],
      ['data.n', [[6, 7]], false],
      ['data.missing', [[0, 9]], false],
    ]),
    operator('NumberNotInRange', 'lies in none of the ranges; false where the key is missing', [
      ['data.n', [[6, 7]], true],
      ['data.n', [[5, 7]], false],
      ['data.missing', [[6, 7]], false],
    ]),
    operator('BoolEquals', 'is the value', [
      ['data.b', true, true],
      ['data.b', false, false],
      ['data.missing', false, false],
    ]),
    operator('StringIn', 'equals one of the values, ignoring case', [
      ['data.s', ['AZURE DATA'], true],
      ['data.s', ['azure'], false],
      ['data.arr', ['X'], true, true],
    ]),
    operator('StringNotIn', 'equals none of the values; true where the key is missing', [
      ['data.s', ['azure'], true],
      ['data.s', ['azure data'], false],
      ['data.missing', ['q'], true],
    ]),
    operator('StringContains', 'contains one of the values', [
      ['data.s', ['azure'], true],
      ['data.s', ['q'], false],
    ]),
    operator('StringNotContains', 'contains none of the values; false where the key is missing', [
      ['data.s', ['q'], true],
      ['data.s', ['azure'], false],
      ['data.missing', ['q'], false],
    ]),
    operator('StringBeginsWith', 'begins with one of the values; a number or boolean is read as its text', [
      ['data.s', ['az'], true],
      ['data.s', ['data'], false],
      ['data.n', ['5'], true],
    ]),
    operator('StringNotBeginsWith', 'begins with none of the values; false where the key is missing', [
      ['data.s', ['data'], true],
      ['data.s', ['az'], false],
      ['data.missing', ['q'], false],
    ]),
    operator('StringEndsWith', 'ends with one of the values', [
      ['data.s', ['DATA'], true],
      ['data.s', ['az'], false],
    ]),
    operator('StringNotEndsWith', 'ends with none of the values; false where the key is missing', [
      ['data.s', ['az'], true],
      ['data.s', ['data'], false],
      ['data.missing', ['q'], false],
    ]),
    operator('IsNullOrUndefined', 'is null or missing', [
      ['data.z', undefined, true],
      ['data.missing', undefined, true],
      ['data.n', undefined, false],
    ]),
    operator('IsNotNull', 'is there and not null', [
      ['data.n', undefined, true],
      ['data.z', undefined, false],
      ['data.missing', undefined, false],
    ]),
    {
      ...operator('StringIn', '', [
        ['ID', ['1'], true],
        ['Subject', ['/orders/1'], true],
        ['EventType', ['orders.placed'], true],
        ['eventTypeVersion', ['1.0'], true],
        ['Data.S', ['azure data'], true],
      ]),
      rule: 'Keys are names of the envelope or paths into `data`, in any letter case',
    },
    {
      rule: 'Keys reach the attributes and extension attributes of a CloudEvent',
      async check(t, world) {
        const topic = await world.topic({ inputSchema: 'CloudEventSchemaV1_0' })
        const hook = await world.subscribe(t, topic, {
          filter: {
            advancedFilters: [
              { operatorType: 'StringBeginsWith', key: 'source', values: ['/shop'] },
              { operatorType: 'StringBeginsWith', key: 'partition', values: ['5'] },
            ],
          },
        })
        const events = [cloudEvent({ partition: 5 }), cloudEvent({ id: '2', partition: 6 })]
        await world.send(topic, events, { contentType: batched })
        await world.server.settle()
        assert.deepEqual(
          hook.received.map(({ body }) => (body as { id: string }).id),
          ['1'],
        )
      },
    },
    refused(
      'More than 25 advanced filters are refused',
      { advancedFilters: Array.from({ length: 26 }, () => ({ operatorType: 'IsNotNull', key: 'data.a' })) },
      'advancedFilters',
    ),
    refused(
      'More than 25 values over all advanced filters are refused',
      {
        advancedFilters: [
          { operatorType: 'StringIn', key: 'data.a', values: strings(20) },
          { operatorType: 'StringIn', key: 'data.b', values: strings(6) },
        ],
      },
      'advancedFilters',
    ),
    refused(
      'A value of more than 512 characters is refused',
      { advancedFilters: [{ operatorType: 'StringIn', key: 'data.a', values: ['x'.repeat(513)] }] },
      'advancedFilters[0].values[0]',
    ),
    refused(
      'An operator that does not exist is refused',
      { advancedFilters: [{ operatorType: 'StringLike', key: 'data.a', values: ['x'] }] },
      'operatorType',
    ),
    {
      rule: 'Filters are found by event type and subject prefix: an event asks only those that may match',
      note: 'not a rule of Azure; what makes 10,000 event subscriptions on a topic cost no more than one',
      provedBy: [
        [
          'src/filter/matcher.test.ts',
          'among 10,000 filters that name event types, an event asks only those that name its own',
        ],
      ],
    },
  ],
}
