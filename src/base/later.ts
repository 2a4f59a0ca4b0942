/**
 * Runs `act` once after `delayMs` of real time, without keeping the process alive. For housekeeping inside the
 * process (a flush, a checkpoint) that no test needs to move by hand; what users wait for goes through the Clock.
 */
export function later(delayMs: number, act: () => void): { cancel(): void } {
  const handle = setTimeout(act, delayMs)
  handle.unref()
  return { cancel: () => clearTimeout(handle) }
}
