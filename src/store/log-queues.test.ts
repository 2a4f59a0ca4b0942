import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '../base/log.ts'
import { FaultyDisk } from '../testing/faulty-disk.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import type { DiskFile } from './engines/embedded/disk.ts'
import { type EmbeddedLimits, openEmbeddedStore } from './engines/embedded/embedded.ts'
import { type Appendable, type Queue, type Store, StoreUnavailable } from './store.ts'

const none = Buffer.alloc(0)
const event = (text: string, ...queues: readonly Queue[]): Appendable => {
  const source = Buffer.from(text)
  return { head: none, source, start: 0, end: source.length, tail: none, queues }
}
const quick = { fullRetryMs: 2, checkpointMs: 2, lazyCommitMs: 1 }

const open = async (t: TestContext, disk: FaultyDisk, limits: Partial<EmbeddedLimits> = {}) => {
  const directory = await temporaryDirectory(t)
  const store = await openEmbeddedStore({
    directory,
    log: createLog('silent'),
    disk,
    limits: { ...quick, ...limits },
  })
  t.after(() => store.close().catch(() => {}))
  return store
}

/** Tells when it is read. */
class ReadingDisk extends FaultyDisk {
  onRead: (() => void) | undefined

  override async open(name: string, create: boolean): Promise<DiskFile> {
    const file = await super.open(name, create)
    return {
      ...file,
      read: (bytes, at) => {
        this.onRead?.()
        return file.read(bytes, at)
      },
    }
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 5000
  while (!holds()) {
    assert(performance.now() < giveUpAt, `it never came to be that ${what}`)
    await turn()
  }
}

/** Everything the queue hands out, as a reader who only asks again when there was something, or when called. */
async function drain(queue: Queue): Promise<string[]> {
  const texts: string[] = []
  for (let idle = 0; queue.counts().entries > 0 && idle < 50; ) {
    const leases = await queue.lease(100, 1e6, Number.MAX_SAFE_INTEGER)
    idle = leases.length > 0 ? 0 : idle + 1
    texts.push(...leases.map((lease) => lease.bytes.toString()))
    await queue.done(leases)
  }
  return texts
}
const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n}`)
const appendAll = async (store: Store, texts: readonly string[], ...queues: Queue[]) => {
  for (const text of texts) await store.queues.append([event(text, ...queues)]).durable
}

test('who opens a queue while it is being made gets it when it is durable, or the same refusal', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  disk.freeBytes = 0
  const both = await Promise.allSettled([store.queues.open('q'), store.queues.open('q')])
  for (const { status } of both) assert.equal(status, 'rejected')
  disk.freeBytes = Infinity
  const [one, two] = await Promise.all([store.queues.open('q'), store.queues.open('q')])
  assert.equal(one, two)
  await appendAll(store, ['kept'], one)
  assert.deepEqual(await drain(await (await open(t, disk.crash(0))).queues.open('q')), ['kept'])
})

test('a queue whose drop could not be written is dropped when there is room again', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk, { checkpointMs: 1e8 })
  const queue = await store.queues.open('q')
  await appendAll(store, ['gone'], queue)
  disk.freeBytes = 0
  await assert.rejects(store.queues.drop('q'), StoreUnavailable)
  disk.freeBytes = Infinity
  await store.queues.open('other')
  assert.deepEqual((await open(t, disk.crash(0))).queues.names(), ['other'])
})

test('what is finished while the disk is full, however much, is written when it is not', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk, { windowEntriesPerQueue: 300_000, windowEntries: 300_000 })
  const queue = await store.queues.open('q')
  const count = 200_000
  await store.queues.append(numbers(count).map((text) => event(text, queue))).durable
  const leases = await queue.lease(count, 1e9, 1)
  assert.equal(leases.length, count)
  disk.freeBytes = 0
  await assert.rejects(queue.done(leases), StoreUnavailable)
  await assert.rejects(store.queues.append([event('x', queue)]).durable, StoreUnavailable)
  disk.freeBytes = Infinity
  await queue.done([])
  const again = await (await open(t, disk.crash(0))).queues.open('q')
  assert.equal(again.counts().entries, 0)
})

test('when a full window has room again, the reader is called for what lies behind it', async (t) => {
  const store = await open(t, new FaultyDisk(), { windowEntriesPerQueue: 4, windowEntriesAlways: 2 })
  const queue = await store.queues.open('q')
  await appendAll(store, numbers(10), queue)
  await turn()
  const leases = await queue.lease(100, 1e6, 1)
  assert.equal(leases.length, 4)
  assert.deepEqual(await queue.lease(100, 1e6, 1), [])
  let called = false
  queue.onReady = () => (called = true)
  void queue.done(leases)
  await until('the reader is called', () => called)
  assert.equal((await queue.lease(100, 1e6, 1)).length, 4)
})

test('when the window of all queues has room again, the reader of another queue is called', async (t) => {
  const limits = { windowEntries: 6, windowEntriesPerQueue: 5, windowEntriesAlways: 2 }
  const store = await open(t, new FaultyDisk(), limits)
  const [a, b] = [await store.queues.open('a'), await store.queues.open('b')]
  await appendAll(store, numbers(4), a)
  await appendAll(store, numbers(6), b)
  await turn()
  const ofA = await a.lease(100, 1e6, 1)
  const ofB = await b.lease(100, 1e6, 1)
  assert.equal(ofA.length, 4)
  assert.equal(ofB.length, 2)
  assert.deepEqual(await b.lease(100, 1e6, 1), [])
  let called = false
  b.onReady = () => (called = true)
  void a.done(ofA)
  await until('the reader is called', () => called)
  assert.equal((await b.lease(100, 1e6, 1)).length, 3)
})

test('new events are handed out while thousands wait for another attempt', async (t) => {
  const limits = { windowEntriesPerQueue: 8, windowEntriesAlways: 2, windowEntries: 20 }
  const disk = new FaultyDisk()
  const store = await open(t, disk, limits)
  const queue = await store.queues.open('q')
  const tried: string[] = []
  for (let n = 0; n < 2000; n += 10) {
    await store.queues.append(numbers(10).map((_, i) => event(`${n + i}`, queue))).durable
    for (;;) {
      const leases = await queue.lease(5, 1e6, 1)
      if (leases.length === 0) break
      for (const lease of leases) {
        tried.push(lease.bytes.toString())
        void queue.postpone(lease, 1, 1_000_000 + n, '')
      }
    }
  }
  assert.deepEqual(tried, numbers(2000))
  assert.deepEqual(queue.counts(), { entries: 2000, leased: 0, postponed: 2000, locked: 0 })
  await queue.done([])
  const again = await (await open(t, disk.crash(0), limits)).queues.open('q')
  assert.deepEqual(await again.lease(10, 1e6, 1), [])
  assert.deepEqual(again.counts(), { entries: 2000, leased: 0, postponed: 2000, locked: 0 })
  assert.deepEqual((await drain(again)).toSorted(), numbers(2000).toSorted())
})

test('a journal that took the room it may take accepts events again when they are delivered', async (t) => {
  const store = await open(t, new FaultyDisk(), { journalBytes: 20_000 })
  const queue = await store.queues.open('q')
  const old = await store.queues.open('old')
  await appendAll(store, ['straggler'], old)
  const [straggler] = await old.lease(1, 1e6, 1)
  assert(straggler)
  for (let round = 0; round < 5; round++) {
    const full = async () => {
      for (;;) await appendAll(store, ['x'.repeat(200)], queue)
    }
    await assert.rejects(full(), StoreUnavailable)
    await drain(queue)
    // Leased while the front was first cleaned, it is moved later.
    if (round === 0) void old.postpone(straggler, 1, 1000, '')
    await until('there is room', () => {
      try {
        void store.queues.append([event('y', queue)]).durable
        return true
      } catch {
        return false
      }
    })
  }
  assert.deepEqual(await drain(old), ['straggler'])
})

test('what is on disk already may change its queue when the journal took the room it may take', async (t) => {
  const store = await open(t, new FaultyDisk(), { journalBytes: 20_000 })
  const queue = await store.queues.open('q')
  const other = await store.queues.open('q/other')
  const full = async () => {
    for (;;) await appendAll(store, ['x'.repeat(200)], queue)
  }
  await assert.rejects(full(), StoreUnavailable)
  await store.queues.append([event('moved', other)], { moving: true }).durable
  assert.deepEqual(await drain(other), ['moved'])
})

test('an entry moved to the end is handed out, with the events appended behind it in one commit', async (t) => {
  const disk = new ReadingDisk()
  const limits = {
    ...{ windowEntriesPerQueue: 3, windowEntriesAlways: 2, segmentBytes: 2048 },
    ...{ cleanAboveBytes: 8192, cleanBytes: 4096, checkpointMs: 1e8, checkpointBytes: 4096 },
  }
  const store = await open(t, disk, limits)
  const [queue, other] = [await store.queues.open('q'), await store.queues.open('other')]
  await appendAll(store, ['moved', 'leased', 'leased too'], queue)
  const leases = await queue.lease(3, 1e6, 1)
  queue.release(leases.slice(0, 1))
  let appended: Promise<void> | undefined
  // The move reads the entry, and writes it in the turn in which this event is appended, with a full window.
  disk.onRead = () => {
    disk.onRead = undefined
    setImmediate(() => {
      appended = store.queues.append([event('behind', queue)]).durable
    })
  }
  for (let n = 0; disk.onRead; n++) {
    assert(n < 1000, 'the journal was never cleaned')
    await appendAll(store, ['.'.repeat(900)], other)
    await other.done(await other.lease(1, 1e6, 1))
  }
  await until('it was appended', () => appended !== undefined)
  await appended
  await queue.done(leases.slice(1))
  assert.deepEqual((await drain(queue)).toSorted(), ['behind', 'moved'])
})

test('events that one record cannot hold are refused, for they could not be read again', async (t) => {
  const store = await open(t, new FaultyDisk())
  const queue = await store.queues.open('q')
  const source = Buffer.alloc(64 * 1024 * 1024)
  const large = { head: none, source, start: 0, end: source.length, tail: none, queues: [queue] }
  assert.throws(() => store.queues.append([large]), RangeError)
  await appendAll(store, ['fits'], queue)
  assert.deepEqual(await drain(queue), ['fits'])
})

test('a store closes when a reader has just said nothing', { timeout: 5000 }, async (t) => {
  const store = await open(t, new FaultyDisk())
  const queue = await store.queues.open('q')
  await queue.done([])
  void queue.done([])
  await store.close()
})
