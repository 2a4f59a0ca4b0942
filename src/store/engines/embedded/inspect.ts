import { copyFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createLog } from '../../../base/log.ts'
import { readCheckpoint } from '../../checkpoint.ts'
import { LogQueues } from '../../log-queues.ts'
import { BatchWriter, RecordType, RecordWalk, recordHeaderBytes } from '../../record-format.ts'
import { type Disk, openDisk } from './disk.ts'
import { journalDirectory, recordsFile } from './embedded.ts'
import {
  checkpointNames,
  coveredByCheckpoints,
  openFileJournal,
  segmentHeaderBytes,
  segmentName,
  segmentStarts,
} from './file-journal.ts'
import { streamsDirectory } from './stream-journals.ts'

/*
 * Looks into the store of a server that is not running: what is there, what is damaged, and how to go on without
 * the damaged bytes. Only `repair` writes, and it keeps a copy of every segment that it changes.
 */

export interface InspectOptions {
  /** The store's own directory. */
  readonly directory: string
  readonly mode: 'check' | 'stat' | 'repair'
}

export interface Inspection {
  /** False when something is damaged, or, after a repair, still is. */
  readonly ok: boolean
  /** For the operator to read. */
  readonly lines: readonly string[]
}

/** Bytes of a segment that are no records, counted from the segment's first record. */
interface Damage {
  readonly from: number
  readonly to: number
  /** The write that was under way when the process stopped: nothing acknowledged is in it. */
  readonly torn: boolean
}

/** Rejects when the directory cannot be read, or when a segment is not one. */
export async function inspectStore({ directory, mode }: InspectOptions): Promise<Inspection> {
  await stat(directory)
  const disk = await openDisk(join(directory, journalDirectory))
  return mode === 'stat' ? countAll(directory, disk) : examine(directory, disk, mode === 'repair')
}

async function examine(directory: string, disk: Disk, repair: boolean): Promise<Inspection> {
  const journal = await examineJournal(join(directory, journalDirectory), disk, repair)
  const lines = [...journal.lines]
  let { ok } = journal
  const checkpoints = await readCheckpoints(disk)
  if (checkpoints.length > 0 && !checkpoints.includes(true)) {
    ok = false
    lines.push('No checkpoint can be read.')
  } else if (checkpoints.includes(false))
    lines.push('One of two checkpoints cannot be read; the other one serves.')
  const recordsFault = checkRecords(join(directory, recordsFile))
  if (recordsFault) {
    ok = false
    lines.push(`${recordsFile}: ${recordsFault}`)
  }
  let { segments, records } = journal
  for (const name of await streamNames(directory)) {
    const path = join(directory, streamsDirectory, name)
    const stream = await examineJournal(path, await openDisk(path), repair)
    ok &&= stream.ok
    lines.push(...stream.lines.map((line) => `Stream ${name}: ${line}`))
    segments += stream.segments
    records += stream.records
  }
  lines.push(`${segments} segments with ${records} records ${ok ? 'are whole' : 'were read'}.`)
  return { ok, lines }
}

async function streamNames(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory)
  return names.includes(streamsDirectory) ? readdir(join(directory, streamsDirectory)) : []
}

interface ExaminedJournal extends Inspection {
  readonly segments: number
  readonly records: number
}

/** @param path of the folder that the disk is */
async function examineJournal(path: string, disk: Disk, repair: boolean): Promise<ExaminedJournal> {
  const lines: string[] = []
  let ok = true
  const starts = segmentStarts(await disk.list())
  const covered = await coveredByCheckpoints(disk)
  let records = 0
  for (const [index, start] of starts.entries()) {
    const name = segmentName(start)
    const next = starts[index + 1]
    const file = await disk.open(name, false)
    const content = await file.read(await file.size(), 0)
    const bytes = content.subarray(segmentHeaderBytes)
    const found = findDamage(bytes, next === undefined ? undefined : next - start, covered - start)
    records += found.records
    for (const { from, to, torn } of found.damage) {
      const where = `${name}: ${to - from} bytes at position ${start + from}`
      if (torn)
        lines.push(
          `${where} are an unfinished write; the next start cuts them, nothing acknowledged is lost.`,
        )
      else if (!repair) {
        ok = false
        lines.push(`${where} cannot be read. 'busbar store repair' goes on without them.`)
      }
    }
    const holes = found.damage.filter(({ torn }) => !torn)
    if (repair && holes.length > 0) {
      const copy = join(path, `${name}.damaged`)
      await copyFile(join(path, name), copy)
      lines.push(`${name}: the damaged segment was copied to ${copy}.`)
      for (const { from, to } of holes) {
        await file.write(filler(to - from), segmentHeaderBytes + from)
        lines.push(
          `${name}: ${to - from} bytes at position ${start + from} were blanked; the events in them are lost.`,
        )
      }
    }
    await file.close()
  }
  return { ok, lines, segments: starts.length, records }
}

