/**
 * Runs `act` once after `delayMs` of real time, without keeping the process alive. For housekeeping inside the
 * process (a flush, a checkpoint) that no test needs to move by hand; what users wait for goes through the Clock.
 */
export function later(delayMs: number, act: () => void): { cancel(): void } {
  const handle = setTimeout(act, delayMs)
  handle.unref()
  return { cancel: () => clearTimeout(handle) }
}

/**
 * Keeps the process alive until it is told otherwise: timers here do not, and who waits for one of them when
 * nothing else is left would see the process end in the middle.
 */
export function stayAlive(): { cancel(): void } {
  const handle = setInterval(() => {}, 0x7fffffff)
  return { cancel: () => clearInterval(handle) }
}
