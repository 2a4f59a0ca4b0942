/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number

/** A waiting callback; `cancel` is idempotent. */
export interface Timer {
  cancel(): void
}

/**
 * All time goes through here, so that tests can move it by hand and development can watch a day in seconds.
 *
 * What is stamped on events is `now()`. What is waited for (retry schedule, time to live, dead-letter delay)
 * is counted in *policy* milliseconds, which run `--time-scale` times faster than real ones.
 */
export interface Clock {
  /** Real time. */
  now(): EpochMs
  /** The moment at which a wait of `policyMs` that begins at `from` (default: now) is over. */
  after(policyMs: number, from?: EpochMs): EpochMs
  /** How many policy milliseconds have gone by since `moment`. */
  since(moment: EpochMs): number
  /** Calls `fire` once, when `now()` has reached `dueAt`. Does not keep the process alive. */
  at(dueAt: EpochMs, fire: () => void): Timer
}

/** setTimeout takes at most a signed 32-bit delay; a longer wait is taken in steps. */
const longestDelayMs = 0x7fffffff

/** @param timeScale how many times faster than real time policy waits run; 1 outside development */
export function createSystemClock(timeScale = 1): Clock {
  const now = () => Date.now()
  return {
    now,
    after: (policyMs, from = now()) => from + policyMs / timeScale,
    since: (moment) => (now() - moment) * timeScale,
    at(dueAt, fire) {
      let handle: NodeJS.Timeout
      const wait = () => {
        const leftMs = dueAt - now()
        // Rounded up: a timer may fire up to a millisecond early, and an early fire would find nothing due.
        handle = setTimeout(
          () => (now() >= dueAt ? fire() : wait()),
          Math.min(Math.max(Math.ceil(leftMs), 0), longestDelayMs),
        )
        handle.unref()
      }
      wait()
      return { cancel: () => clearTimeout(handle) }
    },
  }
}
