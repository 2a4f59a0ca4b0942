import type { Delivery } from '../destinations/destination.ts'
import { decodeStored, outputEventId } from '../event/encode.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Lease } from '../store/store.ts'
import { decodeNote, type EntryNote } from './note.ts'

/** A leased entry, decoded once. */
export interface Entry extends Delivery {
  readonly lease: Lease
  readonly event: StoredEvent
  readonly note: EntryNote | undefined
}

/** @param uid of the event subscription whose queue it was leased from */
export function decodeEntry(lease: Lease, uid: string): Entry {
  const event = decodeStored(lease.bytes)
  return {
    lease,
    event,
    attempts: lease.attempts,
    outputEventId: outputEventId(event.internalId, uid),
    note: decodeNote(lease.note),
  }
}
