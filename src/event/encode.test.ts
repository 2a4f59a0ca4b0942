import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderOf } from '../testing/events.ts'
import { decodeStored, encodeHead } from './encode.ts'
import type { GridEvent } from './event.ts'
import { createInternalIds } from './internal-ids.ts'

const nextId = createInternalIds()
const publishedAt = Date.UTC(2026, 10, 21, 13)

const storedBytes = (event: GridEvent, internalId: Buffer) =>
  Buffer.concat([
    encodeHead(event, publishedAt, internalId),
    event.source.subarray(event.start, event.end),
    event.tail,
  ])

test('what was stored is read back', () => {
  for (const id of ['1', '', 'ä€𝄞', 'x'.repeat(100_000)]) {
    const internalId = nextId()
    const [event] = decoderOf('EventGridSchema')({
      body: Buffer.from(
        JSON.stringify([
          { id, subject: 's', eventType: 't', eventTime: '2026-11-21', dataVersion: 'vä', data: 1 },
        ]),
      ),
      contentType: undefined,
      rawHeaders: [],
    })
    const stored = decodeStored(storedBytes(event as GridEvent, internalId))
    assert.equal(stored.schema, 'EventGridSchema')
    assert.equal(stored.id, id)
    assert.equal(stored.dataVersion, 'vä')
    assert.equal(stored.publishedAt, publishedAt)
    assert.deepEqual(Buffer.from(stored.internalId), Buffer.from(internalId))
    assert.deepEqual(JSON.parse(stored.body.toString()), event?.envelope)
  }
})

test('stored bytes of a format that is not known are a bug, not an event', () => {
  assert.throws(() => decodeStored(Buffer.alloc(64, 9)), /format 9/)
})
