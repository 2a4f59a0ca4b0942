import { AppendWalk } from './append-format.ts'
import type { Journal, Position } from './journal.ts'
import { RecordType, RecordWalk, recordHeaderBytes } from './record-format.ts'

const noBytes = Buffer.alloc(0)

/** The events of an `append` or `moved` record; undefined for any other. */
export function appendBody(walk: RecordWalk): AppendWalk | undefined {
  if (walk.type === RecordType.append) return new AppendWalk(walk.buffer, walk.bodyStart)
  if (walk.type !== RecordType.moved) return undefined
  return new AppendWalk(walk.buffer, walk.bodyStart + 4 + walk.buffer.readUInt32LE(walk.bodyStart))
}

/**
 * Reads the record at `at` whole and checks it; `guess` is how much of it is needed at least. Empty when the record
 * was blanked by a repair.
 */
export async function readRecord(journal: Journal, at: Position, guess: number): Promise<Buffer> {
  let bytes = Math.max(guess, recordHeaderBytes)
  for (;;) {
    const buffer = await journal.read(at, bytes)
    const walk = new RecordWalk(buffer, true)
    const step = walk.step()
    if (step === 'record') return walk.type === RecordType.filler ? noBytes : buffer.subarray(0, walk.next)
    if (step !== 'short' || walk.needed <= buffer.length || buffer.length < bytes)
      throw new Error(`The event journal is damaged at position ${at}.`)
    bytes = walk.needed
  }
}
