import { cpSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createLog } from '../../../src/base/log.ts'
import { Metrics } from '../../../src/base/metrics.ts'
import { encodeHead } from '../../../src/event/encode.ts'
import type { GridEvent } from '../../../src/event/event.ts'
import { tokenCharacters } from '../../../src/pull/lock-tokens.ts'
import { Outlets, type Stand } from '../../../src/pull/outlets.ts'
import { openEmbeddedStore } from '../../../src/store/engines/embedded/embedded.ts'
import type { Store } from '../../../src/store/store.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

/*
 * Pull delivery without its door, over a real store and a clock moved by hand: what the model is compared with. The
 * store's limits are so small that all of its paths are taken: entries are read again from the journal, moved to its
 * end, and found among a backlog after a restart.
 */

export const settings = { lockMs: 60_000, maxDeliveryCount: 4, eventTimeToLiveMs: 3_600_000 }

export interface Received {
  readonly id: number
  readonly count: number
  readonly token: string
}

export interface GivenUp {
  readonly id: number
  readonly reason: string
}

export type Settling = 'acknowledge' | 'release' | 'reject' | 'renewLock'

/** Everything that the model asks of what it is compared with. */
export interface PullSystem {
  /** Resolves when the events are durable. */
  publish(ids: readonly number[]): Promise<void>
  /** What there is, up to `max`; empty when there is nothing. */
  receive(max: number): Promise<readonly Received[]>
  /** For each token, whether it was good. */
  settle(how: Settling, tokens: readonly string[], delayMs: number): Promise<readonly boolean[]>
  advance(ms: number): Promise<void>
  /** What has been given up since it was asked last. */
  takeGivenUp(): Promise<readonly GivenUp[]>
  /** Events that are left in the queue. */
  entries(): Promise<number>
  /** Stops in good order and starts again. */
  restart(): Promise<void>
}

const storeLimits = {
  segmentBytes: 32 * 1024,
  windowEntries: 200,
  windowEntriesPerQueue: 24,
  windowEntriesAlways: 4,
  postponedEntries: 100_000,
  postponedEntriesPerQueue: 100_000,
  cachedBytes: 24 * 1024,
  readBytes: 2048,
  checkpointBytes: 64 * 1024,
  checkpointMs: 1000,
  cleanAboveBytes: 96 * 1024,
  cleanBytes: 32 * 1024,
  lazyCommitMs: 1,
  commitBytes: 4000,
}

const facts = {
  id: '/ns/topics/t/eventSubscriptions/s',
  name: 's',
  uid: 'uid',
  topicId: '/ns/topics/t',
  settings,
}
const internalId = Buffer.alloc(16)
const nothing = Buffer.alloc(0)
/** Of the events: long enough that a few of them fill what the store reads at a time. */
const padding = 'x'.repeat(200)

export interface LocalSystem extends PullSystem {
  /**
   * Goes on with a copy of what is on disk at this moment, once nothing is being asked: what a kill would leave. The
   * one before learns nothing of it.
   */
  kill(): Promise<void>
  close(): Promise<void>
}

/** In this process. @param now where its clock begins */
export async function openLocalSystem(directory: string, now: number): Promise<LocalSystem> {
  const log = createLog('error')
  const clock = new ManualClock(now)
  let givenUp: GivenUp[] = []
  let store: Store
  let outlets: Outlets
  let stand: Stand
  let life = 0
  const publishing = new Set<Promise<void>>()
  const place = () => join(directory, `life-${life}`)

  const open = async () => {
    store = await openEmbeddedStore({ directory: place(), log, limits: storeLimits })
    outlets = new Outlets({
      ...{ queues: store.queues, clock, metrics: new Metrics(), tokenSecret: Buffer.alloc(32, 1) },
      trace: { attempt: () => {}, postponed: () => {}, deadLettering: () => {}, ended: () => {} },
      createGiver: (_facts, queue) => ({
        busy: false,
        update: () => {},
        close: async () => {},
        drop: async () => {},
        async giveUp(all) {
          await queue.done(all.map(({ lease }) => lease))
          for (const { event, reason } of all) givenUp.push({ id: Number(event.id), reason })
        },
      }),
      batchBytes: 1_000_000,
      onQuiet: () => {},
    })
    await outlets.put(facts)
    stand = outlets.get(facts.uid) as Stand
  }
  const close = async () => {
    await outlets.close(0)
    await store.close()
  }
  clock.settle = async () => {
    do await turn()
    while (outlets.busy)
  }
  await mkdir(directory, { recursive: true })
  const lives = await readdir(directory)
  life = lives.length === 0 ? 0 : Number(lives[0]?.slice('life-'.length))
  await open()

  return {
    async publish(ids) {
      const queues = [stand.outlet.queue]
      const appended = store.queues.append(
        ids.map((id) => {
          const source = Buffer.from(`{"id":"${id}","data":"${padding.slice(id % padding.length)}"}`)
          const event = { schema: 'CloudEventSchemaV1_0', id: String(id), dataVersion: '' } as GridEvent
          const head = encodeHead(event, clock.now(), internalId)
          return { head, source, start: 0, end: source.length, tail: nothing, queues }
        }),
      )
      const done = appended.durable
      publishing.add(done)
      await done.finally(() => publishing.delete(done))
    },
    async receive(max) {
      const receiving = stand.outlet.receive(max, 3_600_000)
      // Nothing comes once nothing is under way: then there is nothing.
      await Promise.race([receiving.batch, quiet(() => outlets.busy)])
      receiving.leave()
      const { events, tokens } = await receiving.batch
      return events.map(({ attempts, event }, n) => ({
        id: Number(event.id),
        count: attempts,
        token: tokens.slice(n * tokenCharacters, (n + 1) * tokenCharacters),
      }))
    },
    async settle(how, tokens, delayMs) {
      const { outlet } = stand
      const results = await {
        acknowledge: () => outlet.acknowledge(tokens),
        release: () => outlet.release(tokens, delayMs),
        reject: () => outlet.reject(tokens),
        renewLock: () => outlet.renew(tokens),
      }[how]()
      return tokens.map((_, n) => results[n] === undefined)
    },
    advance: (ms) => clock.advance(ms),
    async takeGivenUp() {
      await clock.settle()
      const taken = givenUp
      givenUp = []
      return taken
    },
    entries: async () => stand.outlet.queue.counts().entries,
    async restart() {
      await close()
      await open()
    },
    async kill() {
      await Promise.all(publishing)
      await clock.settle()
      const before = place()
      life++
      await copyAtOnce(before, place())
      await close()
      await rm(before, { recursive: true })
      await open()
    },
    close,
  }
}

/** Resolves when it has not been busy for some turns. */
async function quiet(isBusy: () => boolean): Promise<void> {
  for (let turns = 0; turns < 3; turns = isBusy() ? 0 : turns + 1) await turn()
}

/** Nothing of this process goes on meanwhile; but a file that was just being replaced or deleted may be gone. */
async function copyAtOnce(from: string, to: string): Promise<void> {
  for (let attempt = 0; ; attempt++)
    try {
      cpSync(from, to, { recursive: true })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) throw error
      await rm(to, { recursive: true, force: true })
      await turn()
    }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
