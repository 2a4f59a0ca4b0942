import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { readCheckpoint } from './checkpoint.ts'

/** What a version wrote that knew no locks: one queue, with one postponed entry in its window and nothing unread. */
function checkpointWithoutLocks(): Buffer {
  const f64 = (value: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(value)
    return bytes
  }
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    return bytes
  }
  const text = (value: string) => Buffer.concat([u32(value.length), Buffer.from(value)])
  const rest = Buffer.concat([
    ...[f64(42), u32(3), f64(1000), u32(1)],
    ...[u32(2), text('uid'), f64(1000)],
    ...[f64(0), f64(0), u32(0), f64(0), f64(77), u32(0), u32(0)],
    ...[u32(1), f64(41), f64(900), u32(0), u32(30), u32(77)],
    ...[u32(5), f64(123_456), text('was busy')],
  ])
  return Buffer.concat([Buffer.from('BUSBARC1'), u32(crc32(rest)), rest])
}

test('a checkpoint that was written before there were locks is read, with every entry unlocked', () => {
  const checkpoint = readCheckpoint(checkpointWithoutLocks())
  assert.equal(checkpoint?.nextSequence, 42)
  const [queue] = checkpoint.queues
  assert.equal(queue?.name, 'uid')
  assert.deepEqual(queue.window, [
    {
      ...{ sequence: 41, recordAt: 900, index: 0, offset: 30, length: 77 },
      ...{ attempts: 5, dueAt: 123_456, note: 'was busy', lockedAs: 0 },
    },
  ])
})

test('a checkpoint of which a byte has changed is none', () => {
  const bytes = checkpointWithoutLocks()
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ 1
    assert.equal(readCheckpoint(changed), undefined, `byte ${at}`)
  }
})
