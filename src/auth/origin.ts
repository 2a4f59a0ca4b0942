import type { Evidence } from './access.ts'
import type { Caller } from './caller.ts'

/** Where an operation of the control plane comes from. What began it hands it on to all that follows of it. */
export interface Origin {
  readonly caller: Actor
  /** The same for everything that one request, or one deployment, brings about. */
  readonly correlationId: string
  /** Undefined for what no client asked for by itself: resources of a deployment, and what goes with another. */
  readonly httpRequest?: RequestFacts | undefined
  /** The role that let the caller; undefined: it owns everything. */
  readonly evidence?: Evidence | undefined
}

/** A caller as far as it is told who it was; stored with operations that outlive the process. */
export type Actor = Pick<Caller, 'name' | 'objectId' | 'claims'>

/** What is told of the request of an operation. */
export interface RequestFacts {
  readonly clientRequestId: string
  readonly clientIpAddress: string
  readonly method: string
  readonly url: string
}

/** The origin of what an operation brings about besides what it was asked for. */
export const withoutRequest = ({ caller, correlationId, evidence }: Origin): Origin => ({
  caller,
  correlationId,
  ...(evidence && { evidence }),
})
