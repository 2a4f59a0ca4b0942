import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '../../base/log.ts'
import { createRandom } from '../../testing/random.ts'
import { temporaryDirectory } from '../../testing/temporary-directory.ts'
import {
  type Appendable,
  type Lease,
  type LockName,
  type Queue,
  RecordConflict,
  type Store,
} from '../store.ts'
import { openEmbeddedStore } from './embedded/embedded.ts'
import { engines } from './index.ts'
import { MemoryDisk, openMemoryStore } from './memory.ts'

const log = createLog('silent')
const none = Buffer.alloc(0)

/** For each engine: how to open it over what it left behind. Small limits, so that every path is taken. */
const reopeners: Record<keyof typeof engines, (t: TestContext) => Promise<() => Promise<Store>>> = {
  memory: async () => {
    const disk = new MemoryDisk()
    return async () => openMemoryStore(disk)
  },
  embedded: async (t) => {
    const directory = await temporaryDirectory(t)
    return () =>
      openEmbeddedStore({
        directory,
        log,
        limits: {
          segmentBytes: 16 * 1024,
          windowEntries: 200,
          windowEntriesPerQueue: 20,
          windowEntriesAlways: 4,
          postponedEntries: 40,
          postponedEntriesPerQueue: 30,
          cachedBytes: 24 * 1024,
          readBytes: 2048,
          checkpointBytes: 24 * 1024,
          checkpointMs: 50,
          cleanAboveBytes: 48 * 1024,
          cleanBytes: 16 * 1024,
          lazyCommitMs: 1,
          commitBytes: 1000,
        },
      })
  },
}

const event = (text: string, queues: readonly Queue[]): Appendable => {
  const source = Buffer.from(`<${text}>`)
  return { head: Buffer.from('h:'), source, start: 1, end: source.length - 1, tail: none, queues }
}
const textOf = (lease: Lease) => lease.bytes.toString()

async function leaseOne(queue: Queue, now = 1): Promise<Lease> {
  const [lease] = await queue.lease(1, 1e6, now)
  assert(lease)
  return lease
}

