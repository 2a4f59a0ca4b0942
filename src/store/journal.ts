/** A place in the journal: a count of bytes since its very first record, never used twice. */
export type Position = number

/**
 * All that the queue code asks of whatever keeps its records: append a batch durably, read from a position, drop
 * before a position, and keep a checkpoint. A file on this machine does it, and so can a replicated stream.
 */
export interface Journal {
  /** The first position that can still be read. */
  readonly start: Position
  /** Where the next batch will begin; all before it is durable. */
  readonly end: Position
  /**
   * Appends a batch of whole records (record-format.ts) at `end`, durable when it resolves. One at a time: the
   * caller gathers. Rejects with `StoreUnavailable` and has then appended nothing.
   */
  append(batch: Buffer): Promise<void>
  /** Up to `bytes` bytes from `from` on; fewer only at `end` and where the journal is cut into pieces. */
  read(from: Position, bytes: number): Promise<Buffer>
  /** Nothing before `position` is needed any more; frees what it can. */
  dropBefore(position: Position): Promise<void>
  /** The newest checkpoints first; each may turn out to be unreadable. */
  loadCheckpoints(): Promise<readonly Buffer[]>
  saveCheckpoint(bytes: Buffer): Promise<void>
  stat(): { readonly bytes: number; readonly segments: number; readonly writtenBytes: number }
  close(): Promise<void>
}

/** A journal in pieces, for whoever frees it piece by piece and must know where they begin. */
export interface SegmentedJournal extends Journal {
  /** Where segments begin; the last may be empty yet. */
  segments(): readonly Position[]
  /** Whether a batch of so many bytes will be the first in its segment. */
  beginsSegment(bytes: number): boolean
  /** The next batch begins a segment, even where it would fit into the last. */
  closeSegment(): void
}
