import type { Journal, Position } from './journal.ts'
import type { Entry } from './queue-entry.ts'
import { readRecord } from './read-record.ts'
import { RecordWalk } from './record-format.ts'
import type { Unread } from './unread.ts'

export interface WholeQueue {
  readonly id: number
  readonly journal: Journal
  readonly window: Iterable<Entry>
  /** A copy: it is moved to its end. */
  readonly unread: Unread
  /** Nothing is read from here on. */
  readonly end: Position
  readonly readBytes: number
}

/** Shows the stored bytes of every entry of a queue, which nobody uses meanwhile; none is claimed. */
export async function readWholeQueue(queue: WholeQueue, visit: (bytes: Buffer) => void): Promise<void> {
  const { id, journal, window, unread, end, readBytes } = queue
  let record: { readonly at: Position; readonly bytes: Buffer } = { at: -1, bytes: Buffer.alloc(0) }
  for (const entry of [...window]) {
    if (entry.chunk) {
      const at = entry.recordAt - entry.chunk.position + entry.offset
      visit(entry.chunk.buffer.subarray(at, at + entry.length))
      continue
    }
    const entryEnd = entry.offset + entry.length
    if (record.at !== entry.recordAt || record.bytes.length < entryEnd)
      record = { at: entry.recordAt, bytes: await readRecord(journal, entry.recordAt, entryEnd) }
    // Empty where a repair has blanked it.
    if (record.bytes.length > 0) visit(record.bytes.subarray(entry.offset, entryEnd))
  }
  let bytes: number | undefined
  while (unread.count > 0) {
    unread.skip()
    if (unread.at < journal.start) unread.moveTo(journal.start, 0)
    const from = unread.at
    const buffer = await journal.read(from, Math.min(bytes ?? unread.readableBytes(readBytes), end - from))
    if (buffer.length === 0) return
    const walk = new RecordWalk(buffer, true)
    unread.take(walk, from, id, everything, {
      entry: ({ recordAt, offset, length }) => {
        const at = recordAt - from + offset
        visit(buffer.subarray(at, at + length))
      },
      finished: () => {},
    })
    // Not one whole record in what was read: the record is larger than that.
    bytes = walk.next === 0 ? walk.needed : undefined
    if (unread.count > 0 && bytes !== undefined && bytes <= buffer.length)
      throw new Error(`The event journal cannot be read at position ${from}.`)
  }
}

const everything = { before: undefined, hasRoom: () => true }