for (const [name, prepare] of Object.entries(reopeners)) {
  const scenario = (title: string, run: (reopen: () => Promise<Store>, t: TestContext) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => run(await prepare(t), t))

  scenario('an event is leased from every queue that wants it, with the bytes given', async (open) => {
    const store = await open()
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((queue) => store.queues.open(queue)))
    assert(a && b && c)
    await store.queues.append([event('one', [a, b]), event('two', [b])]).durable
    assert.deepEqual((await a.lease(9, 1e6, 1)).map(textOf), ['h:one'])
    assert.deepEqual((await b.lease(9, 1e6, 1)).map(textOf), ['h:one', 'h:two'])
    assert.deepEqual(await c.lease(9, 1e6, 1), [])
    await store.close()
  })

  scenario('sequences are given one by one and are the same on every queue', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    const b = await store.queues.open('b')
    const first = store.queues.append([event('one', [a]), event('two', [a, b])])
    const second = store.queues.append([event('three', [b])])
    await Promise.all([first.durable, second.durable])
    assert.equal(second.firstSequence, first.firstSequence + 2)
    assert.equal((await leaseOne(b)).sequence, first.firstSequence + 1)
    await store.close()
  })

  scenario('a leased entry is not handed out again until it is released', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    await store.queues.append([event('one', [a])]).durable
    const lease = await leaseOne(a)
    assert.deepEqual(await a.lease(1, 1e6, 1), [])
    a.release([lease])
    assert.equal(textOf(await leaseOne(a)), 'h:one')
    await store.close()
  })

  scenario('a lease that has ended can end nothing more', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    await store.queues.append([event('one', [a])]).durable
    const stale = await leaseOne(a)
    a.release([stale])
    await leaseOne(a)
    await a.done([stale])
    await a.postpone(stale, 7, 99, 'stale')
    assert.deepEqual(a.counts(), { entries: 1, leased: 1, postponed: 0, locked: 0 })
    await store.close()
  })

  scenario('a postponed entry is due again at its moment, with its attempts and note', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    await store.queues.append([event('one', [a])]).durable
    await a.postpone(await leaseOne(a), 3, 1000, 'was busy')
    assert.equal(a.nextDueAt(), 1000)
    assert.deepEqual(await a.lease(1, 1e6, 999), [])
    const again = await leaseOne(a, 1000)
    assert.deepEqual([again.attempts, again.note, textOf(again)], [3, 'was busy', 'h:one'])
    await store.close()
  })

  scenario(
    'after a restart finished entries stay finished and the others come with their state',
    async (open) => {
      let store = await open()
      let a = await store.queues.open('a')
      await store.queues.append(['1', '2', '3', '4'].map((text) => event(text, [a]))).durable
      const [one, two, three] = await a.lease(3, 1e6, 1)
      assert(one && two && three)
      await a.done([one])
      await a.postpone(two, 2, 500, 'later')
      await store.close()
      store = await open()
      a = await store.queues.open('a')
      assert.deepEqual(a.counts(), { entries: 3, leased: 0, postponed: 1, locked: 0 })
      assert.deepEqual((await a.lease(9, 1e6, 1)).map(textOf).toSorted(), ['h:3', 'h:4'])
      const late = await leaseOne(a, 500)
      assert.deepEqual([textOf(late), late.attempts, late.note], ['h:2', 2, 'later'])
      await store.close()
    },
  )

  scenario('a lock counts as an attempt and hides its entry until it ends', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    await store.queues.append([event('one', [a])]).durable
    const lease = await leaseOne(a)
    await a.lock([lease], 100, 'locked')
    assert.deepEqual(a.counts(), { entries: 1, leased: 0, postponed: 1, locked: 1 })
    assert.equal(a.nextDueAt(), 100)
    await a.done([lease])
    assert.deepEqual(await a.lease(1, 1e6, 99), [])
    const again = await leaseOne(a, 100)
    assert.deepEqual([again.attempts, again.note, textOf(again)], [1, 'locked', 'h:one'])
    assert.equal(a.counts().locked, 0)
    await store.close()
  })

  scenario('a lock is known by its name, once, and not by that of the lock before', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    await store.queues.append([event('one', [a])]).durable
    const first = await leaseOne(a)
    await a.lock([first], 100, '')
    const held = { sequence: first.sequence, attempts: 1 }
    assert.deepEqual(
      await a.unlock(
        [
          { ...held, attempts: 2 },
          { ...held, sequence: 999 },
        ],
        50,
      ),
      [undefined, undefined],
    )
    assert.deepEqual(await a.unlock([held], 100), [undefined], 'it has ended')
    await a.lock([await leaseOne(a, 100)], 200, '')
    assert.deepEqual(await a.unlock([held], 150), [undefined], 'another one has it')
    const second = { ...held, attempts: 2 }
    const [lease, twice] = await a.unlock([second, second], 199)
    assert(lease && twice === undefined)
    await a.done([lease], 'awaited')
    assert.deepEqual(a.counts(), { entries: 0, leased: 0, postponed: 0, locked: 0 })
    await store.close()
  })

  scenario('locks outlive a restart, and so does what became of them', async (open) => {
    let store = await open()
    let a = await store.queues.open('a')
    await store.queues.append(['1', '2', '3', '4'].map((text) => event(text, [a]))).durable
    const leases = await a.lease(4, 1e6, 1)
    await a.lock(leases, 100, '')
    const names = leases.map(({ sequence }) => ({ sequence, attempts: 1 }))
    const [one, two, three, four] = names
    assert(one && two && three && four)
    const [acknowledged, released] = await a.unlock([one, two], 50)
    assert(acknowledged && released)
    await a.done([acknowledged], 'awaited')
    await a.postpone(released, released.attempts, 60, 'released', 'awaited')
    assert.deepEqual(await a.renew([one, three], 500, 50), [false, true])
    await store.close()
    store = await open()
    a = await store.queues.open('a')
    assert.deepEqual(a.counts(), { entries: 3, leased: 0, postponed: 3, locked: 2 })
    assert.deepEqual(await a.unlock([one, two], 50), [undefined, undefined])
    const [again] = await a.lease(9, 1e6, 60)
    assert(again)
    assert.deepEqual([textOf(again), again.attempts, again.note], ['h:2', 1, 'released'])
    const late = await leaseOne(a, 499)
    assert.equal(textOf(late), 'h:4', 'the renewed one is locked for longer')
    assert.deepEqual(await a.unlock([four], 99), [undefined])
    const [renewed] = await a.unlock([three], 499)
    assert(renewed)
    await a.done([renewed], 'awaited')
    await store.close()
  })

  scenario('a lock whose entry was among a long backlog at a restart is found all the same', async (open) => {
    let store = await open()
    let a = await store.queues.open('a')
    const texts = Array.from({ length: 300 }, (_, n) => `${n}`.padStart(90, '.'))
    for (let n = 0; n < 300; n += 10)
      await store.queues.append(texts.slice(n, n + 10).map((text) => event(text, [a]))).durable
    const names: { sequence: number; attempts: number }[] = []
    while (names.length < 24) {
      const leases = await a.lease(6, 1e6, 1)
      await a.lock(leases, 100, '')
      for (const { sequence } of leases) names.push({ sequence, attempts: 1 })
    }
    await store.close()
    store = await open()
    a = await store.queues.open('a')
    const found = await a.unlock(names, 50)
    assert(found.every((lease) => lease !== undefined))
    await a.done(found.slice(0, 12), 'awaited')
    for (const lease of found.slice(12, 18)) await a.postpone(lease, 1, 60, 'later', 'awaited')
    a.release(found.slice(18))
    await store.close()
    store = await open()
    a = await store.queues.open('a')
    assert.equal(a.counts().entries, 288)
    const seen: string[] = []
    while (a.counts().entries > 0) {
      const leases = await a.lease(7, 1e6, 100)
      if (leases.length === 0) await new Promise((resolve) => setImmediate(resolve))
      seen.push(...leases.map(textOf))
      await a.done(leases)
    }
    assert.deepEqual(
      seen.toSorted(),
      texts.slice(12).map((text) => `h:${text}`),
    )
    await store.close()
  })

  scenario('a dropped queue is gone with its entries, also after a restart', async (open) => {
    let store = await open()
    const a = await store.queues.open('a')
    await store.queues.append([event('one', [a])]).durable
    await store.queues.drop('a')
    assert.deepEqual(store.queues.names(), [])
    await store.close()
    store = await open()
    assert.deepEqual(store.queues.names(), [])
    assert.deepEqual((await store.queues.open('a')).counts(), {
      entries: 0,
      leased: 0,
      postponed: 0,
      locked: 0,
    })
    await store.close()
  })

  scenario('a backlog far larger than memory is handed out whole and in order', async (open) => {
    let store = await open()
    let a = await store.queues.open('a')
    const b = await store.queues.open('b')
    for (let n = 0; n < 60; n++)
      await store.queues.append(
        Array.from({ length: 10 }, (_, i) =>
          event(`${n * 10 + i}`.padStart(90, '.'), i % 5 === 0 ? [a, b] : [a]),
        ),
      ).durable
    assert.equal(a.counts().entries, 600)
    const seen: string[] = []
    const drain = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        const leases = await a.lease(7, 400, 1)
        seen.push(...leases.map(textOf))
        await a.done(leases)
        if (leases.length === 0) return
      }
    }
    await drain(30)
    await store.close()
    store = await open()
    a = await store.queues.open('a')
    await drain(1000)
    assert.deepEqual(
      seen,
      Array.from({ length: 600 }, (_, n) => `h:${`${n}`.padStart(90, '.')}`),
    )
    assert.equal((await store.queues.open('b')).counts().entries, 120)
    await store.close()
  })

  scenario('the listener is called when entries come and when one is postponed or released', async (open) => {
    const store = await open()
    const a = await store.queues.open('a')
    let calls = 0
    a.onReady = () => calls++
    await store.queues.append([event('one', [a])]).durable
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(calls, 1)
    a.release([await leaseOne(a)])
    assert.equal(calls, 2)
    await a.postpone(await leaseOne(a), 1, 5, '')
    assert.equal(calls, 3)
    await store.close()
  })

  scenario(
    'a queue is read whole after a start, whatever was finished, and nothing is claimed',
    async (open) => {
      let store = await open()
      let a = await store.queues.open('a')
      const b = await store.queues.open('b')
      const named = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, n) => event(`${from + n}`, n % 3 === 0 ? [a, b] : [a]))
      await store.queues.append(named(0, 5000)).durable
      for (let left = 1000; left > 0; ) {
        const leases = await a.lease(left, Infinity, 0)
        left -= leases.length
        await a.done(leases)
      }
      await store.close()
      store = await open()
      a = await store.queues.open('a')
      await store.queues.append(named(5000, 6000)).durable
      await store.close()
      store = await open()
      a = await store.queues.open('a')
      const read: number[] = []
      await a.read((bytes) => read.push(Number(bytes.toString().slice(2))))
      assert.deepEqual(
        read.toSorted((x, y) => x - y),
        Array.from({ length: 5000 }, (_, n) => 1000 + n),
      )
      assert.deepEqual(a.counts(), { entries: 5000, leased: 0, postponed: 0, locked: 0 })
      assert(a.bytes >= 5000 * 'h:1000'.length)
      await store.close()
    },
  )

  scenario('what comes to a queue that is set aside is handed out like all else, in order', async (open) => {
    let store = await open()
    let a = await store.queues.open('a')
    const append = async (...texts: string[]) => {
      for (const text of texts) await store.queues.append([event(text, [a])]).durable
    }
    await append('1')
    a.isAside = true
    await append('2', '3')
    a.isAside = false
    await append('4')
    const seen: string[] = []
    const drain = async () => {
      while (a.counts().entries > 0) {
        const leases = await a.lease(10, 1e6, 1)
        seen.push(...leases.map(textOf))
        await a.done(leases)
      }
    }
    await drain()
    a.isAside = true
    await append('5', '6')
    await store.close()
    store = await open()
    a = await store.queues.open('a')
    await append('7')
    await drain()
    assert.deepEqual(seen.join(' '), 'h:1 h:2 h:3 h:4 h:5 h:6 h:7')
    await store.close()
  })

  scenario('events may be appended to a queue that is just being made', async (open) => {
    let store = await open()
    const { queue, durable } = store.queues.begin('a')
    await Promise.all([durable, store.queues.append([event('one', [queue])]).durable])
    assert.equal(await store.queues.open('a'), queue)
    assert.equal(store.queues.begin('a').queue, queue)
    await store.close()
    store = await open()
    assert.equal(textOf(await leaseOne(await store.queues.open('a'))), 'h:one')
    await store.close()
  })

  scenario('several records are written together or not at all', async (open) => {
    const store = await open()
    const kept = await store.records.put('kept', 'before')
    await store.records.put('gone', true)
    const [first = 0, second = 0, third] = await store.records.write([
      { key: 'kept', value: 'after', expected: kept },
      { key: 'new', value: { n: 1 }, expected: 0 },
      { key: 'gone', value: undefined },
    ])
    assert(kept < first && first < second)
    assert.equal(third, 0)
    const changes = [
      { key: 'kept', value: 'never' },
      { key: 'new', value: undefined },
      { key: 'other', value: 1, expected: 9 },
    ]
    await assert.rejects(store.records.write(changes), RecordConflict)
    assert.deepEqual(
      (await store.records.list('')).map(({ key, value, version }) => [key, value, version]),
      [
        ['kept', 'after', first],
        ['new', { n: 1 }, second],
      ],
    )
    assert((await store.records.put('next', 1)) > second)
    assert.deepEqual(await store.records.write([]), [])
    await store.close()
  })

  scenario('records are read page by page in key order, also those beyond the basic plane', async (open) => {
    const store = await open()
    const keys = ['p', 'p/1', 'p/2', 'p/\uffff', 'p/\u{1f600}', 'q']
    await store.records.write(keys.toReversed().map((key) => ({ key, value: key })))
    const read: string[][] = []
    let after: string | undefined
    for (;;) {
      const page = await store.records.page('p', after, 2)
      if (page.length === 0) break
      read.push(page.map(({ key }) => key))
      after = page.at(-1)?.key
    }
    assert.deepEqual(read, [['p', 'p/1'], ['p/2', 'p/\uffff'], ['p/\u{1f600}']])
    assert.deepEqual(await store.records.page('p', undefined, 0), [])
    await store.close()
  })

  scenario('records keep versions, and refuse a write that expected another one', async (open) => {
    let store = await open()
    const first = await store.records.put('a/1', { text: 'é' }, 0)
    await assert.rejects(store.records.put('a/1', {}, 0), RecordConflict)
    const second = await store.records.put('a/1', { n: 2 }, first)
    assert(second > first)
    await store.records.put('a/2', [1])
    await store.records.put('b', null)
    await store.close()
    store = await open()
    assert.deepEqual(
      (await store.records.list('a/')).map(({ key, value }) => [key, value]),
      [
        ['a/1', { n: 2 }],
        ['a/2', [1]],
      ],
    )
    await assert.rejects(store.records.delete('a/1', first), RecordConflict)
    assert.equal(await store.records.delete('a/1', second), true)
    assert.equal(await store.records.delete('a/1'), false)
    assert.equal(await store.records.get('a/1'), undefined)
    assert((await store.records.put('a/1', 1)) > second)
    await store.close()
  })

  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8])
    scenario(`random operations with restarts leave what the oracle says (seed ${seed})`, async (open, t) => {
      await runRandomly(open, t, seed, 500)
    })
}

