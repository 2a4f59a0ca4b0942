import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../../base/log.ts'
import { type JournalLimits, LogQueues } from '../../log-queues.ts'
import type { Store } from '../../store.ts'
import { type Disk, openDisk } from './disk.ts'
import { openFileJournal } from './file-journal.ts'
import { SqliteRecords } from './sqlite-records.ts'

/*
 * Everything in one directory of this machine: records in SQLite, queues in a segmented journal. Whoever opens it
 * has made sure that no other process does.
 */

export interface EmbeddedStoreOptions {
  readonly directory: string
  readonly log: Log
  readonly limits?: Partial<EmbeddedLimits>
  /** Where the journal lives, when it is not the directory itself: a test's failing disk. */
  readonly disk?: Disk
}

export interface EmbeddedLimits extends JournalLimits {
  readonly segmentBytes: number
}

export const defaultSegmentBytes = 64 * 1024 * 1024
export const recordsFile = 'records.sqlite'
export const journalDirectory = 'journal'

/** Only whole segments are freed: where the journal may only take so much room, they are a small part of that. */
function segmentBytesWithin({
  segmentBytes = defaultSegmentBytes,
  journalBytes = 0,
}: Partial<EmbeddedLimits> = {}): number {
  return journalBytes > 0 ? Math.min(segmentBytes, journalBytes / 8) : segmentBytes
}

export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { directory, log, limits } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const disk = options.disk ?? (await openDisk(join(directory, journalDirectory)))
  const recovery: string[] = []
  const journal = await openFileJournal({
    disk,
    segmentBytes: segmentBytesWithin(limits),
    report: (line) => recovery.push(line),
  })
  const queues = new LogQueues({ journal, log, ...(limits && { limits }) })
  let records: SqliteRecords
  try {
    await queues.recover()
    records = new SqliteRecords(join(directory, recordsFile))
  } catch (error) {
    await journal.close()
    throw error
  }
  return {
    records,
    queues,
    recovery: [...recovery, ...queues.recovery],
    async close() {
      try {
        await queues.close()
      } finally {
        await journal.close()
        records.close()
      }
    },
  }
}
