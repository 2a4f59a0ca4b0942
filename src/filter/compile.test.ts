import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GridEvent } from '../event/event.ts'
import { decoderOf } from '../testing/events.ts'
import { everyEvent } from '../testing/test-catalog.ts'
import { compileFilter } from './compile.ts'
import type { AdvancedFilter, FilterSettings } from './filter.ts'

const topicId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/topics/orders'

function eventGridEvent(more: Record<string, unknown> = {}): GridEvent {
  const event = {
    id: '1',
    subject: '/Orders/1',
    eventType: 'Orders.Placed',
    eventTime: '2026-11-21T13:00:00Z',
    data: {},
    ...more,
  }
  const decode = decoderOf('EventGridSchema', { topicId })
  const body = Buffer.from(JSON.stringify([event]))
  return decode({ body, contentType: undefined, rawHeaders: [] })[0] as GridEvent
}

function cloudEvent(more: Record<string, unknown> = {}): GridEvent {
  const event = { specversion: '1.0', id: '1', source: '/shop', type: 'Orders.Placed', ...more }
  const decode = decoderOf('CloudEventSchemaV1_0')
  const body = Buffer.from(JSON.stringify(event))
  return decode({ body, contentType: 'application/json', rawHeaders: [] })[0] as GridEvent
}

const passes = (event: GridEvent, settings: Partial<FilterSettings>) => {
  const filter = compileFilter({ ...everyEvent, ...settings })
  const answer = filter.matches(event)
  assert.equal(filter.explain(event) === undefined, answer, 'explain and matches must agree')
  return answer
}

const passesAdvanced = (event: GridEvent, filter: AdvancedFilter, arrays = false) =>
  passes(event, { advancedFilters: [filter], enableAdvancedFilteringOnArrays: arrays })

test('a filter with every default lets every event through', () => {
  assert.equal(passes(eventGridEvent(), {}), true)
})

test('includedEventTypes is compared ignoring case', () => {
  assert.equal(passes(eventGridEvent(), { includedEventTypes: ['x', 'orders.PLACED'] }), true)
  assert.equal(passes(eventGridEvent(), { includedEventTypes: ['Orders.Placed.Late'] }), false)
})

test('subject prefix and suffix ignore case unless asked not to', () => {
  const event = eventGridEvent()
  assert.equal(passes(event, { subjectBeginsWith: '/orders/' }), true)
  assert.equal(passes(event, { subjectBeginsWith: '/orders/', isSubjectCaseSensitive: true }), false)
  assert.equal(passes(event, { subjectBeginsWith: '/Orders/', isSubjectCaseSensitive: true }), true)
  assert.equal(passes(event, { subjectEndsWith: 'S/1' }), true)
  assert.equal(passes(event, { subjectEndsWith: 'S/1', isSubjectCaseSensitive: true }), false)
  assert.equal(passes(event, { subjectEndsWith: '/orders/1/and/more' }), false)
  assert.equal(passes(eventGridEvent({ subject: '/ÄPFEL' }), { subjectBeginsWith: '/äp' }), true)
})

const sample = eventGridEvent({
  data: { n: 5, s: 'Azure Data', b: true, arr: [1, 'x', 3], z: null, o: { Deep: { er: 'Y' } }, empty: [] },
})

