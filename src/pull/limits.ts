import { type DecodeLimits, defaultDecodeLimits } from '../event/schemas/schema.ts'
import type { PressureLimits } from '../http/pressure.ts'

export interface PullLimits extends DecodeLimits, PressureLimits {
  /** Of one request to acknowledge, release, reject or renew. */
  readonly lockTokens: number
  /** Bytes of events in one answer to receive, unless a single event is larger. */
  readonly receiveBytes: number
  /** Requests to receive that wait at a time; one more is answered 429. */
  readonly waitingReceivers: number
}

/**
 * Source: learn.microsoft.com/azure/event-grid/quotas-limits, "Event Grid namespace limits"; those on what is pending
 * or waits, on lock tokens and on the size of an answer are our own.
 */
export const defaultPullLimits: PullLimits = {
  ...defaultDecodeLimits,
  events: 1_000,
  requestBytes: 1_048_576,
  pendingRequests: 10_000,
  pendingBytes: 256 * 1024 * 1024,
  lockTokens: 1_000,
  receiveBytes: 1_000_000,
  waitingReceivers: 10_000,
}
