import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../../base/log.ts'
import { type JournalLimits, LogQueues } from '../../log-queues.ts'
import type { StreamLimits } from '../../log-stream.ts'
import { LogStreams } from '../../log-streams.ts'
import type { Store } from '../../store.ts'
import { type Disk, openDisk } from './disk.ts'
import { openFileJournal } from './file-journal.ts'
import { SqliteRecords } from './sqlite-records.ts'
import { openStreamJournals } from './stream-journals.ts'

/*
 * Everything in one directory of this machine: records in SQLite, queues in a segmented journal, each stream in a
 * segmented journal of its own. Whoever opens it has made sure that no other process does.
 */

export interface EmbeddedStoreOptions {
  readonly directory: string
  readonly log: Log
  readonly limits?: Partial<EmbeddedLimits>
  /** Where the journal lives, when it is not the directory itself: a test's failing disk. */
  readonly disk?: Disk
  readonly streams?: {
    readonly limits?: Partial<StreamLimits>
    readonly segmentBytes?: number
    readonly disk?: (name: string) => Disk
  }
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
  let streams: LogStreams
  try {
    await queues.recover()
    const journals = await openStreamJournals({
      directory,
      ...options.streams,
      // Those that are opened once the store is there are told of in the log.
      report: (line) => log.warn(line),
    })
    streams = new LogStreams({ journals, log, limits: options.streams?.limits })
    records = new SqliteRecords(join(directory, recordsFile))
  } catch (error) {
    await journal.close()
    throw error
  }
  return {
    records,
    queues,
    streams,
    recovery: [...recovery, ...queues.recovery],
    async close() {
      try {
        await streams.close()
        await queues.close()
      } finally {
        await journal.close()
        records.close()
      }
    },
  }
}
