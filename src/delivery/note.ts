import type { EpochMs } from '../base/clock.ts'
import type { OutcomeName } from '../destinations/destination.ts'
import type { GiveUpReason } from './policy.ts'

/** What is kept with an entry between two attempts. */
export interface EntryNote {
  /** Undefined when the event was given up without an attempt. */
  readonly lastAttemptAt: EpochMs | undefined
  readonly lastOutcome: OutcomeName
  readonly lastStatus: number | undefined
  /** Present once the event was given up, and could not be moved to the dead letters yet. */
  readonly givenUp: GiveUpReason | undefined
}

/** A short JSON array: it is written with every retry. */
export function encodeNote({ lastAttemptAt, lastOutcome, lastStatus, givenUp }: EntryNote): string {
  const attempt = [lastAttemptAt ?? 0, lastOutcome, lastStatus ?? 0]
  return JSON.stringify(givenUp === undefined ? attempt : [...attempt, givenUp])
}

/** Undefined before the first attempt. */
export function decodeNote(note: string): EntryNote | undefined {
  if (note === '') return undefined
  const [lastAttemptAt, lastOutcome, lastStatus, givenUp] = JSON.parse(note) as [
    number,
    OutcomeName,
    number,
    GiveUpReason?,
  ]
  return {
    lastAttemptAt: lastAttemptAt || undefined,
    lastOutcome,
    lastStatus: lastStatus || undefined,
    givenUp,
  }
}
