import { type DecodeLimits, defaultDecodeLimits } from '../event/schemas/schema.ts'

export interface PublishLimits extends DecodeLimits {
  readonly requestBytes: number
  /** Requests that are being read or stored at a time; one more is answered 429. */
  readonly pendingRequests: number
  /** Bytes of their bodies together. */
  readonly pendingBytes: number
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits; the limits on what is pending are our own. */
export const defaultPublishLimits: PublishLimits = {
  ...defaultDecodeLimits,
  requestBytes: 1_048_576,
  pendingRequests: 10_000,
  pendingBytes: 256 * 1024 * 1024,
}
