import { type DecodeLimits, defaultDecodeLimits } from '../event/schemas/schema.ts'
import type { PressureLimits } from '../http/pressure.ts'

/** A request more than may be pending is answered 429. */
export interface PublishLimits extends DecodeLimits, PressureLimits {}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits; the limits on what is pending are our own. */
export const defaultPublishLimits: PublishLimits = {
  ...defaultDecodeLimits,
  requestBytes: 1_048_576,
  pendingRequests: 10_000,
  pendingBytes: 256 * 1024 * 1024,
}
