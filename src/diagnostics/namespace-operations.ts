import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'

/** An operation on a topic of a namespace over HTTP, as it ended. */
export interface NamespaceOperation {
  /** ARM id of the namespace. */
  readonly resourceId: string
  /** Azure region. */
  readonly region: string
  /** Such as `Microsoft.EventGrid/events/send`. */
  readonly operationName: string
  readonly clientIpAddress: string
  /** As the TLS library has it, such as `TLSv1.3`; undefined on a plain connection. */
  readonly tlsVersion: string | undefined
  readonly authenticationType: 'SharedAccessKey' | 'SharedAccessSignature' | 'EntraIdAccessToken' | 'Unknown'
  readonly objectId: string | undefined
  /** HTTP status of the answer; 0: the client went away before it had one. */
  readonly status: number
}

const minuteMs = 60_000
/** Kinds of operations counted apart; with one more, those until then are written before the minute is over. */
const mostKinds = 10_000

interface Total {
  readonly operation: NamespaceOperation
  operations: number
}

/**
 * Counts operations minute by minute; a record for each kind of which there was any. Those that succeeded and those
 * that failed are two categories, each written where it is asked for.
 *
 * Source: learn.microsoft.com/azure/azure-monitor/reference/tables/egnsuccessfulhttpdataplaneoperations, and
 * egnfailedhttpdataplaneoperations
 */
export class NamespaceOperations {
  readonly #clock: Clock
  readonly #succeeded: ((record: object) => void) | undefined
  readonly #failed: ((record: object) => void) | undefined
  readonly #totals = new Map<string, Total>()
  #timer: Timer | undefined

  constructor(
    clock: Clock,
    succeeded: ((record: object) => void) | undefined,
    failed: ((record: object) => void) | undefined,
  ) {
    this.#clock = clock
    this.#succeeded = succeeded
    this.#failed = failed
  }

  add(operation: NamespaceOperation): void {
    const { resourceId, operationName, clientIpAddress, tlsVersion, authenticationType, objectId } = operation
    const result = signatureOf(operation.status) ?? ''
    const key = [
      resourceId,
      operationName,
      clientIpAddress,
      tlsVersion,
      authenticationType,
      objectId,
      result,
    ].join('\n')
    const known = this.#totals.get(key)
    if (known) {
      known.operations++
      return
    }
    if (this.#totals.size >= mostKinds) this.#flush()
    this.#totals.set(key, { operation, operations: 1 })
    this.#timer ??= this.#clock.at(nextMinute(this.#clock.now()), () => this.#flush())
  }

  close(): void {
    this.#flush()
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const time = encodeMoment(this.#clock.now())
    for (const { operation, operations } of this.#totals.values()) {
      const write = signatureOf(operation.status) === undefined ? this.#succeeded : this.#failed
      write?.(encodeTotal(operation, operations, time))
    }
    this.#totals.clear()
  }
}

const nextMinute = (now: EpochMs) => (Math.floor(now / minuteMs) + 1) * minuteMs

/** Whose fault a failure was, in the words of the table; undefined for what succeeded. */
function signatureOf(status: number): string | undefined {
  if (status === 0) return 'ConnectionLost'
  if (status < 400) return undefined
  if (status === 401) return 'AuthnError'
  if (status === 403) return 'AuthzError'
  if (status === 429) return 'QuotaExceeded'
  return status < 500 ? 'ClientError' : 'ServiceError'
}

function encodeTotal(operation: NamespaceOperation, totalOperations: number, time: string): object {
  const {
    resourceId,
    region,
    operationName,
    clientIpAddress,
    tlsVersion,
    authenticationType,
    objectId,
    status,
  } = operation
  const signature = signatureOf(status)
  return {
    time,
    resourceId: resourceId.toUpperCase(),
    location: region,
    operationName,
    category: signature === undefined ? 'SuccessfulHttpDataPlaneOperations' : 'FailedHttpDataPlaneOperations',
    resultType: signature === undefined ? 'Succeeded' : 'Failed',
    ...(signature !== undefined && { resultSignature: signature }),
    properties: {
      authenticationType,
      ...(objectId !== undefined && { objectId }),
      callerIpAddress: clientIpAddress,
      // There is no private endpoint by which requests could come.
      networkAccess: 'PublicAccess',
      tlsVersion: tlsVersion?.replace('TLSv', '') ?? null,
      totalOperations,
    },
  }
}
