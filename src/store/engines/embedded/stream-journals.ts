import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { StreamJournals } from '../../log-streams.ts'
import { type Disk, openDisk } from './disk.ts'
import { openFileJournal } from './file-journal.ts'

/*
 * The journals of streams, each in a folder of its own that has the stream's name.
 */

export const streamsDirectory = 'streams'

/** A segment is so small a part of what a stream may take: only whole ones are freed. */
const segmentsPerStream = 64
const smallestSegmentBytes = 1024 * 1024
/** The last one is read whole at a start. */
const largestSegmentBytes = 64 * 1024 * 1024

const segmentBytesOf = (mostBytes: number): number =>
  Math.min(Math.max(Math.floor(mostBytes / segmentsPerStream), smallestSegmentBytes), largestSegmentBytes)

const nameForm = /^[a-z0-9][a-z0-9-]{0,99}$/i

export interface StreamJournalsOptions {
  /** The store's own. */
  readonly directory: string
  readonly report: (line: string) => void
  /** Default: a part of what the stream may take. */
  readonly segmentBytes?: number | undefined
  /** Where a journal lives, when it is not a folder: a test's failing disk. */
  readonly disk?: ((name: string) => Disk) | undefined
}

export async function openStreamJournals(options: StreamJournalsOptions): Promise<StreamJournals> {
  const { report, segmentBytes } = options
  const directory = join(options.directory, streamsDirectory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = (name: string) => {
    // It becomes the name of a folder.
    if (!nameForm.test(name)) throw new RangeError(`'${name}' is no name of a stream.`)
    return join(directory, name)
  }
  return {
    names: (await readdir(directory)).filter((name) => nameForm.test(name)),
    async open(name, mostBytes) {
      const disk = options.disk?.(name) ?? (await openDisk(path(name)))
      return openFileJournal({
        disk,
        segmentBytes: segmentBytes ?? segmentBytesOf(mostBytes),
        report: (line) => report(`Stream ${name}: ${line}`),
      })
    },
    remove: (name) => rm(path(name), { recursive: true, force: true }),
  }
}
