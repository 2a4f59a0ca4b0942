import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from '../../base/log.ts'
import { FaultyDisk } from '../../testing/faulty-disk.ts'
import { createRandom } from '../../testing/random.ts'
import { temporaryDirectory } from '../../testing/temporary-directory.ts'
import { type ReadEntry, type Store, StoreUnavailable, type Stream, type StreamEntry } from '../store.ts'
import { openEmbeddedStore } from './embedded/embedded.ts'
import { segmentName } from './embedded/file-journal.ts'
import { inspectStore } from './embedded/inspect.ts'
import type { engines } from './index.ts'
import { MemoryDisk, openMemoryStore } from './memory.ts'

/*
 * What every engine promises of streams; and what the embedded one promises of a disk that fails.
 */

const log = createLog('silent')
/** Small, so that every path is taken. */
const streams = {
  segmentBytes: 2048,
  limits: {
    tailBytes: 700,
    readBytes: 300,
    markBytes: 200,
    markedSegments: 2,
    commitBytes: 500,
    pendingBytes: 10_000,
  },
}

const reopeners: Record<keyof typeof engines, (t: TestContext) => Promise<() => Promise<Store>>> = {
  memory: async () => {
    const disk = new MemoryDisk()
    return async () => openMemoryStore(disk)
  },
  embedded: async (t) => {
    const directory = await temporaryDirectory(t)
    return () => openEmbeddedStore({ directory, log, streams })
  },
}

const endless = { ageMs: 1e12, bytes: 1e9 }
const options = { partitions: 3, retention: endless }
const entry = (partition: number, at: number, text: string): StreamEntry => ({
  ...{ partition, at },
  bytes: Buffer.from(text),
})
const textsOf = (entries: readonly ReadEntry[]) => entries.map(({ bytes }) => bytes.toString())

async function readAll(stream: Stream, partition: number, from = 0, max = 7): Promise<ReadEntry[]> {
  const all: ReadEntry[] = []
  let sequence = from
  for (;;) {
    const some = await stream.read(partition, sequence, max, 1e6)
    if (some.length === 0) return all
    all.push(...some)
    sequence = (some.at(-1)?.sequence ?? 0) + 1
  }
}

