import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createInternalIds } from './internal-ids.ts'
import { outputEventId } from './output-event-id.ts'

const nextId = createInternalIds()

test('internal ids are sixteen bytes and all different, and stay as they are', () => {
  const ids = Array.from({ length: 2_000 }, () => nextId())
  const texts = ids.map((id) => id.toString('hex'))
  assert.equal(new Set(texts).size, ids.length)
  for (let times = 0; times < 2_000; times++) nextId()
  assert.deepEqual(
    ids.map((id) => id.toString('hex')),
    texts,
  )
  assert.ok(ids.every(({ length }) => length === 16))
})

test('an output event id is the same guid each time, and another for each event and event subscription', () => {
  const ids = Array.from({ length: 500 }, () => nextId())
  const uids = Array.from({ length: 20 }, (_, n) => `event-subscription-${n}`)
  const outputs = ids.flatMap((id) => uids.map((uid) => outputEventId(id, uid)))
  assert.deepEqual(
    ids.flatMap((id) => uids.map((uid) => outputEventId(id, uid))),
    outputs,
  )
  assert.equal(new Set(outputs).size, outputs.length)
  for (const output of outputs)
    assert.match(output, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
