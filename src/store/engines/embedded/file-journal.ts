import { coveredBy, isCheckpoint, readCheckpoint } from '../../checkpoint.ts'
import type { Position, SegmentedJournal } from '../../journal.ts'
import { RecordWalk } from '../../record-format.ts'
import { StoreUnavailable } from '../../store.ts'
import type { Disk, DiskFile } from './disk.ts'

/*
 * A journal in segment files. A segment is named by the position of its first record:
 *
 *   00000000000067108864.journal      | 'BUSBARJ1' | position f64 | 16 spare bytes | records ...
 *
 * and is never written again once the next one exists. A batch never spans two segments. What was torn by a
 * crash in the last segment is cut when it is opened; damage anywhere else is refused with its place.
 */

export const segmentHeaderBytes = 32
const segmentMagic = 'BUSBARJ1'
const segmentSuffix = '.journal'
export const checkpointNames = ['checkpoint', 'checkpoint.previous'] as const

export interface FileJournalOptions {
  readonly disk: Disk
  /** A segment is closed before it grows beyond this. */
  readonly segmentBytes: number
  /** What recovery found, in words. */
  readonly report: (line: string) => void
}

interface Segment {
  readonly start: Position
  /** Bytes of records. */
  bytes: number
  file: DiskFile | undefined
}

export const segmentName = (start: Position) => `${String(start).padStart(20, '0')}${segmentSuffix}`

/** The positions at which segments begin, from the names of files. */
export const segmentStarts = (names: readonly string[]): readonly Position[] =>
  names
    .filter((name) => /^\d{20}\.journal$/.test(name))
    .map((name) => Number(name.slice(0, 20)))
    .toSorted((a, b) => a - b)

/** Damage that no crash explains; `position` is where the journal cannot be read. */
export class JournalDamaged extends Error {
  readonly segment: string
  readonly position: Position
  constructor(segment: string, position: Position, what: string) {
    super(
      `The event journal is damaged in segment ${segment} at position ${position}: ${what}. ` +
        "Nothing was changed. 'busbar store check' shows the extent; 'busbar store repair' keeps a copy of the " +
        'segment and goes on without the damaged bytes.',
    )
    this.name = 'JournalDamaged'
    this.segment = segment
    this.position = position
  }
}

/** How much of the last segment is whole, and what stands behind that. */
export type Tail =
  | { readonly kind: 'whole'; readonly bytes: number }
  /** The write that was under way when the process or the machine stopped. */
  | { readonly kind: 'torn'; readonly bytes: number }
  /** Bytes that were durable once: a record behind them began its batch later. */
  | { readonly kind: 'damaged'; readonly bytes: number; readonly resumesAt: number }

/** Judges the records in `bytes`, which begin at a record. Offsets are counted from there. */
export function judgeTail(bytes: Buffer): Tail {
  const walk = new RecordWalk(bytes)
  for (;;) {
    const step = walk.step()
    if (step === 'end') return { kind: 'whole', bytes: bytes.length }
    if (step === 'record') continue
    const broken = walk.at
    let from = broken + 1
    while (walk.seek(from)) {
      const found = walk.next
      walk.step()
      if (found - walk.batchOffset > broken) return { kind: 'damaged', bytes: broken, resumesAt: found }
      from = found + 1
    }
    return { kind: 'torn', bytes: broken }
  }
}

export async function openFileJournal(options: FileJournalOptions): Promise<FileJournal> {
  const segments: Segment[] = []
  try {
    const starts = segmentStarts(await options.disk.list())
    for (const [index, start] of starts.entries())
      await openSegment(options, start, starts[index + 1], segments)
  } catch (error) {
    for (const { file } of segments) await file?.close()
    throw error
  }
  return new FileJournal(options, segments)
}

