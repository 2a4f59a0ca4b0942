import type { Clock, EpochMs } from '../base/clock.ts'
import { later } from '../base/later.ts'
import type { Log } from '../base/log.ts'
import { StateLog, type StateLogLimits } from '../store/state-log.ts'
import { type Appendable, type Queues, StoreUnavailable } from '../store/store.ts'
import { DurableSession, decodeFacts, type KeptDelivery, type SessionFacts } from './durable-session.ts'
import { decodeMessage, encodeMessageHead, type KeptMessage, keepMessage, type Message } from './message.ts'

/*
 * What of one realm outlives the process: sessions with their subscriptions and what is in flight, the messages that
 * wait for them, and retained messages. In comes what the broker decides, turn by turn of the event loop; all of a
 * turn is one append, so that a message, the packet id that it came with and everybody's copy are on disk together.
 * `flushed` tells when.
 *
 * Messages lie on a queue of the store for each session; all else is kept in a `StateLog`.
 */

export interface SessionStore {
  /** What was there at the start. A session that was connected then has `disconnectedAt` unset. */
  readonly recovered: {
    readonly sessions: readonly DurableSession[]
    readonly retained: Iterable<{ readonly topicName: string; readonly message: KeptMessage }>
  }
  create(facts: SessionFacts): DurableSession
  /**
   * One copy for each of the sessions. For each way of delivery once. The payload is copied; the array of sessions
   * must not change any more, and given again is stored cheaper.
   */
  enqueue(
    message: Message,
    receivedAt: EpochMs,
    delivery: KeptDelivery,
    sessions: readonly DurableSession[],
  ): void
  /** What is retained for a topic name from now on; undefined: nothing. */
  retain(topicName: string, message: Message | undefined, receivedAt: EpochMs): void
  /**
   * Resolves when everything that was said until now is on disk; the same promise for all of a turn. Rejects with
   * `StoreUnavailable`; then none of the messages of the turn was kept.
   */
  flushed(): Promise<void>
  close(): Promise<void>
}

export interface SessionStoreOptions {
  readonly queues: Queues
  /** Names the realm for as long as it lives, and no other after it. */
  readonly realm: string
  readonly clock: Clock
  readonly log: Log
  /** Messages that expired while they waited. */
  readonly onExpired?: (messages: number) => void
  readonly stateLimits?: Partial<StateLogLimits>
}

/** Messages are numbered ahead of what the log knows by so many. */
const numbersAhead = 1_000_000
/** What is in flight for so long is noted: most is acknowledged sooner, and costs nothing then. */
const noteAfterMs = 100
/** A record of the journal holds so much, or one larger message. */
const recordBytes = 8 * 1024
/** Sessions are opened so many at a time at a start. */
const openedAtOnce = 1000

