import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from '../../../base/log.ts'
import { temporaryDirectory } from '../../../testing/temporary-directory.ts'
import type { Queue } from '../../store.ts'
import { openEmbeddedStore } from './embedded.ts'
import { inspectStore } from './inspect.ts'

const log = createLog('silent')
const none = Buffer.alloc(0)

const open = (directory: string) => openEmbeddedStore({ directory, log, limits: { segmentBytes: 2000 } })

async function append(
  queue: Queue,
  directory: Awaited<ReturnType<typeof open>>,
  text: string,
): Promise<void> {
  const source = Buffer.from(text)
  await directory.queues.append([
    { head: none, source, start: 0, end: source.length, tail: none, queues: [queue] },
  ]).durable
}

/** A closed store with sixty events over several segments. */
async function sixtyEvents(t: TestContext): Promise<string> {
  const directory = await temporaryDirectory(t)
  const store = await open(directory)
  const queue = await store.queues.open('orders')
  for (let n = 0; n < 60; n++) await append(queue, store, `event ${n} ${'.'.repeat(60)}`)
  await store.close()
  return directory
}

async function flip(directory: string, text: string): Promise<string> {
  for (const name of await readdir(join(directory, 'journal'))) {
    const file = join(directory, 'journal', name)
    const content = await readFile(file)
    const at = content.indexOf(text)
    if (!name.endsWith('.journal') || at < 0) continue
    content[at] = (content[at] as number) ^ 1
    await writeFile(file, content)
    return name
  }
  throw new Error(`no segment holds ${text}`)
}

async function drain(directory: string): Promise<string[]> {
  const store = await open(directory)
  const queue = await store.queues.open('orders')
  const texts: string[] = []
  for (;;) {
    const leases = await queue.lease(7, 1e6, 1)
    if (leases.length === 0) break
    texts.push(...leases.map((lease) => lease.bytes.toString().replaceAll('.', '').trim()))
    await queue.done(leases)
  }
  assert.equal(queue.counts().entries, 0)
  await store.close()
  return texts
}

test('check finds nothing wrong with a store that was closed, and stat counts what it holds', async (t) => {
  const directory = await sixtyEvents(t)
  const { ok, lines } = await inspectStore({ directory, mode: 'check' })
  assert.equal(ok, true, lines.join('\n'))
  const stat = await inspectStore({ directory, mode: 'stat' })
  assert.match(stat.lines.join('\n'), /queues {3}1, with 60 entries/)
  assert.match(stat.lines.join('\n'), /orders {2}60 entries/)
})

test('check names the segment and position of damage, and changes nothing', async (t) => {
  const directory = await sixtyEvents(t)
  const name = await flip(directory, 'event 5 ')
  const before = await readFile(join(directory, 'journal', name))
  const { ok, lines } = await inspectStore({ directory, mode: 'check' })
  assert.equal(ok, false)
  assert.match(lines.join('\n'), new RegExp(`${name}: \\d+ bytes at position \\d+ cannot be read`))
  assert.deepEqual(await readFile(join(directory, 'journal', name)), before)
})

for (const damaged of ['event 5 ', 'event 31 '])
  test(`after repair everything but the damaged record (${damaged.trim()}) is delivered`, async (t) => {
    const directory = await sixtyEvents(t)
    const name = await flip(directory, damaged)
    const repaired = await inspectStore({ directory, mode: 'repair' })
    assert.match(repaired.lines.join('\n'), /were blanked; the events in them are lost/)
    assert((await readdir(join(directory, 'journal'))).includes(`${name}.damaged`))
    assert.equal((await inspectStore({ directory, mode: 'check' })).ok, true)
    assert.deepEqual(
      await drain(directory),
      Array.from({ length: 60 }, (_, n) => `event ${n}`).filter((text) => text !== damaged.trim()),
    )
  })

test('a repair goes on without a last record that was durable once, and the other events are there', async (t) => {
  const directory = await sixtyEvents(t)
  const journal = join(directory, 'journal')
  const last = join(
    journal,
    (await readdir(journal))
      .filter((name) => name.endsWith('.journal'))
      .toSorted()
      .at(-1) as string,
  )
  await writeFile(last, (await readFile(last)).subarray(0, -5))
  await assert.rejects(open(directory), /was durable up to/)
  assert.equal((await inspectStore({ directory, mode: 'check' })).ok, false)
  assert.equal((await inspectStore({ directory, mode: 'repair' })).ok, true)
  assert.deepEqual(
    await drain(directory),
    Array.from({ length: 59 }, (_, n) => `event ${n}`),
  )
  assert.equal((await inspectStore({ directory, mode: 'check' })).ok, true)
})