/** key, operator, value or values, arrays on, expected. The first twelve are the published truth samples. */
const truths: [string, string, unknown, boolean, boolean][] = [
  ['data.n', 'NumberIn', [5, 1], false, true],
  ['data.n', 'NumberInRange', [[3.14, 999.95]], false, true],
  ['data.s', 'StringContains', ['azure'], false, true],
  ['data.missing', 'StringNotContains', ['q'], false, false],
  ['data.missing', 'StringNotIn', ['q'], false, true],
  ['data.missing', 'NumberNotIn', [1], false, true],
  ['data.z', 'IsNullOrUndefined', undefined, false, true],
  ['data.n', 'IsNotNull', undefined, false, true],
  ['data.arr', 'NumberGreaterThan', 2, true, true],
  ['data.arr', 'NumberNotIn', [3], true, false],
  ['data.arr', 'StringIn', ['X'], true, true],
  ['data.n', 'StringBeginsWith', ['5'], false, true],

  // Missing keys and null.
  ['data.missing', 'NumberIn', [1], false, false],
  ['data.missing', 'NumberLessThan', 1, false, false],
  ['data.missing', 'NumberInRange', [[0, 9]], false, false],
  ['data.missing', 'NumberNotInRange', [[0, 9]], false, false],
  ['data.missing', 'BoolEquals', false, false, false],
  ['data.missing', 'StringIn', ['q'], false, false],
  ['data.missing', 'StringNotBeginsWith', ['q'], false, false],
  ['data.missing', 'StringNotEndsWith', ['q'], false, false],
  ['data.missing', 'IsNullOrUndefined', undefined, false, true],
  ['data.missing', 'IsNotNull', undefined, false, false],
  ['data.z', 'StringNotIn', ['q'], false, true],
  ['data.z', 'StringNotContains', ['q'], false, false],
  ['data.z', 'IsNotNull', undefined, false, false],
  ['data.empty', 'IsNotNull', undefined, false, true],

  // Bounds.
  ['data.n', 'NumberLessThan', 5, false, false],
  ['data.n', 'NumberLessThanOrEquals', 5, false, true],
  ['data.n', 'NumberGreaterThan', 5, false, false],
  ['data.n', 'NumberGreaterThanOrEquals', 5, false, true],
  ['data.n', 'NumberInRange', [[5, 5]], false, true],
  ['data.n', 'NumberNotInRange', [[5, 6]], false, false],
  ['data.n', 'NumberNotInRange', [[5.5, 6]], false, true],

  // Types that do not fit.
  ['data.s', 'NumberIn', [5], false, false],
  ['data.s', 'NumberNotIn', [5], false, true],
  ['data.s', 'BoolEquals', true, false, false],
  ['data.b', 'BoolEquals', true, false, true],
  ['data.b', 'BoolEquals', false, false, false],
  ['data.b', 'StringIn', ['TRUE'], false, true],
  ['data.o', 'StringContains', ['y'], false, false],
  ['data.o', 'StringNotIn', ['y'], false, true],

  // Strings.
  ['data.s', 'StringIn', ['AZURE data'], false, true],
  ['data.s', 'StringNotIn', ['AZURE data'], false, false],
  ['data.s', 'StringBeginsWith', ['data', 'AZ'], false, true],
  ['data.s', 'StringEndsWith', ['DATA'], false, true],
  ['data.s', 'StringEndsWith', ['azure data and more'], false, false],
  ['data.s', 'StringNotBeginsWith', ['az'], false, false],
  ['data.s', 'StringNotEndsWith', ['ure'], false, true],
  ['data.s', 'StringNotContains', ['RE D'], false, false],

  // Arrays.
  ['data.arr', 'NumberIn', [3], false, false],
  ['data.arr', 'NumberNotIn', [3], false, true],
  ['data.arr', 'StringNotContains', ['x'], false, false],
  ['data.arr', 'NumberInRange', [[2, 4]], true, true],
  ['data.arr', 'NumberNotInRange', [[4, 9]], true, true],
  ['data.arr', 'StringIn', ['1'], true, false],
  ['data.arr', 'BoolEquals', true, true, false],
  ['data.empty', 'StringNotContains', ['x'], true, true],
  ['data.empty', 'StringContains', ['x'], true, false],

  // Keys.
  ['DATA.N', 'NumberIn', [5], false, true],
  ['data.O.deep.ER', 'StringIn', ['y'], false, true],
  ['data.o.deep.er.more', 'IsNullOrUndefined', undefined, false, true],
  ['data.arr.0', 'IsNullOrUndefined', undefined, false, true],
  ['data.toString', 'IsNullOrUndefined', undefined, false, true],
  ['constructor', 'IsNullOrUndefined', undefined, false, true],
  ['ID', 'StringIn', ['1'], false, true],
  ['eventid', 'StringIn', ['1'], false, true],
  ['Topic', 'StringEndsWith', ['/topics/orders'], false, true],
  ['Subject', 'StringBeginsWith', ['/orders'], false, true],
  ['EventType', 'StringIn', ['orders.placed'], false, true],
  ['eventtypeversion', 'StringIn', [''], false, true],
  ['DataVersion', 'IsNotNull', undefined, false, true],
]

