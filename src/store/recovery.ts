import { coveredBy, readCheckpoint, type SavedQueue } from './checkpoint.ts'
import type { Position } from './journal.ts'
import { LogQueue, type Postponement, type QueueOwner } from './log-queue.ts'
import { Entry } from './queue-entry.ts'
import { appendBody } from './read-record.ts'
import { RecordType, RecordWalk } from './record-format.ts'
import { readFinished, readLocked, readMovedStates, readPostponed } from './said-format.ts'
import type { Ahead } from './unread.ts'

/*
 * What a start finds: the queues of the newest readable checkpoint, and whatever the journal says happened since.
 */

export interface Recovered {
  readonly queues: readonly LogQueue[]
  readonly nextSequence: number
  readonly nextQueueId: number
  readonly replayedFrom: Position
  /** For the operator to read; empty when there is nothing to say. */
  readonly lines: readonly string[]
}

const replayReadBytes = 4 * 1024 * 1024

/** Rejects when the journal is damaged where it must be replayed. */
export async function recoverQueues(owner: QueueOwner): Promise<Recovered> {
  const { journal } = owner
  const lines: string[] = []
  const checkpoints = (await journal.loadCheckpoints()).map((bytes) => readCheckpoint(bytes))
  const checkpoint = checkpoints.find((candidate) => candidate !== undefined)
  if (checkpoints.length > 0 && !checkpoints[0])
    lines.push('The newest checkpoint cannot be read; recovery used the one before, or the whole journal.')
  if (!checkpoint && journal.start > 0)
    throw new Error(
      'No readable checkpoint was found, and the journal does not reach back to its beginning: ' +
        'which queue an entry belongs to cannot be told. Restore the data directory from a backup.',
    )
  if (checkpoint && (checkpoint.begunAt < journal.start || coveredBy(checkpoint) > journal.end))
    throw new Error(
      `The event journal holds positions ${journal.start} to ${journal.end}, and the checkpoint was written when ` +
        `it held ${checkpoint.begunAt} to ${coveredBy(checkpoint)} as well: records that were durable are gone. ` +
        "Nothing was changed: see 'busbar store check'.",
    )
  const begunAt = checkpoint?.begunAt ?? 0
  const replay = new Replay(owner, begunAt, checkpoint?.nextSequence ?? 1, checkpoint?.nextQueueId ?? 1)
  for (const saved of checkpoint?.queues ?? []) replay.restore(saved)
  let position = begunAt
  let readBytes = replayReadBytes
  while (position < journal.end) {
    const buffer = await journal.read(position, readBytes)
    const walk = new RecordWalk(buffer, true)
    let step = walk.step()
    if (step === 'short' && walk.needed > buffer.length && walk.needed > readBytes) {
      readBytes = walk.needed
      continue
    }
    readBytes = replayReadBytes
    for (; step === 'record'; step = walk.step()) replay.record(walk, position)
    if (step === 'bad' || (step === 'short' && walk.at === 0))
      throw new Error(
        `The event journal is damaged at position ${position + walk.at}. Nothing was changed: see 'busbar store check'.`,
      )
    position += step === 'end' ? buffer.length : walk.at
  }
  return { ...replay.finish(), replayedFrom: begunAt, lines }
}

/** A queue on its way back. */
interface Returning {
  readonly queue: LogQueue
  /** Its checkpoint holds everything before this position. */
  readonly asOf: Position
  /** The entries of its window by sequence. */
  readonly known: Map<number, Entry>
}

class Replay {
  readonly #owner: QueueOwner
  readonly #begunAt: Position
  readonly #byId = new Map<number, Returning>()
  #nextSequence: number
  #nextQueueId: number

  constructor(owner: QueueOwner, begunAt: Position, nextSequence: number, nextQueueId: number) {
    this.#owner = owner
    this.#begunAt = begunAt
    this.#nextSequence = nextSequence
    this.#nextQueueId = nextQueueId
  }