/** Adds the segment that begins at `start` to `segments`; `next` is where the one behind it does. */
async function openSegment(
  options: FileJournalOptions,
  start: Position,
  next: Position | undefined,
  segments: Segment[],
): Promise<void> {
  const { disk, report } = options
  const name = segmentName(start)
  const file = await disk.open(name, false)
  const segment: Segment = { start, bytes: (await file.size()) - segmentHeaderBytes, file }
  segments.push(segment)
  const header = await file.read(segmentHeaderBytes, 0)
  if (!isHeader(header, start)) {
    // Only a segment made in the last moment before a crash may lack its header; it then holds nothing.
    if (next !== undefined || segment.bytes > 0)
      throw new JournalDamaged(name, start, 'its header is not one of a segment')
    segments.pop()
    await file.close()
    await disk.remove(name)
    report(`Segment ${name} was just being made; it was removed, it held nothing.`)
  } else if (next === undefined) await cutTail(segment, name, options)
  else if (start + segment.bytes !== next)
    throw new JournalDamaged(name, start + segment.bytes, `the next segment begins at ${next}`)
}

async function cutTail(segment: Segment, name: string, options: FileJournalOptions): Promise<void> {
  const file = segment.file as DiskFile
  const tail = judgeTail(await file.read(segment.bytes, segmentHeaderBytes))
  if (tail.kind === 'damaged')
    throw new JournalDamaged(
      name,
      segment.start + tail.bytes,
      `${tail.resumesAt - tail.bytes} bytes cannot be read, and whole records follow them`,
    )
  if (tail.kind === 'torn') {
    const covered = await coveredByCheckpoints(options.disk)
    if (covered > segment.start + tail.bytes)
      throw new JournalDamaged(
        name,
        segment.start + tail.bytes,
        `what follows cannot be read, and a checkpoint says that it was durable up to position ${covered}`,
      )
    await file.truncate(segmentHeaderBytes + tail.bytes)
    options.report(
      `Segment ${name} ended in ${segment.bytes - tail.bytes} bytes of a write that was never acknowledged; ` +
        `it was cut at the last whole record, position ${segment.start + tail.bytes}.`,
    )
    segment.bytes = tail.bytes
  }
}

async function loadCheckpoints(disk: Disk): Promise<readonly Buffer[]> {
  const present = new Set(await disk.list())
  const found: Buffer[] = []
  for (const name of checkpointNames) {
    if (!present.has(name)) continue
    const file = await disk.open(name, false)
    found.push(await file.read(await file.size(), 0))
    await file.close()
  }
  return found
}

/** The position up to which the journal was durable when its newest readable checkpoint was written. */
export async function coveredByCheckpoints(disk: Disk): Promise<Position> {
  for (const bytes of await loadCheckpoints(disk)) {
    const checkpoint = readCheckpoint(bytes)
    if (checkpoint) return coveredBy(checkpoint)
  }
  return 0
}

function isHeader(header: Buffer, start: Position): boolean {
  return (
    header.length === segmentHeaderBytes &&
    header.toString('latin1', 0, 8) === segmentMagic &&
    header.readDoubleLE(8) === start
  )
}

export class FileJournal implements SegmentedJournal {
  readonly #disk: Disk
  readonly #segmentBytes: number
  readonly #segments: Segment[]
  #end: Position
  #writtenBytes = 0
  #failure: StoreUnavailable | undefined
  #newestIsWhole = true
  /** The next batch begins a segment, even where it would fit into the last. */
  #isClosed = false

  constructor({ disk, segmentBytes }: FileJournalOptions, segments: Segment[]) {
    this.#disk = disk
    this.#segmentBytes = segmentBytes
    this.#segments = segments
    const last = segments.at(-1)
    this.#end = last ? last.start + last.bytes : 0
  }

  get start(): Position {
    return this.#segments[0]?.start ?? this.#end
  }

  get end(): Position {
    return this.#end
  }

