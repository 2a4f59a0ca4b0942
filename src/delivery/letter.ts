import assert from 'node:assert/strict'
import type { EpochMs } from '../base/clock.ts'
import type { OutcomeName } from '../destinations/destination.ts'
import { decodeStored } from '../event/encode.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Lease } from '../store/store.ts'
import type { GiveUpReason } from './policy.ts'

/*
 * An event that was given up, as it waits on the dead-letter queue of its event subscription:
 *
 *   0        1             3
 *   +--------+-------------+------------+--------------
 *   | format | JSON bytes, | JSON array | stored event
 *   | 1      | uint16 LE   |            |
 *   +--------+-------------+------------+--------------
 */

const formatVersion = 1
const fixedBytes = 3

/** Why and when an event was given up. */
export interface Farewell {
  /** What the trace knows the event by: its sequence on the queue that it was delivered from. */
  readonly sequence: number
  readonly reason: GiveUpReason
  readonly attempts: number
  /** When the record is to be written. */
  readonly dueAt: EpochMs
  /** Undefined when there was no attempt: the event ran out of time while it waited. */
  readonly lastAttemptAt: EpochMs | undefined
  readonly lastOutcome: OutcomeName
  readonly lastStatus: number | undefined
}

/** An event that was given up, leased from the dead-letter queue. */
export interface Letter extends Farewell {
  readonly lease: Lease
  readonly event: StoredEvent
}

/** What precedes the stored event on the dead-letter queue. */
export function encodeFarewell(farewell: Farewell): Buffer {
  const { sequence, reason, attempts, dueAt, lastAttemptAt, lastOutcome, lastStatus } = farewell
  const text = JSON.stringify([
    ...[sequence, reason, attempts, dueAt, lastAttemptAt ?? 0, lastOutcome, lastStatus ?? 0],
  ])
  const head = Buffer.allocUnsafe(fixedBytes + Buffer.byteLength(text))
  head[0] = formatVersion
  head.writeUInt16LE(head.length - fixedBytes, 1)
  head.write(text, fixedBytes, 'utf8')
  return head
}

export function decodeLetter(lease: Lease): Letter {
  const { bytes } = lease
  assert(bytes[0] === formatVersion, `a dead letter has format ${bytes[0]}, expected ${formatVersion}`)
  const eventAt = fixedBytes + bytes.readUInt16LE(1)
  const [sequence, reason, attempts, dueAt, lastAttemptAt, lastOutcome, lastStatus] = JSON.parse(
    bytes.toString('utf8', fixedBytes, eventAt),
  ) as [number, GiveUpReason, number, number, number, OutcomeName, number]
  return {
    ...{ lease, event: decodeStored(bytes.subarray(eventAt)) },
    ...{ sequence, reason, attempts, dueAt, lastOutcome },
    lastAttemptAt: lastAttemptAt || undefined,
    lastStatus: lastStatus || undefined,
  }
}
