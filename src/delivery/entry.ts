import type { Delivery } from '../destinations/destination.ts'
import { decodeStored, outputEventId } from '../event/encode.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Lease } from '../store/store.ts'
import { decodeNote, type EntryNote } from './note.ts'

/** A leased entry, decoded once. */
export class Entry implements Delivery {
  readonly lease: Lease
  readonly event: StoredEvent
  readonly attempts: number
  readonly note: EntryNote | undefined
  readonly #uid: string

  /**
   * @param uid of the event subscription whose queue it was leased from
   * @param isNoteOurs false: the lease's note is that of another reader
   */
  constructor(lease: Lease, uid: string, isNoteOurs = true) {
    this.lease = lease
    this.event = decodeStored(lease.bytes)
    this.attempts = lease.attempts
    this.note = isNoteOurs ? decodeNote(lease.note) : undefined
    this.#uid = uid
  }

  /** Of a batch only the first event's is sent, so it is made when asked for. */
  get outputEventId(): string {
    return outputEventId(this.event.internalId, this.#uid)
  }
}