for (const [key, operatorType, wanted, arrays, expected] of truths) {
  const filter = (
    Array.isArray(wanted) ? { operatorType, key, values: wanted } : { operatorType, key, value: wanted }
  ) as AdvancedFilter
  const words = `${operatorType} ${JSON.stringify(wanted) ?? ''} on ${key}${arrays ? ' with arrays on' : ''}`
  test(`${words} is ${expected}`, () => assert.equal(passesAdvanced(sample, filter, arrays), expected))
}

test('filters reach the attributes and extensions of a CloudEvent', () => {
  const event = cloudEvent({ comexample: 5, subject: 's', data: { a: 1 } })
  const on = (key: string, value: string) =>
    passesAdvanced(event, { operatorType: 'StringBeginsWith', key, values: [value] })
  assert.equal(on('comexample', '5'), true)
  assert.equal(on('ComExample', '5'), true)
  assert.equal(on('source', '/SHOP'), true)
  assert.equal(on('type', 'orders'), true)
  assert.equal(on('eventtype', 'orders'), true)
  assert.equal(on('specversion', '1.0'), true)
  assert.equal(on('subject', 'S'), true)
  assert.equal(
    passesAdvanced(cloudEvent(), { operatorType: 'IsNullOrUndefined', key: 'subject', values: [] }),
    true,
  )
})

test('all advanced filters must pass', () => {
  const filters = (second: number): readonly AdvancedFilter[] => [
    { operatorType: 'NumberIn', key: 'data.n', values: [5] },
    { operatorType: 'NumberGreaterThan', key: 'data.n', value: second },
  ]
  assert.equal(passes(sample, { advancedFilters: filters(4) }), true)
  assert.equal(passes(sample, { advancedFilters: filters(5) }), false)
})

test('explain names the predicate that said no, what it wants and what it found', () => {
  const filter = compileFilter({
    ...everyEvent,
    advancedFilters: [
      { operatorType: 'IsNotNull', key: 'data.n' },
      { operatorType: 'StringIn', key: 'data.s', values: ['q'] },
    ],
  })
  assert.equal(
    filter.explain(sample),
    `advancedFilters[1]: StringIn on 'data.s' wants ["q"]; the value is "Azure Data".`,
  )
})

test('an operator that does not exist is refused when the filter is compiled', () => {
  const advancedFilters = [{ operatorType: 'StringLike', key: 'id', values: ['q'] }]
  assert.throws(() => compileFilter({ ...everyEvent, advancedFilters }), /StringLike/)
})

test('a long text is searched in time proportional to its length', () => {
  const event = eventGridEvent({ data: { text: 'a'.repeat(900_000) } })
  const values = Array.from({ length: 25 }, () => `${'a'.repeat(511)}b`)
  assert.equal(passesAdvanced(event, { operatorType: 'StringContains', key: 'data.text', values }), false)
})

test('a custom event is asked for the fields that are mapped, and for its own below data', () => {
  const text =
    '{"id":"1","subject":"/Orders/1","eventType":"Orders.Placed","eventTime":"2026-11-21","data":{"n":1},"color":"red"}'
  const decode = decoderOf('CustomEventSchema', { topicId })
  const [event] = decode({ body: Buffer.from(`[${text}]`), contentType: undefined, rawHeaders: [] }) as [
    GridEvent,
  ]
  const has = (key: string, value: string) =>
    passesAdvanced(event, { operatorType: 'StringIn', key, values: [value] })
  assert.ok(passes(event, { includedEventTypes: ['Orders.Placed'], subjectBeginsWith: '/orders' }))
  for (const [key, value] of [
    ['Topic', topicId],
    ['id', '1'],
    ['eventType', 'Orders.Placed'],
    ['data.color', 'red'],
    ['Data.Data.n', '1'],
    ['data.eventTime', '2026-11-21'],
  ] as const)
    assert.ok(has(key, value), key)
  assert.ok(passesAdvanced(event, { operatorType: 'IsNullOrUndefined', key: 'color' }))
})
