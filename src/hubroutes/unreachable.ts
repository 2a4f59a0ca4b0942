import type { Outcome } from '../destinations/destination.ts'
import { retry } from '../destinations/outcome.ts'
import type { OpenEndpoint } from './endpoint.ts'

/** Stands for what the configuration does not say how to reach any more: it may say so again at the next start. */
export function unreachable(origin: string, why: string): OpenEndpoint {
  const outcome: Outcome = retry('NotFound', `${origin} cannot be reached. ${why}`)
  return {
    ...{ origin, gatherMs: 0, batchBytes: 64 * 1024, batchMessages: 100 },
    deliver: (messages) => Promise.resolve(messages.map(() => outcome)),
    close: () => Promise.resolve(),
  }
}