/** Does the same random things to the engine and to a fresh memory engine, and compares what both say. */
async function runRandomly(
  open: () => Promise<Store>,
  t: TestContext,
  seed: number,
  steps: number,
): Promise<void> {
  const random = createRandom(seed)
  const disk = new MemoryDisk()
  let store = await open()
  t.after(() => store.close().catch(() => {}))
  let oracle = openMemoryStore(disk)
  const names = ['q0', 'q1', 'q2', 'q3']
  let held = new Map<string, { readonly real: Lease; readonly expected: Lease; readonly name: string }>()
  let now = 1000
  let locks: {
    readonly name: string
    readonly real: LockName
    readonly expected: LockName
    readonly text: string
  }[] = []
  const nameOf = ({ sequence, attempts }: Lease): LockName => ({ sequence, attempts: attempts + 1 })
  /** What becomes of some of the locks: both stores know the same ones. */
  const endLocks = async () => {
    const some = locks.filter(() => random.chance(0.5))
    locks = locks.filter((lock) => !some.includes(lock))
    for (const lock of some) {
      const queue = await store.queues.open(lock.name)
      const twin = await oracle.queues.open(lock.name)
      if (random.chance(0.3)) {
        const until = now + 1 + random.below(80)
        assert.deepEqual(
          await queue.renew([lock.real], until, now),
          await twin.renew([lock.expected], until, now),
          `${lock.name} ${lock.text}`,
        )
        locks.push(lock)
        continue
      }
      const [real] = await queue.unlock([lock.real], now)
      const [expected] = await twin.unlock([lock.expected], now)
      assert.equal(real === undefined, expected === undefined, `${lock.name} ${lock.text} at ${now}`)
      if (!real || !expected) continue
      assert.deepEqual([real.attempts, real.note], [expected.attempts, expected.note])
      if (random.chance(0.5)) {
        void queue.done([real], 'awaited')
        await twin.done([expected])
      } else {
        const dueAt = now + random.below(50)
        void queue.postpone(real, real.attempts, dueAt, 'released', 'awaited')
        await twin.postpone(expected, expected.attempts, dueAt, 'released')
      }
    }
  }

  for (let step = 0; step < steps; step++) {
    const real = await Promise.all(names.map((name) => store.queues.open(name)))
    const expected = await Promise.all(names.map((name) => oracle.queues.open(name)))
    const at = random.below(names.length)
    const name = names[at] as string
    const queue = real[at] as Queue
    const twin = expected[at] as Queue
    const key = (lease: Lease) => `${name} ${textOf(lease)}`
    const choice = random.below(100)
    if (choice < 45) {
      const batch = Array.from({ length: 1 + random.below(8) }, (_, n) => {
        const wanted = names.map((_name, index) => index).filter(() => random.chance(0.5))
        return {
          text: `${seed}-${step}-${n}${'x'.repeat(random.below(300))}`,
          wanted: wanted.length ? wanted : [at],
        }
      })
      const append = (to: Store, queues: readonly Queue[]) =>
        to.queues.append(
          batch.map(({ text, wanted }) =>
            event(
              text,
              wanted.map((index) => queues[index] as Queue),
            ),
          ),
        ).durable
      await Promise.all([append(store, real), append(oracle, expected)])
    } else if (choice < 75) {
      let leases = await queue.lease(1 + random.below(12), 1e6, now)
      // An engine holds back while its window is full, or while it moves entries to a new place.
      const full = () => queue.counts().leased + queue.counts().postponed >= 4
      // Which entries come first is free once some were postponed; the oracle follows the engine's choice.
      const offered = await twin.lease(1e6, 1e9, now)
      const byText = new Map(offered.map((lease) => [textOf(lease), lease]))
      for (let turn = 0; offered.length > 0 && leases.length === 0 && !full(); turn++) {
        assert(turn < 100_000, `step ${step}: ${name} has ${offered.length} due, got none`)
        await new Promise((resolve) => setImmediate(resolve))
        leases = await queue.lease(5, 1e6, now)
      }
      for (const lease of leases) {
        const match = byText.get(textOf(lease))
        assert(match, `step ${step}: ${name} handed out ${textOf(lease)}, which is not due`)
        assert.deepEqual([lease.attempts, lease.note], [match.attempts, match.note])
        byText.delete(textOf(lease))
        held.set(key(lease), { real: lease, expected: match, name })
      }
      twin.release([...byText.values()])
    } else if (choice < 94) {
      const mine = [...held].filter(([, lease]) => lease.name === name && random.chance(0.6))
      for (const [heldKey, { real: lease, expected: match }] of mine) {
        held.delete(heldKey)
        const fate = random.below(14)
        if (fate >= 10) {
          const until = now + 1 + random.below(80)
          void queue.lock([lease], until, `lock ${step}`)
          await twin.lock([match], until, `lock ${step}`)
          locks.push({ name, real: nameOf(lease), expected: nameOf(match), text: textOf(lease) })
        } else if (fate < 6) {
          void queue.done([lease])
          await twin.done([match])
        } else if (fate < 9) {
          const dueAt = now + random.below(50)
          void queue.postpone(lease, lease.attempts + 1, dueAt, `note ${step}`)
          await twin.postpone(match, match.attempts + 1, dueAt, `note ${step}`)
        } else {
          queue.release([lease])
          twin.release([match])
        }
      }
    } else if (choice < 97) {
      now += random.below(60)
      await endLocks()
    } else if (choice < 98) {
      await store.queues.drop(name)
      await oracle.queues.drop(name)
      held = new Map([...held].filter(([, lease]) => lease.name !== name))
      locks = locks.filter((lock) => lock.name !== name)
    } else {
      await store.close()
      store = await open()
      oracle = openMemoryStore(disk)
      held.clear()
    }
    const reopened = await store.queues.open(name)
    assert.deepEqual(
      reopened.counts().entries,
      (await oracle.queues.open(name)).counts().entries,
      `step ${step}: entries of ${name}`,
    )
  }
  // Everything that is left comes out, and nothing else.
  await store.close()
  store = await open()
  oracle = openMemoryStore(disk)
  for (const name of names) {
    const queue = await store.queues.open(name)
    const left: string[] = []
    for (let turn = 0; queue.counts().entries > 0; turn++) {
      assert(turn < 20_000, `${name} does not hand out its last entries`)
      const leases = await queue.lease(50, 1e6, now + 1e6)
      if (leases.length === 0) await new Promise((resolve) => setImmediate(resolve))
      left.push(...leases.map((lease) => `${textOf(lease)} ${lease.attempts} ${lease.note}`))
      await queue.done(leases)
    }
    const twin = await oracle.queues.open(name)
    const wanted = (await twin.lease(1e6, 1e9, now + 1e6)).map(
      (lease) => `${textOf(lease)} ${lease.attempts} ${lease.note}`,
    )
    assert.deepEqual(left.toSorted(), wanted.toSorted())
  }
  await store.close()
}
