/** Microseconds of the machine's monotonic clock: the same in every thread and process. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n)

/** Resolves after `ms` real milliseconds. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks every `everyMs` until the answer is true; false when `withinMs` went by. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs = 20,
): Promise<boolean> {
  const end = nowUs() + withinMs * 1000
  while (!(await condition())) {
    if (nowUs() > end) return false
    await pause(everyMs)
  }
  return true
}
