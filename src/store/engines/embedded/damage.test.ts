import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '../../../base/log.ts'
import { FaultyDisk } from '../../../testing/faulty-disk.ts'
import { createRandom } from '../../../testing/random.ts'
import { temporaryDirectory } from '../../../testing/temporary-directory.ts'
import { recordHeaderBytes } from '../../record-format.ts'
import { type Appendable, type Queue, type Store, StoreUnavailable } from '../../store.ts'
import { type EmbeddedLimits, openEmbeddedStore } from './embedded.ts'
import { JournalDamaged, segmentHeaderBytes, segmentName } from './file-journal.ts'

const log = createLog('silent')
const none = Buffer.alloc(0)
const event = (text: string, queues: readonly Queue[]): Appendable => {
  const source = Buffer.from(text)
  return { head: none, source, start: 0, end: source.length, tail: none, queues }
}

const open = async (t: TestContext, disk: FaultyDisk, limits: Partial<EmbeddedLimits> = {}) =>
  openEmbeddedStore({
    directory: await temporaryDirectory(t),
    log,
    disk,
    limits: { fullRetryMs: 5, ...limits },
  })

async function drain(store: Store, name: string): Promise<string[]> {
  const queue = await store.queues.open(name)
  const texts: string[] = []
  while (queue.counts().entries > 0) {
    const leases = await queue.lease(100, 1e6, Number.MAX_SAFE_INTEGER)
    texts.push(...leases.map((lease) => lease.bytes.toString()))
    await queue.done(leases)
  }
  return texts
}

/** A disk with ten events, each in a record of its own, as a crash would leave it. */
async function tenEvents(t: TestContext): Promise<FaultyDisk> {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  const queue = await store.queues.open('q')
  for (let n = 0; n < 10; n++) await store.queues.append([event(`event ${n}`, [queue])]).durable
  return disk.crash(0)
}
const first = segmentName(0)
const texts = (count: number) => Array.from({ length: count }, (_, n) => `event ${n}`)

test('a journal cut at any byte opens with every record before the cut, and says what was cut', async (t) => {
  const whole = await tenEvents(t)
  const size = whole.bytesOf(first).length
  let lost = 10
  for (let bytes = size; bytes > segmentHeaderBytes + 200; bytes -= 7) {
    const disk = whole.crash(0)
    disk.damage(first, (content) => content.subarray(0, bytes))
    const store = await open(t, disk)
    const left = await drain(store, 'q')
    assert.deepEqual(left, texts(left.length))
    assert(
      left.length >= lost - 1 && left.length <= lost,
      'at most one more record goes with seven more bytes',
    )
    lost = left.length
    if (left.length < 10 && bytes < size && store.recovery.length > 0)
      assert.match(store.recovery.join(), /cut at/)
    await store.close()
  }
  assert(lost < 10)
})

test('a flipped bit in the last record costs that record alone, and is reported', async (t) => {
  const disk = await tenEvents(t)
  disk.damage(first, (content) => {
    content[content.length - 3] = (content.at(-3) as number) ^ 0x10
    return content
  })
  const store = await open(t, disk)
  assert.match(store.recovery.join(), /cut at the last whole record/)
  assert.deepEqual(await drain(store, 'q'), texts(9))
  await store.close()
})

test('a flipped bit before the last commit is no torn tail: the journal is refused and left as it is', async (t) => {
  const disk = await tenEvents(t)
  disk.damage(first, (content) => {
    const at = content.indexOf('event 4')
    content[at] = (content[at] as number) ^ 1
    return content
  })
  const before = Buffer.from(disk.bytesOf(first))
  await assert.rejects(open(t, disk), (error) => {
    assert(error instanceof JournalDamaged)
    assert.match(error.message, /segment 0+\.journal at position \d+.*busbar store repair/)
    return true
  })
  assert.deepEqual(disk.bytesOf(first), before)
})

test('a last record that a checkpoint knows of is no torn tail, however it was lost', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  const queue = await store.queues.open('q')
  for (let n = 0; n < 10; n++) await store.queues.append([event(`event ${n}`, [queue])]).durable
  await store.close()
  for (const lost of [1, recordHeaderBytes + 1 + 10 + 2 + 4 + 4 + 7]) {
    const found = disk.crash(0)
    found.damage(first, (content) => content.subarray(0, -lost))
    const before = Buffer.from(found.bytesOf(first))
    await assert.rejects(open(t, found), /busbar store check/)
    assert.deepEqual(found.bytesOf(first), before)
  }
})

