import type { Clock } from './clock.ts'

/** Resolves when `ended` does, at the latest after `limitMs` of real time. */
export async function within(
  clock: Pick<Clock, 'now' | 'at'>,
  limitMs: number,
  ended: Promise<unknown> | undefined,
): Promise<void> {
  if (!ended) return
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = clock.at(clock.now() + limitMs, resolve)
  await Promise.race([ended, late])
  timer.cancel()
}
