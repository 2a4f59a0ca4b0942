import type { LogQueue, Postponement } from './log-queue.ts'
import { type BatchWriter, RecordType } from './record-format.ts'

/*
 * What readers said of entries, since the last commit.
 *
 *   body of `finished`:   | groups u32 | queue id u32 | entries u32 | sequence u48 ... | ...
 *   body of `postponed`:  | entries u32 | queue id u32 | sequence u48 | attempts u32 | due at f64 | note u16 + UTF-8 | ...
 *   body of `locked`:     | entries u32 | queue id u32 | sequence u48 | locked as u48 | attempts u32 | due at f64 | note ... | ...
 *
 * `locked` holds entries that are not locked too, where they were postponed between those that are: of two states of
 * one entry the later one counts.
 */

export interface SaidOfQueue {
  readonly queue: LogQueue
  readonly finished: readonly number[]
  readonly postponements: readonly Postponement[]
}
export type Said = readonly SaidOfQueue[]

/** A full disk can hold back any number of these: they are written in records of at most so many entries. */
const mostFinishedPerRecord = 100_000
const mostPostponedPerRecord = 500

/** Writes the records of all that was said. */
export function writeSaid(writer: BatchWriter, said: Said): void {
  // In this order: an entry may have been postponed, leased again and finished since the last commit.
  const postponed = said.flatMap(({ queue, postponements }) =>
    postponements.map((postponement) => ({ id: queue.id, postponement })),
  )
  for (let from = 0; from < postponed.length; from += mostPostponedPerRecord) {
    const part = postponed.slice(from, from + mostPostponedPerRecord)
    let bytes = 4
    for (const { postponement } of part) bytes += 30 + 3 * postponement.note.length
    const withLocks = part.some(({ postponement }) => postponement.lockedAs > 0)
    writer.begin(withLocks ? RecordType.locked : RecordType.postponed, bytes)
    writer.u32(part.length)
    for (const { id, postponement } of part)
      if (withLocks) writeLocked(writer, id, postponement)
      else writePostponement(writer, id, postponement)
    writer.end()
  }
  let part: SaidOfQueue[] = []
  let entries = 0
  const flush = () => {
    if (entries === 0) return
    writer.begin(RecordType.finished, 4 + 8 * part.length + 6 * entries)
    writeFinished(writer, part)
    writer.end()
    part = []
    entries = 0
  }
  for (const of of said)
    for (let from = 0; from < of.finished.length; ) {
      const finished = of.finished.slice(from, from + mostFinishedPerRecord - entries)
      part.push({ ...of, finished })
      entries += finished.length
      from += finished.length
      if (entries === mostFinishedPerRecord) flush()
    }
  flush()
}

export function writeFinished(writer: BatchWriter, said: Said): void {
  const groups = said.filter(({ finished }) => finished.length > 0)
  writer.u32(groups.length)
  for (const { queue, finished } of groups) {
    writer.u32(queue.id)
    writer.u32(finished.length)
    for (const sequence of finished) writer.u48(sequence)
  }
}

export function readFinished(
  buffer: Buffer,
  bodyStart: number,
  visit: (queueId: number, sequence: number) => void,
): void {
  let at = bodyStart + 4
  for (let groups = buffer.readUInt32LE(bodyStart); groups > 0; groups--) {
    const id = buffer.readUInt32LE(at)
    let entries = buffer.readUInt32LE(at + 4)
    for (at += 8; entries > 0; entries--, at += 6) visit(id, buffer.readUIntLE(at, 6))
  }
}

/** One entry of a `postponed` body. */
export function writePostponement(writer: BatchWriter, queueId: number, postponement: Postponement): void {
  writer.u32(queueId)
  writer.u48(postponement.sequence)
  writer.u32(postponement.attempts)
  writer.f64(postponement.dueAt)
  writer.text(postponement.note)
}

/** One entry of a `locked` body. */
function writeLocked(writer: BatchWriter, queueId: number, postponement: Postponement): void {
  writer.u32(queueId)
  writer.u48(postponement.sequence)
  writer.u48(postponement.lockedAs)
  writer.u32(postponement.attempts)
  writer.f64(postponement.dueAt)
  writer.text(postponement.note)
}

/** Answers with the offset behind the last entry. */
export function readPostponed(
  buffer: Buffer,
  bodyStart: number,
  visit: (queueId: number, postponement: Postponement) => void,
): number {
  let at = bodyStart + 4
  for (let left = buffer.readUInt32LE(bodyStart); left > 0; left--) {
    const noteEnd = at + 24 + buffer.readUInt16LE(at + 22)
    visit(buffer.readUInt32LE(at), {
      sequence: buffer.readUIntLE(at + 4, 6),
      attempts: buffer.readUInt32LE(at + 10),
      dueAt: buffer.readDoubleLE(at + 14),
      note: buffer.toString('utf8', at + 24, noteEnd),
      lockedAs: 0,
    })
    at = noteEnd
  }
  return at
}

export function readLocked(
  buffer: Buffer,
  bodyStart: number,
  visit: (queueId: number, postponement: Postponement) => void,
): void {
  let at = bodyStart + 4
  for (let left = buffer.readUInt32LE(bodyStart); left > 0; left--) {
    const noteEnd = at + 30 + buffer.readUInt16LE(at + 28)
    visit(buffer.readUInt32LE(at), {
      sequence: buffer.readUIntLE(at + 4, 6),
      lockedAs: buffer.readUIntLE(at + 10, 6),
      attempts: buffer.readUInt32LE(at + 16),
      dueAt: buffer.readDoubleLE(at + 20),
      note: buffer.toString('utf8', at + 30, noteEnd),
    })
    at = noteEnd
  }
}

/**
 * What follows the postponements of a `moved` record: `| entries u32 | queue id u32 | sequence u48 | locked as u48 | ...`,
 * with the sequences that the record gives. Records written before there were locks end without it.
 */
export function writeMovedLocks(writer: BatchWriter, locks: readonly MovedLock[]): void {
  writer.u32(locks.length)
  for (const { queueId, sequence, lockedAs } of locks) {
    writer.u32(queueId)
    writer.u48(sequence)
    writer.u48(lockedAs)
  }
}

export interface MovedLock {
  readonly queueId: number
  readonly sequence: number
  readonly lockedAs: number
}

/** Reads the states of a moved record's entries, from `at` to the record's `end`. */
export function readMovedStates(
  buffer: Buffer,
  at: number,
  end: number,
  visit: (queueId: number, postponement: Postponement) => void,
): void {
  const states: { readonly queueId: number; readonly state: Postponement }[] = []
  const locksAt = readPostponed(buffer, at, (queueId, state) => states.push({ queueId, state }))
  const lockedAs = new Map<string, number>()
  if (locksAt < end)
    for (let left = buffer.readUInt32LE(locksAt), from = locksAt + 4; left > 0; left--, from += 16)
      lockedAs.set(
        `${buffer.readUInt32LE(from)} ${buffer.readUIntLE(from + 4, 6)}`,
        buffer.readUIntLE(from + 10, 6),
      )
  for (const { queueId, state } of states)
    visit(queueId, { ...state, lockedAs: lockedAs.get(`${queueId} ${state.sequence}`) ?? 0 })
}