/** A backlog of which some was read since the first of two checkpoints, the newer of which is damaged. */
async function fallenBack(t: TestContext): Promise<FaultyDisk> {
  const limits = { segmentBytes: 2048, windowEntriesPerQueue: 4, windowEntriesAlways: 2, checkpointMs: 1e8 }
  const disk = new FaultyDisk()
  let store = await open(t, disk, limits)
  let queue = await store.queues.open('q')
  for (let n = 0; n < 100; n++) await store.queues.append([event(`event ${n}`.padEnd(200), [queue])]).durable
  for (let life = 0; life < 3; life++) {
    for (let n = 0; n < (life === 2 ? 60 : 1); n++) await queue.done(await queue.lease(1, 1e6, 1))
    await store.close()
    store = await open(t, disk, limits)
    queue = await store.queues.open('q')
  }
  await queue.done(await queue.lease(1, 1e6, 1))
  const found = disk.crash(0)
  found.damage('checkpoint', (content) => content.subarray(0, -1))
  return found
}

test('recovery from the checkpoint before loses nothing that was freed since or is still there', async (t) => {
  const store = await open(t, await fallenBack(t))
  assert.match(store.recovery.join(), /newest checkpoint cannot be read/)
  const left = (await drain(store, 'q')).map((text) => text.trim())
  assert.deepEqual(left, texts(100).slice(63))
  await store.close()
})

test('a damaged checkpoint does not take the place of the one that recovery used instead', async (t) => {
  const disk = await fallenBack(t)
  const store = await open(t, disk)
  disk.failNextReplace = 'EIO'
  await assert.rejects(store.close())
  const again = await open(t, disk.crash(0))
  assert.equal((await drain(again, 'q')).length, 37)
  await again.close()
})

test('a full disk refuses new events, keeps delivering, and recovers by itself', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  const queue = await store.queues.open('q')
  await store.queues.append([event('kept', [queue])]).durable
  disk.freeBytes = 10
  await assert.rejects(
    store.queues.append([event('refused', [queue])]).durable,
    (error) => error instanceof StoreUnavailable && error.retryable,
  )
  const leases = await queue.lease(1, 1e6, 1)
  assert.equal(leases[0]?.bytes.toString(), 'kept')
  void queue.done(leases).catch(() => {})
  disk.freeBytes = Infinity
  await store.queues.append([event('accepted again', [queue])]).durable
  await store.close()
  const reopened = await open(t, disk.crash(0))
  assert.deepEqual(await drain(reopened, 'q'), ['accepted again'])
  await reopened.close()
})

test('what readers said while the disk was full is written when it is not', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  const queue = await store.queues.open('q')
  await store.queues.append([event('one', [queue]), event('two', [queue])]).durable
  const leases = await queue.lease(1, 1e6, 1)
  disk.freeBytes = 0
  await assert.rejects(queue.done(leases))
  disk.freeBytes = Infinity
  await queue.done(await queue.lease(0, 0, 1))
  const reopened = await open(t, disk.crash(0))
  assert.deepEqual(await drain(reopened, 'q'), ['two'])
  await reopened.close()
})

test('a failed write or sync is final: nothing more is accepted, and what was accepted is still delivered', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  const queue = await store.queues.open('q')
  await store.queues.append([event('kept', [queue])]).durable
  disk.failNextWrite = 'EIO'
  const final = (error: unknown) => error instanceof StoreUnavailable && !error.retryable
  await assert.rejects(store.queues.append([event('refused', [queue])]).durable, final)
  assert.throws(() => store.queues.append([event('refused too', [queue])]), final)
  assert.equal((await queue.lease(1, 1e6, 1))[0]?.bytes.toString(), 'kept')
  const reopened = await open(t, disk.crash(0))
  assert.deepEqual(await drain(reopened, 'q'), ['kept'])
})

test('a queue that could not be made durable does not exist', async (t) => {
  const disk = new FaultyDisk()
  const store = await open(t, disk)
  disk.freeBytes = 0
  await assert.rejects(store.queues.open('q'), StoreUnavailable)
  assert.deepEqual(store.queues.names(), [])
})