for (const [name, prepare] of Object.entries(reopeners)) {
  const scenario = (title: string, run: (reopen: () => Promise<Store>) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => run(await prepare(t)))

  scenario('many read the same entries of a partition, from wherever they like', async (open) => {
    const store = await open()
    const stream = await store.streams.open('s', options)
    await stream.append([entry(0, 10, 'a'), entry(2, 10, 'b'), entry(0, 11, 'c')])
    await stream.append([entry(0, 12, 'd')])
    for (let reader = 0; reader < 2; reader++) {
      assert.deepEqual(textsOf(await stream.read(0, 0, 9, 1e6)), ['a', 'c', 'd'])
      assert.deepEqual(textsOf(await stream.read(0, 1, 1, 1e6)), ['c'])
      assert.deepEqual(textsOf(await stream.read(0, 0, 9, 1)), ['a'])
      assert.deepEqual(textsOf(await stream.read(2, 0, 9, 1e6)), ['b'])
      assert.deepEqual(textsOf(await stream.read(1, 0, 9, 1e6)), [])
      assert.deepEqual(textsOf(await stream.read(0, 3, 9, 1e6)), [])
    }
    const [a, c] = await stream.read(0, 0, 9, 1e6)
    assert.deepEqual([a?.sequence, a?.at, c?.sequence, c?.at], [0, 10, 1, 11])
    await store.close()
  })

  scenario('numbers and places of a partition grow for as long as the stream is there', async (open) => {
    let offset = -1
    let sequence = 0
    for (let life = 0; life < 4; life++) {
      const store = await open()
      const stream = await store.streams.open('s', options)
      assert.equal(stream.facts(1).nextSequence, sequence)
      for (let n = 0; n < 30; n++) await stream.append([entry(1, n, `${n}`), entry(0, n, 'x'.repeat(n + 1))])
      const found = await readAll(stream, 1, sequence)
      assert.deepEqual(
        found.map((each) => each.sequence),
        Array.from({ length: 30 }, (_, n) => sequence + n),
      )
      for (const each of found) {
        assert(each.offset > offset)
        offset = each.offset
      }
      sequence += 30
      assert.deepEqual(stream.facts(1).last, { offset, at: 29 })
      await store.close()
    }
  })

  scenario('everything is read again after a start, however it is read', async (open) => {
    let store = await open()
    let stream = await store.streams.open('s', options)
    const expected: string[][] = [[], [], []]
    const random = createRandom(7)
    for (let n = 0; n < 200; n++) {
      const batch = Array.from({ length: 1 + random.below(4) }, (_, m) => {
        const partition = random.below(3)
        const text = `${n}.${m} ${'.'.repeat(random.below(60))}`
        expected[partition]?.push(text)
        return entry(partition, 1000 + n, text)
      })
      if (random.chance(0.5)) await stream.append(batch)
      else void stream.append(batch)
    }
    for (let life = 0; life < 3; life++) {
      await store.close()
      store = await open()
      stream = await store.streams.open('s', options)
      for (const partition of [0, 1, 2]) {
        const all = await readAll(stream, partition, 0, [3, 50, 1000][life])
        assert.deepEqual(textsOf(all), expected[partition])
        for (const { sequence, offset } of all) {
          assert.equal((await stream.read(partition, sequence, 1, 1))[0]?.sequence, sequence)
          assert.equal(await stream.firstAfter(partition, 'offset', offset), sequence + 1)
          assert.equal(await stream.firstAfter(partition, 'offset', offset - 1), sequence)
        }
        for (const at of [0, 999, 1000, 1007, 1100, 1199, 2000])
          assert.equal(
            await stream.firstAfter(partition, 'at', at),
            all.find((each) => each.at > at)?.sequence ?? all.length,
            `the first after ${at}`,
          )
      }
    }
    await store.close()
  })

  scenario('the listener hears of partitions of which there is more to read', async (open) => {
    const store = await open()
    const stream = await store.streams.open('s', options)
    const heard: (readonly number[])[] = []
    stream.onAppend = (partitions) => {
      heard.push(partitions)
    }
    await stream.append([entry(2, 1, 'a'), entry(0, 1, 'b'), entry(2, 1, 'c')])
    await stream.append([])
    assert.deepEqual(heard, [[2, 0]])
    await store.close()
  })

  scenario('what is too old goes, and the next entry still has the next number', async (open) => {
    let store = await open()
    let stream = await store.streams.open('s', { ...options, retention: { ageMs: 1000, bytes: 1e9 } })
    for (let n = 0; n < 100; n++) await stream.append([entry(0, n * 100, `${n}`)])
    await stream.expire(10_000)
    const { firstSequence, nextSequence } = stream.facts(0)
    assert.equal(nextSequence, 100)
    assert(firstSequence > 80 && firstSequence <= 90, `the first is ${firstSequence}`)
    assert.equal((await stream.read(0, 0, 1, 1))[0]?.sequence, firstSequence)
    await stream.expire(1e9)
    assert.deepEqual(stream.facts(0), {
      firstSequence: 100,
      nextSequence: 100,
      last: { ...stream.facts(0).last, at: 9900 },
    })
    await store.close()
    store = await open()
    stream = await store.streams.open('s', options)
    assert.deepEqual(await stream.read(0, 0, 9, 1e6), [])
    await stream.append([entry(0, 1e9, 'next')])
    assert.deepEqual(
      (await stream.read(0, 0, 9, 1e6)).map(({ sequence }) => sequence),
      [100],
    )
    await store.close()
  })

  scenario('what is too much goes, oldest first, and is counted', async (open) => {
    const store = await open()
    const stream = await store.streams.open('s', { ...options, retention: { ageMs: 1e12, bytes: 6000 } })
    for (let n = 0; n < 300; n++) await stream.append([entry(n % 3, n, `${n}`.padEnd(50))])
    await stream.expire(0)
    const kept = (await Promise.all([0, 1, 2].map((partition) => readAll(stream, partition)))).flat()
    const gone = [0, 1, 2].map((partition) => stream.facts(partition).firstSequence)
    assert(kept.length < 150 && kept.length > 20)
    assert.equal(store.streams.stat().crowdedOut, 300 - kept.length)
    assert.equal(
      gone.reduce((sum, each) => sum + each, 0),
      300 - kept.length,
    )
    assert(store.streams.stat().bytes < 6000 + 2048)
    await store.close()
  })

  scenario('a stream that was dropped is gone, and one of its name begins anew', async (open) => {
    let store = await open()
    const stream = await store.streams.open('s', options)
    await store.streams.open('other', options)
    await stream.append([entry(0, 1, 'a')])
    await store.close()
    store = await open()
    assert.deepEqual(store.streams.names().toSorted(), ['other', 's'])
    await store.streams.drop('s')
    assert.deepEqual(store.streams.names(), ['other'])
    await store.close()
    store = await open()
    assert.deepEqual(store.streams.names(), ['other'])
    const again = await store.streams.open('s', { ...options, partitions: 5 })
    assert.equal(again.facts(4).nextSequence, 0)
    await store.close()
  })

  scenario('a stream has the partitions that it was made with', async (open) => {
    let store = await open()
    const stream = await store.streams.open('s', options)
    await stream.append([entry(2, 1, 'a')])
    await assert.rejects(stream.append([entry(3, 1, 'b')]), RangeError)
    await store.close()
    store = await open()
    await assert.rejects(store.streams.open('s', { ...options, partitions: 2 }), /partitions/)
    await store.close()
  })
}