/** Everything of a realm that does not exist any more is dropped by `dropRealm`. */
export async function openSessionStore(options: SessionStoreOptions): Promise<SessionStore> {
  const { queues, realm, clock, log, onExpired, stateLimits = {} } = options
  const sessions = new Map<number, DurableSession>()
  const retained = new Map<string, KeptMessage>()
  let nextId = 1
  let nextNumber = 1
  let numbersUntil = 1

  let batch: Change[] = []
  /** What the batch adds to sessions; taken back if it cannot be kept. */
  let added: { readonly sessions: readonly DurableSession[]; readonly bytes: number }[] = []
  let finishing = new Set<DurableSession>()
  let dropping: string[] = []
  let turn: PromiseWithResolvers<void> | undefined
  /** Of the newest append; those before it are durable no later. */
  let durable: Promise<void> = Promise.resolve()
  let unnoted = new Set<DurableSession>()
  let noting: { cancel(): void } | undefined
  let closed = false

  const countersEntry = () => Buffer.from(JSON.stringify({ nextId, nextNumber: numbersUntil }))

  const begin = (): PromiseWithResolvers<void> => {
    if (turn) return turn
    turn = Promise.withResolvers<void>()
    // Those who await it are told; nobody need.
    turn.promise.catch(() => {})
    setImmediate(flush)
    return turn
  }

  const note = (key: string, value: Buffer | undefined) => {
    batch.push({
      appendable: state.entry(key, value),
      message: key.startsWith('i/') && value ? incoming : undefined,
    })
    begin()
  }

  function flush(): void {
    const ended = turn
    turn = undefined
    for (const session of finishing) session.finishLeases()
    finishing = new Set()
    const events = batch
    const counted = added
    const dropped = dropping
    batch = []
    added = []
    dropping = []
    if (!ended) return
    const failed = (error: unknown) => {
      for (const { sessions: of, bytes } of counted) for (const session of of) session.unqueued(bytes)
      state.missed()
      ended.reject(error)
    }
    try {
      if (events.length > 0) durable = append(events)
      durable.then(() => {
        ended.resolve()
        for (const name of dropped) void queues.drop(name).catch((error: unknown) => dropFailed(name, error))
      }, failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Several appends, so that little has to be read of the journal for one message: each is one record. */
  const append = (events: readonly Change[]): Promise<void> => {
    let last: Promise<void> | undefined
    let others: Promise<void>[] | undefined
    let begun = 0
    let bytes = 0
    for (let n = 1; n <= events.length; n++) {
      const event = events[n]
      const { head, start, end } = (events[n - 1] as Change).appendable
      bytes += head.length + end - start
      if (event && (bytes < recordBytes || !mayPart(events[n - 1] as Change, event))) continue
      if (last) (others ??= []).push(last)
      last = queues.append(events.slice(begun, n).map(({ appendable }) => appendable)).durable
      begun = n
      bytes = 0
    }
    return others ? Promise.all([...others, last]).then(() => {}) : (last as Promise<void>)
  }

  const dropFailed = (queue: string, error: unknown) =>
    log.error({ err: error, queue }, 'the queue of a session that has ended is dropped at the next start')

  const owner = {
    clock,
    note,
    flushed: () => flushed(),
    finish: (session: DurableSession) => {
      finishing.add(session)
      begin()
    },
    sentUnnoted: (session: DurableSession) => {
      unnoted.add(session)
      noting ??= later(noteAfterMs, noteInFlight)
    },
    ended: (session: DurableSession) => {
      sessions.delete(session.id)
      finishing.delete(session)
      unnoted.delete(session)
      // Once the log says that it has ended: the other way round it would be there again, and empty.
      dropping.push(session.queue.name)
      begin()
    },
    expired: (messages: number) => onExpired?.(messages),
  }

  const noteInFlight = () => {
    noting = undefined
    const due = unnoted
    unnoted = new Set()
    if (!closed) for (const session of due) session.noteInFlight()
  }

  const flushed = (): Promise<void> => turn?.promise ?? durable

  function* entries(): Generator<readonly [string, Buffer]> {
    yield ['counters', countersEntry()]
    for (const session of sessions.values()) yield* session.entries()
    for (const [topicName, message] of retained) yield [`t/${topicName}`, encodeRetained(message)]
  }

  // ------------------------------------------------------------------------------------------------------ recovery

  const found = new Map<number, { facts?: SessionFacts; readonly rest: [string, string, Buffer][] }>()
  const foundOf = (id: number) => {
    let session = found.get(id)
    if (!session) found.set(id, (session = { rest: [] }))
    return session
  }
  const prefix = `mqtt:${realm}`
  const state = await StateLog.open(
    { queues, name: `${prefix}/state`, entries, log, limits: stateLimits },
    (key, value) => {
      if (key === 'counters') {
        const counters = JSON.parse(value.toString()) as { nextId: number; nextNumber: number }
        nextId = counters.nextId
        nextNumber = numbersUntil = counters.nextNumber
        return
      }
      const kind = key.slice(0, 1)
      if (kind === 't') {
        retained.set(key.slice(2), decodeMessage(value).message)
        return
      }
      const slash = key.indexOf('/', 2)
      const id = Number(slash < 0 ? key.slice(2) : key.slice(2, slash))
      if (kind === 's') foundOf(id).facts = decodeFacts(value)
      else foundOf(id).rest.push([kind, key.slice(slash + 1), value])
    },
  )
  const queueName = (id: number) => `${prefix}/session/${id}`
  const recovered = [...found]
  for (let n = 0; n < recovered.length; n += openedAtOnce)
    await Promise.all(
      recovered.slice(n, n + openedAtOnce).map(async ([id, { facts, rest }]) => {
        nextId = Math.max(nextId, id + 1)
        if (!facts) return
        const session = new DurableSession(id, facts, await queues.open(queueName(id)), owner)
        for (const [kind, key, value] of rest) session.restore(kind, key, value)
        sessions.set(id, session)
      }),
    )
  found.clear()
  // A crash between the end of a session and that of its queue leaves a queue that nobody reads.
  for (const name of queues.names())
    if (name.startsWith(`${prefix}/session/`) && !sessions.has(Number(name.slice(prefix.length + 9))))
      await queues.drop(name)

  // ------------------------------------------------------------------------------------------------------- service

  const nextMessageNumber = (): number => {
    if (nextNumber >= numbersUntil) {
      numbersUntil = nextNumber + numbersAhead
      note('counters', countersEntry())
    }
    return nextNumber++
  }

  return {
    recovered: {
      get sessions() {
        return [...sessions.values()]
      },
      retained: {
        *[Symbol.iterator]() {
          for (const [topicName, message] of retained) yield { topicName, message }
        },
      },
    },
    create(facts) {
      const id = nextId++
      const { queue, durable: made } = queues.begin(queueName(id))
      const session = new DurableSession(id, facts, queue, owner)
      sessions.set(id, session)
      // Whoever waits for the session waits for what is noted below, which is written no sooner.
      made.catch(() => sessions.delete(id))
      note('counters', countersEntry())
      session.update({})
      return session
    },
    enqueue(message, receivedAt, delivery, audience) {
      if (audience.length === 0) return
      const { payload } = message
      const head = encodeMessageHead(message, delivery, nextMessageNumber(), receivedAt)
      // The packet's buffer may be used again when this turn is over.
      const source = Buffer.from(payload)
      const bytes = head.length + source.length
      for (const session of audience) session.queued(bytes)
      added.push({ sessions: audience, bytes })
      for (const list of queuesOf(audience))
        batch.push({
          appendable: { head, source, start: 0, end: source.length, tail: noBytes, queues: list },
          message,
        })
      begin()
    },
    retain(topicName, message, receivedAt) {
      if (!message) {
        if (retained.delete(topicName)) note(`t/${topicName}`, undefined)
        return
      }
      const kept = keepMessage(message, receivedAt)
      retained.set(topicName, kept)
      note(`t/${topicName}`, encodeRetained(kept))
    },
    flushed,
    async close() {
      closed = true
      noting?.cancel()
      for (const session of unnoted) session.noteInFlight()
      await flushed().catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error
        log.error({ err: error }, 'what sessions had not written yet is lost')
      })
      await state.close()
    },
  }
}

/** Forgets everything of realms that `exists` denies. */
export async function dropForgottenRealms(queues: Queues, exists: (realm: string) => boolean): Promise<void> {
  for (const name of queues.names()) {
    const realm = /^mqtt:([^/]+)\//.exec(name)?.[1]
    if (realm !== undefined && !exists(realm)) await queues.drop(name)
  }
}

const noBytes = Buffer.alloc(0)

/** One entry of the journal to be. */
interface Change {
  readonly appendable: Appendable
  /** Of a copy: what all copies of a message have in common. Of other changes: whether it belongs to a message. */
  readonly message: Message | typeof incoming | undefined
}

/** The packet id of an inbound QoS 2 message, which belongs to the message before or behind it. */
const incoming = Symbol('incoming')

/** A message, all of its copies and its packet id are durable together or not at all. */
const mayPart = (before: Change, after: Change): boolean =>
  before.message !== incoming &&
  after.message !== incoming &&
  (before.message !== after.message || !before.message)

/** An event of the store goes to no more queues. */
const mostQueues = 50_000
const queueLists = new WeakMap<readonly DurableSession[], readonly Appendable['queues'][]>()

/** The same lists for the same audience: the store then writes them once. */
function queuesOf(audience: readonly DurableSession[]): readonly Appendable['queues'][] {
  let lists = queueLists.get(audience)
  if (!lists) {
    const all = audience.map(({ queue }) => queue)
    lists = Array.from({ length: Math.ceil(all.length / mostQueues) }, (_, n) =>
      all.slice(n * mostQueues, (n + 1) * mostQueues),
    )
    queueLists.set(audience, lists)
  }
  return lists
}

function encodeRetained(message: KeptMessage): Buffer {
  const { qos, payload, receivedAt } = message
  return Buffer.concat([encodeMessageHead(message, { qos, retain: true }, 0, receivedAt), payload])
}
