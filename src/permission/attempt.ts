import type { EpochMs } from '../base/clock.ts'
import type { ClientAttributes } from '../client/attributes.ts'
import type { IdentityLog, IdentityRecord } from './admission.ts'

/** What one way of authentication makes of a request. */
export type Attempt =
  | { readonly kind: 'proved'; readonly proof: Proof }
  /** The client is somebody who may not come in. */
  | { readonly kind: 'refused'; readonly reasonCode: number; readonly text: string }
  /** Nothing here knows the client: another way may. */
  | { readonly kind: 'unknown'; readonly text: string }

/** That a client is who it says. */
export interface Proof {
  readonly record: IdentityRecord
  /** Undefined where they are those of the registered client of that name. */
  readonly attributes: ClientAttributes | undefined
  readonly expiresAt: EpochMs | undefined
  readonly log: IdentityLog
  /** Why the proof holds no longer, now that something has changed; undefined: it does. Time is not asked. */
  readonly flaw: () => string | undefined
}