// ------------------------------------------------------------------------------------------------ a disk that fails

const openOn = async (t: TestContext, disk: FaultyDisk) => {
  const store = await openEmbeddedStore({
    directory: await temporaryDirectory(t),
    log,
    streams: { ...streams, disk: () => disk },
  })
  return { store, stream: await store.streams.open('s', options) }
}

test('a stream cut at any byte of its last record has every entry before it, and takes the next', async (t) => {
  const whole = new FaultyDisk()
  const { stream, store } = await openOn(t, whole)
  for (let n = 0; n < 3; n++) await stream.append([entry(1, n, `entry ${n}`)])
  const before = whole.bytesOf(segmentName(0)).length
  await stream.append([entry(1, 3, 'the last one, which is torn')])
  await store.close()
  const after = whole.bytesOf(segmentName(0)).length
  for (let bytes = before; bytes <= after; bytes++) {
    const disk = whole.crash(0)
    disk.damage(segmentName(0), (content) => content.subarray(0, bytes))
    const found = await openOn(t, disk)
    const left = bytes === after ? 4 : 3
    assert.equal((await readAll(found.stream, 1)).length, left, `cut at byte ${bytes}`)
    await found.stream.append([entry(1, 4, 'next')])
    assert.deepEqual(
      (await readAll(found.stream, 1)).map(({ sequence }) => sequence),
      Array.from({ length: left + 1 }, (_, n) => n),
    )
    await found.store.close()
  }
})

test('a flipped bit in the middle of a stream is refused, and nothing is changed', async (t) => {
  const disk = new FaultyDisk()
  const { stream, store } = await openOn(t, disk)
  for (let n = 0; n < 5; n++) await stream.append([entry(1, n, `entry ${n}`)])
  await store.close()
  disk.damage(segmentName(0), (content) => {
    const at = content.indexOf('entry 2')
    content[at] = (content[at] as number) ^ 1
    return content
  })
  const bytes = Buffer.from(disk.bytesOf(segmentName(0)))
  await assert.rejects(openOn(t, disk), /busbar store check/)
  assert.deepEqual(disk.bytesOf(segmentName(0)), bytes)
})

test('a stream goes on without what repair had to blank, were it the head of a segment', async (t) => {
  const directory = await temporaryDirectory(t)
  const openAgain = () => openEmbeddedStore({ directory, log, streams })
  let store = await openAgain()
  let stream = await store.streams.open('s', options)
  for (let n = 0; n < 150; n++) await stream.append([entry(n % 3, n, `${n}`.padEnd(30))])
  await store.close()
  const folder = join(directory, 'streams', 's')
  const segments = (await readdir(folder)).toSorted()
  assert(segments.length > 2)
  for (const name of segments.slice(0, 2)) {
    const content = await readFile(join(folder, name))
    content[70] = (content[70] as number) ^ 1
    await writeFile(join(folder, name), content)
  }
  store = await openAgain()
  await assert.rejects(store.streams.open('s', options), /busbar store check/)
  await store.close()
  assert.equal((await inspectStore({ directory, mode: 'check' })).ok, false)
  assert.equal((await inspectStore({ directory, mode: 'repair' })).ok, true)
  assert.equal((await inspectStore({ directory, mode: 'check' })).ok, true)
  store = await openAgain()
  stream = await store.streams.open('s', options)
  for (const partition of [0, 1, 2]) {
    const found = await readAll(stream, partition)
    assert.equal(stream.facts(partition).nextSequence, 50)
    assert(found.length >= 49, 'heads alone were damaged')
    assert.deepEqual(
      textsOf(found).map((text) => Number(text) % 3),
      found.map(() => partition),
    )
  }
  await store.close()
})

