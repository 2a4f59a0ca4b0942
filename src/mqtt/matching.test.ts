import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from './realm.ts'
import { RetainedMessages } from './retained.ts'
import { SubscriptionTree } from './subscription-tree.ts'
import { decodeShared, isTopicFilter, isTopicName } from './topics.ts'
import { slotReleased, slotSent, Window } from './window.ts'

/** Whether the filter matches the name, by the text of the standard and nothing clever. */
function matches(filter: string, name: string): boolean {
  if (name.startsWith('$') && /^[+#]/.test(filter)) return false
  const levels = name.split('/')
  const wanted = filter.split('/')
  for (const [at, level] of wanted.entries()) {
    if (level === '#') return true
    if (at >= levels.length || (level !== '+' && level !== levels[at])) return false
  }
  return wanted.length === levels.length
}

const filterMatches = (filter: string, name: string) =>
  matches(filter, name) || (filter.endsWith('/#') && matches(filter.slice(0, -2), name))

/** Every text of up to three levels of these. */
function* texts(levels: readonly string[], depth = 3): Generator<string> {
  for (const level of levels) {
    yield level
    if (depth > 1) for (const rest of texts(levels, depth - 1)) yield `${level}/${rest}`
  }
}

const names = [...texts(['a', 'b', '', '$x'])].filter(isTopicName)
const filters = [...texts(['a', '', '+', '#', '$x'])].filter(isTopicFilter)

test('a topic name finds every subscription whose filter matches it, and no other', () => {
  const tree = new SubscriptionTree<{ readonly filter: string }>()
  for (const filter of filters) tree.add({ filter })
  assert.equal(tree.count, filters.length)
  for (const name of names) {
    const found = tree.match(name).subscriptions.map(({ filter }) => filter)
    const expected = filters.filter((filter) => filterMatches(filter, name))
    assert.deepEqual(found.toSorted(), expected.toSorted(), name)
  }
})

test('a tree from which all has been removed holds nothing', () => {
  const tree = new SubscriptionTree<{ readonly filter: string }>()
  const all = [...filters, '$share/g/a/+', '$share/h/a/+'].map((filter) => ({ filter }))
  for (const each of all) tree.add(each)
  for (const each of all) tree.remove(each)
  assert.equal(tree.count, 0)
  for (const name of names) assert.deepEqual(tree.match(name), { subscriptions: [], groups: [] })
})

test('a filter finds every retained message whose topic name it matches, and no other', () => {
  const retained = new RetainedMessages()
  for (const name of names) retained.set(messageOf(name), Number.POSITIVE_INFINITY)
  for (const filter of filters) {
    const found = retained.match(filter, 0).map(({ topicName }) => topicName)
    const expected = names.filter((name) => filterMatches(filter, name))
    assert.deepEqual(found.toSorted(), expected.toSorted(), filter)
  }
  for (const name of names) assert.equal(retained.delete(name), true, name)
  assert.deepEqual([retained.count, retained.bytes, retained.match('#', 0)], [0, 0, []])
})

test('a retained message that has expired is not found, and is forgotten', () => {
  const retained = new RetainedMessages()
  retained.set(messageOf('a'), 1_000)
  assert.equal(retained.get('a', 999)?.topicName, 'a')
  assert.equal(retained.get('a', 1_000), undefined)
  assert.deepEqual(retained.match('#', 1_000), [])
  assert.equal(retained.count, 0)
})

test('topic filters have wildcards that fill their level, and # last', () => {
  for (const good of ['a', '/', '#', '+', '+/#', 'a/+/b', '/+', 'a//b']) assert.ok(isTopicFilter(good), good)
  for (const bad of ['', 'a+', '+a', 'a#', '#/a', 'a/#/b', 'a/b#', '\0', 'a/++'])
    assert.ok(!isTopicFilter(bad), bad)
})

test('a shared subscription has a group without wildcards, and a filter', () => {
  assert.deepEqual(decodeShared('$share/g/a/#'), { group: 'g', filter: 'a/#' })
  for (const bad of ['$share/g', '$share//a', '$share/g/', '$share/+/a', '$share/g#/a', '$share/g/a#'])
    assert.equal(decodeShared(bad), undefined, bad)
})

test('a window finds what is acknowledged in any order, and knows which packet ids are free', () => {
  const window = new Window<string>()
  for (let given = 1; given <= 20; given++) window.push(given, `m${given}`, given)
  assert.equal(window.count, 20)
  for (const packetId of [20, 1, 10]) window.remove(window.find(packetId, slotSent))
  assert.equal(window.find(10, slotSent), -1)
  window.setState(window.find(5, slotSent), slotReleased)
  assert.equal(window.itemAt(window.find(5, slotReleased)), undefined)
  // Once around: 2 is still in flight, 1 is not.
  assert.equal(window.isFree(2, 65_537), false)
  assert.equal(window.isFree(1, 65_536), true)
  const left: number[] = []
  window.forEach((packetId) => left.push(packetId))
  assert.deepEqual(left, [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  for (const packetId of left) window.remove(window.find(packetId, packetId === 5 ? slotReleased : slotSent))
  assert.equal(window.count, 0)
  assert.equal(window.isFree(2, 65_538), true)
})

test('a packet id that has been in flight since the count went around is never given again', () => {
  const window = new Window<string>()
  window.push(7, 'stuck', 7)
  for (let given = 8; given < 200_000; given++) {
    const packetId = ((given - 1) % 65_535) + 1
    const isFree = window.isFree(packetId, given)
    assert.equal(isFree, packetId !== 7, String(given))
    if (!isFree) continue
    window.push(packetId, 'quick', given)
    window.remove(window.find(packetId, slotSent))
  }
})

const messageOf = (topicName: string): Message => ({
  ...{ topicName, payload: Buffer.from('x'), qos: 0, retain: true, receivedAt: 0 },
})