for (const seed of [1, 2, 3, 4])
  test(`crashes at random moments lose nothing that was acknowledged and bring back nothing finished (seed ${seed})`, async (t) => {
    const random = createRandom(seed)
    let disk = new FaultyDisk()
    const limits = {
      segmentBytes: 8192,
      windowEntriesPerQueue: 10,
      windowEntriesAlways: 2,
      windowEntries: 30,
      postponedEntries: 20,
      postponedEntriesPerQueue: 12,
      cachedBytes: 4096,
      readBytes: 1024,
      checkpointBytes: 6000,
      checkpointMs: 5,
      cleanAboveBytes: 20_000,
      cleanBytes: 8192,
      lazyCommitMs: 1,
      commitBytes: 500,
    }
    const names = ['a', 'b', 'c']
    const acknowledged = new Map(names.map((name) => [name, new Set<string>()]))
    /** Asked for, not answered: either way is right. */
    const unsure = new Map(names.map((name) => [name, new Set<string>()]))
    let count = 0
    for (let life = 0; life < 12; life++) {
      const store = await open(t, disk, limits)
      const queues = new Map<string, Queue>()
      for (const name of names) queues.set(name, await store.queues.open(name))
      for (let step = random.below(30); step > 0; step--) {
        const name = names[random.below(3)] as string
        const queue = queues.get(name) as Queue
        if (random.chance(0.6)) {
          const wanted = names.filter(() => random.chance(0.6))
          if (wanted.length === 0) wanted.push(name)
          const batch = Array.from(
            { length: 1 + random.below(4) },
            () => `${count++}${'.'.repeat(random.below(200))}`,
          )
          for (const text of batch) for (const want of wanted) unsure.get(want)?.add(text)
          const { durable } = store.queues.append(
            batch.map((text) =>
              event(
                text,
                wanted.map((want) => queues.get(want) as Queue),
              ),
            ),
          )
          const answered = durable.then(() => {
            for (const text of batch)
              for (const want of wanted) {
                unsure.get(want)?.delete(text)
                acknowledged.get(want)?.add(text)
              }
          })
          if (random.chance(0.7)) await answered
        } else {
          const leases = await queue.lease(1 + random.below(6), 1e6, 1)
          const finished = leases.filter(() => random.chance(0.6))
          const late = leases.filter((lease) => !finished.includes(lease))
          for (const lease of late)
            void queue.postpone(lease, lease.attempts + 1, random.chance(0.5) ? 1 : 1e9, 'late')
          for (const lease of finished) {
            acknowledged.get(name)?.delete(lease.bytes.toString())
            unsure.get(name)?.add(lease.bytes.toString())
          }
          const answered = queue.done(finished).then(() => {
            for (const lease of finished) unsure.get(name)?.delete(lease.bytes.toString())
          })
          if (random.chance(0.7)) await answered
        }
      }
      disk = disk.crash(random.chance(0.5) ? 1 : random.below(100) / 100)
      // What the crash left is judged on a copy, so that the next life begins from the crash itself.
      const judged = await open(t, disk.crash(0), limits)
      disk = disk.crash(0)
      for (const name of names) {
        const left = await drain(judged, name)
        assert.equal(new Set(left).size, left.length, `life ${life}: ${name} hands an entry out twice`)
        for (const text of acknowledged.get(name) ?? [])
          assert(left.includes(text), `life ${life}: ${name} lost ${text.slice(0, 20)}`)
        const allowed = new Set([...(acknowledged.get(name) ?? []), ...(unsure.get(name) ?? [])])
        for (const text of left)
          assert(allowed.has(text), `life ${life}: ${name} brought back ${text.slice(0, 20)}`)
        // Whatever was unsure is known now.
        acknowledged.set(name, new Set(left))
        unsure.set(name, new Set())
      }
      await judged.close()
    }
  })

test('a queue that was dropped on a full disk and made again is one queue after a crash in between', async (t) => {
  for (let torn = 0; torn <= 1; torn += 0.05) {
    const disk = new FaultyDisk()
    const store = await open(t, disk)
    const queue = await store.queues.open('q')
    await store.queues.append([event('before', [queue])]).durable
    disk.freeBytes = 0
    await assert.rejects(store.queues.drop('q'), StoreUnavailable)
    disk.freeBytes = Infinity
    // The write of both, the new queue and the old one's end, is cut somewhere.
    void store.queues.open('q').catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    const found = await open(t, disk.crash(torn))
    const { windowEntries } = found.queues as unknown as { readonly windowEntries: number }
    assert.deepEqual(found.queues.names(), ['q'])
    assert.equal((await found.queues.open('q')).counts().entries, windowEntries, `cut at ${torn}`)
    await found.close()
  }
})