/**
 * @param expected how many bytes of records there must be, where another segment follows
 * @param covered how many there were once, at least, as a checkpoint says
 */
function findDamage(
  bytes: Buffer,
  expected: number | undefined,
  covered: number,
): { damage: Damage[]; records: number } {
  const damage: Damage[] = []
  const walk = new RecordWalk(bytes)
  let records = 0
  for (;;) {
    const step = walk.step()
    if (step === 'record') {
      records++
      continue
    }
    const from = walk.at
    if (step === 'end') {
      const to = expected ?? covered
      if (to > from) damage.push({ from, to, torn: false })
      return { damage, records }
    }
    // Readable again where a record begins whose batch began behind the broken place.
    let seekFrom = from + 1
    let resumed = false
    while (!resumed && walk.seek(seekFrom)) {
      const at = walk.next
      walk.step()
      if (at - walk.batchOffset > from || expected !== undefined) {
        damage.push({ from, to: at, torn: false })
        records++
        resumed = true
      } else seekFrom = at + 1
    }
    if (resumed) continue
    const to = expected ?? Math.max(bytes.length, covered)
    damage.push({ from, to, torn: expected === undefined && covered <= from })
    return { damage, records }
  }
}

/** A record of so many bytes that says nothing; its inside is zeros. */
function filler(bytes: number): Buffer {
  const writer = new BatchWriter(Buffer.alloc(bytes))
  writer.begin(RecordType.filler, bytes - recordHeaderBytes - 1)
  writer.zeros(bytes - recordHeaderBytes - 1)
  writer.end()
  return writer.buffer
}

async function readCheckpoints(disk: Disk): Promise<boolean[]> {
  const present = new Set(await disk.list())
  const readable: boolean[] = []
  for (const name of checkpointNames) {
    if (!present.has(name)) continue
    const file = await disk.open(name, false)
    readable.push(readCheckpoint(await file.read(await file.size(), 0)) !== undefined)
    await file.close()
  }
  return readable
}

function checkRecords(file: string): string | undefined {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const answer = database.prepare('PRAGMA integrity_check(1)').get()?.integrity_check
    return answer === 'ok' ? undefined : String(answer)
  } finally {
    database.close()
  }
}

async function countAll(directory: string, disk: Disk): Promise<Inspection> {
  const lines: string[] = []
  const journal = await openFileJournal({
    disk: readOnly(disk),
    segmentBytes: 0,
    report: (line) => lines.push(line),
  })
  try {
    const queues = new LogQueues({ journal, log: createLog('silent') })
    await queues.recover()
    lines.push(...queues.recovery)
    const { bytes, segments } = journal.stat()
    const all = await Promise.all(queues.names().map((name) => queues.open(name)))
    const entries = all.reduce((sum, queue) => sum + queue.counts().entries, 0)
    lines.push(
      `journal  ${segments} segments, ${bytes} bytes`,
      `queues   ${all.length}, with ${entries} entries`,
    )
    for (const queue of all) {
      const counts = queue.counts()
      if (counts.entries > 0)
        lines.push(`  ${queue.name}  ${counts.entries} entries, ${counts.postponed} postponed`)
    }
  } finally {
    await journal.close()
  }
  for (const name of await streamNames(directory)) {
    const stream = await openDisk(join(directory, streamsDirectory, name))
    const files = await Promise.all(
      segmentStarts(await stream.list()).map((start) => stream.open(segmentName(start), false)),
    )
    const sizes = await Promise.all(files.map((file) => file.size()))
    await Promise.all(files.map((file) => file.close()))
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    lines.push(`stream   ${name}: ${files.length} segments, ${bytes} bytes`)
  }
  const names = await readdir(directory)
  if (names.includes(recordsFile)) {
    const database = new DatabaseSync(join(directory, recordsFile), { readOnly: true })
    lines.push(
      `records  ${Number(database.prepare('SELECT count(*) AS records FROM records').get()?.records)}`,
    )
    database.close()
  }
  return { ok: true, lines }
}

/** The same disk, of which nothing is changed: what recovery would cut stays. */
function readOnly(disk: Disk): Disk {
  const refuse = () => Promise.reject(new Error('The store was opened for reading only.'))
  return {
    list: () => disk.list(),
    remove: async () => {},
    rename: refuse,
    replace: refuse,
    async open(name) {
      const file = await disk.open(name, false)
      return {
        size: () => file.size(),
        read: (bytes, at) => file.read(bytes, at),
        close: () => file.close(),
        write: refuse,
        truncate: async () => {},
      }
    },
  }
}
