import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AmqpCaller } from '../amqp/guest.ts'
import type { OutgoingLink } from '../amqp/links.ts'
import type { ReadEntry } from '../store/store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createEventsNode } from './amqp.ts'
import type { HubEvents } from './hub-events.ts'

const messages = 20
/** Twenty of them are more than what all receivers of a hub may have read ahead. */
const messageBytes = 2 * 1024 * 1024
const bytes = Buffer.alloc(messageBytes)
const entryOf = (sequence: number): ReadEntry => ({ sequence, offset: sequence, at: 1, bytes })

/** Of a hub with twenty messages, whose receivers have the credit that a test gives them. */
function start() {
  let reads = 0
  const events = {
    partitions: 1,
    facts: () => ({ firstSequence: 0, nextSequence: messages, last: { offset: messages - 1, at: 1 } }),
    follow: () => () => {},
    read: (_partition: number, from: number, max: number) => {
      reads++
      const count = Math.max(Math.min(max, messages - from), 0)
      return Array.from({ length: count }, (_, n) => entryOf(from + n))
    },
  }
  const node = createEventsNode({
    events: events as unknown as HubEvents,
    clock: new ManualClock(),
    createdAt: 0,
    name: () => 'contoso',
    hasConsumerGroup: () => true,
    failed: (error) => assert.fail(String(error)),
  })
  const caller: AmqpCaller = { require: () => {} }
  const receive = (group: string, properties: Readonly<Record<string, unknown>> = {}) => {
    let credit = 0
    let wake = () => {}
    const link = {
      ...{ kind: 'outgoing', name: group, address: `contoso/ConsumerGroups/${group}/Partitions/0` },
      ...{ filter: new Map(), properties, desiredCapabilities: [], isClosed: false },
      onClosed: () => {},
      hold: () => {},
      close: (error: Error) => assert.fail(error.message),
      open: (ready: () => void) => {
        wake = ready
      },
      get canSend() {
        return credit > 0
      },
      send: (message: Buffer) => {
        credit--
        received.push(message.length)
      },
    }
    const received: number[] = []
    assert(node.attach(link as unknown as OutgoingLink, caller))
    const grant = (more: number) => {
      credit += more
      wake()
    }
    return { received, grant, leave: () => link.onClosed() }
  }
  return { receive, reads: () => reads }
}

test('receivers that take no more keep little of what has been read for them, and miss nothing of it', async () => {
  const { receive, reads } = start()
  const [first, second, third] = ['a', 'b', 'c'].map((group) => receive(group))
  assert(first && second && third)
  await Promise.resolve()
  first.grant(1)
  second.grant(1)
  assert.equal(reads(), 2)
  // There was no room for what was read: it is read once more. What the others leave makes room.
  second.grant(1)
  assert.equal(reads(), 3)
  first.leave()
  third.grant(1)
  second.grant(1)
  third.grant(messages)
  second.grant(messages)
  for (const { received } of [second, third]) assert.equal(received.length, messages)
})

test('a receiver whose owner level is no number is refused', () => {
  const { receive } = start()
  assert.throws(() => receive('a', { 'com.microsoft:epoch': 'highest' }), /owner level .* whole number/)
  receive('a', { 'com.microsoft:epoch': 1 })
})
