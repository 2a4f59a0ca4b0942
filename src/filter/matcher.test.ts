import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GridEvent } from '../event/event.ts'
import { everyEvent } from '../testing/test-catalog.ts'
import { compileFilter } from './compile.ts'
import type { FilterSettings } from './filter.ts'
import { createMatcher, type Matcher } from './matcher.ts'

const filterFor = (settings: Partial<FilterSettings>) => compileFilter({ ...everyEvent, ...settings })

const nothing = Buffer.alloc(0)

const eventOf = (type: string, subject: string): GridEvent => ({
  schema: 'EventGridSchema',
  topicId: undefined,
  id: '1',
  type,
  subject,
  dataVersion: '',
  envelope: { id: '1', eventType: type, subject },
  source: nothing,
  start: 0,
  end: 0,
  tail: nothing,
})

function matched<T>(matcher: Matcher<T>, event: GridEvent): T[] {
  const into: T[] = []
  matcher.match(event, into)
  return into
}

test('among 10,000 filters that name event types, an event asks only those that name its own', () => {
  const matcher = createMatcher<number>()
  for (let n = 0; n < 10_000; n++) matcher.add(filterFor({ includedEventTypes: [`Type.${n}`] }), n)
  assert.deepEqual(matched(matcher, eventOf('TYPE.77', 's')), [77])
  assert.equal(matcher.evaluations, 1)
})

test('among 10,000 filters that name subject prefixes, an event asks only those that its subject begins with', () => {
  const matcher = createMatcher<number>()
  for (let n = 0; n < 10_000; n++)
    matcher.add(filterFor({ subjectBeginsWith: `/Devices/${n}/`, isSubjectCaseSensitive: n % 2 === 0 }), n)
  assert.deepEqual(matched(matcher, eventOf('t', '/Devices/76/a')), [76])
  assert.deepEqual(matched(matcher, eventOf('t', '/devices/77/a')), [77])
  assert.deepEqual(matched(matcher, eventOf('t', '/devices/76/a')), [])
  assert.equal(matcher.evaluations, 2)
})

test('the index answers as asking every filter would', () => {
  const prefixes = ['', '/a', '/A/b', '/a/B/c', '/ä']
  const types = [undefined, ['x'], ['X', 'y'], ['z', 'Z']]
  const filters = prefixes.flatMap((subjectBeginsWith) =>
    types.flatMap((includedEventTypes) =>
      [true, false].flatMap((isSubjectCaseSensitive) =>
        ['', 'c'].map((subjectEndsWith) =>
          filterFor({ subjectBeginsWith, includedEventTypes, isSubjectCaseSensitive, subjectEndsWith }),
        ),
      ),
    ),
  )
  const matcher = createMatcher(filters.map((filter, target) => ({ filter, target })))
  for (const type of ['x', 'Y', 'z', 'other'])
    for (const subject of ['', '/', '/a', '/A/B', '/a/b/c', '/A/b/C', '/Ä/c', '/a/B/c']) {
      const event = eventOf(type, subject)
      const expected = [...filters.keys()].filter((index) => filters[index]?.matches(event))
      assert.deepEqual(
        matched(matcher, event).toSorted((a, b) => a - b),
        expected,
      )
    }
})

test('a filter that was removed is not asked again, and the others stay', () => {
  const matcher = createMatcher<string>()
  const gone = [
    matcher.add(filterFor({}), 'all'),
    matcher.add(filterFor({ includedEventTypes: ['x', 'X', 'y'] }), 'types'),
    matcher.add(filterFor({ subjectBeginsWith: '/s' }), 'prefix'),
  ]
  matcher.add(filterFor({ subjectBeginsWith: '/s', includedEventTypes: ['x'] }), 'stays')
  assert.equal(matched(matcher, eventOf('x', '/s')).length, 4)
  for (const entry of gone) matcher.remove(entry)
  for (const entry of gone) matcher.remove(entry)
  assert.deepEqual(matched(matcher, eventOf('x', '/s')), ['stays'])
  assert.equal(matcher.entries, 1)
})