  async append(batch: Buffer): Promise<void> {
    if (this.#failure) throw this.#failure
    let file: DiskFile | undefined
    let sizeBefore = 0
    try {
      const segment = await this.#segmentFor(batch.length)
      file = segment.file as DiskFile
      sizeBefore = segmentHeaderBytes + segment.bytes
      await file.write(batch, sizeBefore)
      segment.bytes += batch.length
      this.#end += batch.length
      this.#writtenBytes += batch.length
    } catch (error) {
      throw await this.#fail(error, file, sizeBefore)
    }
  }

  /**
   * A full disk is refused and tried again with the next batch. Any other failure is final: what the disk holds
   * after a failed sync cannot be known, and a second sync would claim what the first one lost.
   */
  async #fail(error: unknown, file: DiskFile | undefined, sizeBefore: number): Promise<StoreUnavailable> {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      try {
        await file?.truncate(sizeBefore)
        return new StoreUnavailable('The disk that holds the data directory is full.', true, error)
      } catch (second) {
        error = second
      }
    }
    this.#failure = new StoreUnavailable(
      'Writing the event journal failed; no event is accepted until Busbar is started again.',
      false,
      error,
    )
    return this.#failure
  }

  segments(): readonly Position[] {
    return this.#segments.map(({ start }) => start)
  }

  /** Whether a batch of so many bytes will be the first in its segment. */
  beginsSegment(bytes: number): boolean {
    const last = this.#segments.at(-1)
    return !last || last.bytes === 0 || !this.#fits(last, bytes)
  }

  closeSegment(): void {
    this.#isClosed = true
  }

  #fits(segment: Segment, bytes: number): boolean {
    return segment.bytes === 0 || (!this.#isClosed && segment.bytes + bytes <= this.#segmentBytes)
  }

  async #segmentFor(bytes: number): Promise<Segment> {
    const last = this.#segments.at(-1)
    if (last && this.#fits(last, bytes)) return last
    const start = this.#end
    const name = segmentName(start)
    const file = await this.#disk.open(name, true)
    const header = Buffer.alloc(segmentHeaderBytes)
    header.write(segmentMagic, 'latin1')
    header.writeDoubleLE(start, 8)
    try {
      await file.write(header, 0)
    } catch (error) {
      await file.close()
      await this.#disk.remove(name)
      throw error
    }
    const segment = { start, bytes: 0, file }
    this.#segments.push(segment)
    this.#isClosed = false
    return segment
  }

  async read(from: Position, bytes: number): Promise<Buffer> {
    const segment = this.#segmentAt(from)
    if (!segment) return Buffer.alloc(0)
    const left = segment.start + segment.bytes - from
    return (segment.file as DiskFile).read(Math.min(bytes, left), segmentHeaderBytes + from - segment.start)
  }

  #segmentAt(position: Position): Segment | undefined {
    const segments = this.#segments
    let low = 0
    let high = segments.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((segments[middle] as Segment).start <= position) low = middle + 1
      else high = middle
    }
    const segment = segments[low - 1]
    return segment && position < segment.start + segment.bytes ? segment : undefined
  }

  async dropBefore(position: Position): Promise<void> {
    // The last segment stays, however old: it is being written.
    while (this.#segments.length > 1 && (this.#segments[1] as Segment).start <= position) {
      const segment = this.#segments.shift() as Segment
      await segment.file?.close()
      await this.#disk.remove(segmentName(segment.start))
    }
  }

  async loadCheckpoints(): Promise<readonly Buffer[]> {
    const found = await loadCheckpoints(this.#disk)
    this.#newestIsWhole = found[0] !== undefined && isCheckpoint(found[0])
    return found
  }

  async saveCheckpoint(bytes: Buffer): Promise<void> {
    const [newest, previous] = checkpointNames
    // Between the two steps only the previous one exists; recovery then starts from that and replays more.
    // One that recovery could not read does not take the place of the one it could.
    if (this.#newestIsWhole && (await this.#disk.list()).includes(newest))
      await this.#disk.rename(newest, previous)
    await this.#disk.replace(newest, bytes)
    this.#newestIsWhole = true
  }

  stat() {
    let bytes = 0
    for (const segment of this.#segments) bytes += segmentHeaderBytes + segment.bytes
    return { bytes, segments: this.#segments.length, writtenBytes: this.#writtenBytes }
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.file?.close()
  }
}
