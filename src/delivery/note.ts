import type { EpochMs } from '../base/clock.ts'
import type { OutcomeName } from '../destinations/destination.ts'
import type { GiveUpReason } from './policy.ts'

/** What is kept with an entry between two attempts, and until its dead-letter record is written. */
export interface EntryNote {
  /** Undefined when the event was given up without an attempt. */
  readonly lastAttemptAt: EpochMs | undefined
  readonly lastOutcome: OutcomeName
  readonly lastStatus: number | undefined
  /** Present once the event was given up. */
  readonly givenUp: GivenUp | undefined
}

export interface GivenUp {
  readonly reason: GiveUpReason
  /** When writing the dead-letter record first failed. */
  readonly unavailableSince: EpochMs | undefined
}

/** A short JSON array: it is written with every retry. */
export function encodeNote({ lastAttemptAt, lastOutcome, lastStatus, givenUp }: EntryNote): string {
  const attempt = [lastAttemptAt ?? 0, lastOutcome, lastStatus ?? 0]
  return JSON.stringify(givenUp ? [...attempt, givenUp.reason, givenUp.unavailableSince ?? 0] : attempt)
}

/** Undefined before the first attempt. */
export function decodeNote(note: string): EntryNote | undefined {
  if (note === '') return undefined
  const [lastAttemptAt, lastOutcome, lastStatus, reason, unavailableSince] = JSON.parse(note) as [
    number,
    OutcomeName,
    number,
    GiveUpReason?,
    number?,
  ]
  return {
    lastAttemptAt: lastAttemptAt || undefined,
    lastOutcome,
    lastStatus: lastStatus || undefined,
    givenUp: reason === undefined ? undefined : { reason, unavailableSince: unavailableSince || undefined },
  }
}