  restore(saved: SavedQueue): void {
    const { queue, known } = this.#add(saved.id, saved.name, saved.asOf)
    for (const { sequence, recordAt, index, offset, length, ...state } of saved.window) {
      const entry = new Entry(sequence, recordAt, index, offset, length)
      Object.assign(entry, state)
      queue.restore(entry)
      known.set(sequence, entry)
    }
    const { unread } = queue
    unread.count = saved.unread
    unread.moveTo(saved.cursorAt, saved.cursorIndex)
    unread.sequence = saved.cursorSequence
    unread.spans = saved.spans.map((span) => ({ ...span }))
    for (const [sequence, ahead] of saved.ahead) unread.ahead.set(sequence, ahead)
    queue.bytes = saved.bytes
  }

  /** Replays the record that `walk` stands on; its buffer begins at position `from`. */
  record(walk: RecordWalk, from: Position): void {
    const { buffer, type, bodyStart } = walk
    const recordAt = from + walk.at
    const say = (id: number, sequence: number, ahead: Ahead) => {
      const returning = this.#concerned(id, recordAt)
      returning?.queue.replay(sequence, ahead, returning.known)
    }
    const finished = (id: number, sequence: number) => say(id, sequence, 'finished')
    const postponed = (id: number, { sequence, ...state }: Postponement) => say(id, sequence, state)
    switch (type) {
      case RecordType.queueOpened:
        if (recordAt >= this.#begunAt) this.#opened(buffer, bodyStart)
        break
      case RecordType.queueDropped:
        if (recordAt >= this.#begunAt) this.#dropped(buffer.readUInt32LE(bodyStart))
        break
      case RecordType.finished:
        readFinished(buffer, bodyStart, finished)
        break
      case RecordType.postponed:
        readPostponed(buffer, bodyStart, postponed)
        break
      case RecordType.locked:
        readLocked(buffer, bodyStart, postponed)
        break
      case RecordType.append:
        this.#appended(walk, recordAt)
        break
      case RecordType.moved: {
        readFinished(buffer, bodyStart + 4, finished)
        const end = this.#appended(walk, recordAt)
        readMovedStates(buffer, end, walk.next, postponed)
        break
      }
    }
  }

  finish() {
    const queues = Array.from(this.#byId.values(), ({ queue }) => queue)
    for (const queue of queues) queue.settleReplay()
    return { queues, nextSequence: this.#nextSequence, nextQueueId: this.#nextQueueId }
  }

  #opened(buffer: Buffer, bodyStart: number): void {
    const id = buffer.readUInt32LE(bodyStart)
    const nameAt = bodyStart + 6
    this.#nextQueueId = Math.max(this.#nextQueueId, id + 1)
    if (!this.#byId.has(id))
      this.#add(id, buffer.toString('utf8', nameAt, nameAt + buffer.readUInt16LE(bodyStart + 4)), 0)
  }

  #dropped(id: number): void {
    this.#byId.get(id)?.queue.clear()
    this.#byId.delete(id)
  }

  /** Answers with the offset behind the events. */
  #appended(walk: RecordWalk, recordAt: Position): number {
    const events = appendBody(walk)
    if (!events) return walk.next
    while (events.next()) {
      const { sequence, index, bytes } = events
      this.#nextSequence = Math.max(this.#nextSequence, sequence + 1)
      for (let n = 0; n < events.queues; n++) {
        const returning = this.#concerned(events.queueId(n), recordAt)
        if (!returning) continue
        const entry = new Entry(sequence, recordAt, index, events.bytesAt - walk.at, bytes)
        if (returning.queue.admit(entry, undefined)) returning.known.set(sequence, entry)
      }
    }
    return events.end
  }

  #concerned(id: number, recordAt: Position): Returning | undefined {
    const returning = this.#byId.get(id)
    return returning && recordAt >= returning.asOf ? returning : undefined
  }

  #add(id: number, name: string, asOf: Position): Returning {
    const returning = { queue: new LogQueue(id, name, this.#owner), asOf, known: new Map<number, Entry>() }
    this.#byId.set(id, returning)
    return returning
  }
}