test('a full disk refuses entries, which are never seen, and takes others once there is room', async (t) => {
  const disk = new FaultyDisk()
  const { stream, store } = await openOn(t, disk)
  await stream.append([entry(0, 1, 'kept')])
  disk.freeBytes = 10
  await assert.rejects(
    stream.append([entry(0, 2, 'refused')]),
    (error) => error instanceof StoreUnavailable && error.retryable,
  )
  disk.freeBytes = Infinity
  await stream.append([entry(0, 3, 'taken again')])
  assert.deepEqual(textsOf(await readAll(stream, 0)), ['kept', 'taken again'])
  await store.close()
  const found = await openOn(t, disk.crash(0))
  assert.deepEqual(textsOf(await readAll(found.stream, 0)), ['kept', 'taken again'])
  await found.store.close()
})

/** All but the newest entries. */
async function free(stream: Stream): Promise<void> {
  stream.retain({ ...endless, bytes: 6_000 })
  // It waits for what is being freed.
  await stream.expire(0)
}

test('who reads where the oldest entries have just gone goes on with the first that is there', async (t) => {
  const disk = new FaultyDisk()
  const { stream, store } = await openOn(t, disk)
  for (let n = 0; n < 400; n++) await stream.append([entry(0, n, `${n}`)])
  // So that the stream remembers where each of them was.
  for (let n = 399; n >= 0; n--) assert.deepEqual(textsOf(await stream.read(0, n, 1, 1e6)), [`${n}`])
  await free(stream)
  const { firstSequence } = stream.facts(0)
  assert(firstSequence > 0)
  assert.deepEqual(textsOf(await stream.read(0, firstSequence, 2, 1e6)), [
    `${firstSequence}`,
    `${firstSequence + 1}`,
  ])
  await store.close()
})

test('a place that goes while it is looked for is followed by the first entry that is there', async (t) => {
  const disk = new FaultyDisk()
  const first = await openOn(t, disk)
  for (let n = 0; n < 400; n++) await first.stream.append([entry(0, n, `${n}`)])
  await first.store.close()
  for (const look of [
    (stream: Stream) => stream.firstAfter(0, 'offset', 100),
    (stream: Stream) => stream.firstAfter(0, 'at', 1),
    async (stream: Stream) => (await stream.read(0, 2, 1, 1e6))[0]?.sequence,
  ]) {
    const copy = disk.crash(0)
    const { stream, store } = await openOn(t, copy)
    copy.beforeRead = async () => {
      copy.beforeRead = undefined
      await free(stream)
    }
    const found = await look(stream)
    assert(stream.facts(0).firstSequence > 100)
    assert.equal(found, stream.facts(0).firstSequence)
    await store.close()
  }
})

test('what is too old goes from a full disk too', async (t) => {
  const disk = new FaultyDisk()
  const { stream, store } = await openOn(t, disk)
  for (let n = 0; n < 400; n++) await stream.append([entry(0, n, `${n}`)])
  stream.retain({ ageMs: 1_000, bytes: 1e9 })
  const files = disk.names.length
  disk.freeBytes = 0
  await stream.expire(1e9).catch(() => {})
  assert(disk.names.length < files)
  assert.equal(disk.names.length, 1)
  disk.freeBytes = Infinity
  await stream.expire(1e9)
  assert.deepEqual(await readAll(stream, 0), [])
  assert.equal(stream.facts(0).nextSequence, 400)
  await store.close()
})

for (const seed of [1, 2, 3])
  test(`crashes at random moments lose no entry of a stream that was acknowledged (seed ${seed})`, async (t) => {
    const random = createRandom(seed)
    let disk = new FaultyDisk()
    const acknowledged: Set<string>[] = [new Set(), new Set(), new Set()]
    let count = 0
    for (let life = 0; life < 15; life++) {
      const { stream, store } = await openOn(t, disk)
      for (const partition of [0, 1, 2]) {
        const texts = textsOf(await readAll(stream, partition, 0, 1 + random.below(40)))
        assert.equal(new Set(texts).size, texts.length)
        for (const text of acknowledged[partition] ?? [])
          assert(texts.includes(text), `life ${life} lost ${text}`)
      }
      for (let step = random.below(40); step > 0; step--) {
        const batch = Array.from({ length: 1 + random.below(5) }, () =>
          entry(random.below(3), count, `${count++}${'.'.repeat(random.below(100))}`),
        )
        const durable = stream.append(batch).then(() => {
          for (const { partition, bytes } of batch) acknowledged[partition]?.add(bytes.toString())
        })
        if (random.chance(0.6)) await durable
        else durable.catch(() => {})
      }
      if (random.chance(0.2)) {
        await store.close()
        disk = disk.crash(0)
      } else disk = disk.crash(random.chance(0.3) ? 1 : random.below(100) / 100)
    }
  })
