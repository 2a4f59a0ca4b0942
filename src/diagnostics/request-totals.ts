import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'

/** A request to publish, or for the schema, as it ended. */
export interface DataPlaneRequest {
  /** ARM id of the topic, domain or partner namespace. */
  readonly resourceId: string
  /** Azure region. */
  readonly region: string
  readonly clientIpAddress: string
  /** As the TLS library has it, such as `TLSv1.3`; undefined on a plain connection. */
  readonly tlsVersion: string | undefined
  readonly authentication: {
    readonly type: 'Key' | 'SASToken' | 'AADAccessToken' | 'Unknown'
    readonly objectId?: string
  }
  /** HTTP status of the answer. */
  readonly status: number
}

/** The words that a result has in these logs, by status. */
const results: Readonly<Record<number, string>> = {
  200: 'Success',
  401: 'Unauthorized',
  403: 'Forbidden',
  413: 'RequestEntityTooLarge',
}

const minuteMs = 60_000
/** Kinds of requests counted apart; with one more, those until then are written before the minute is over. */
const mostKinds = 10_000
/** Totals in one record. */
const recordTotals = 1_000

interface Total {
  readonly request: DataPlaneRequest
  readonly result: string
  operations: number
}

/** Counts requests minute by minute; a record for each resource that had any. */
export class RequestTotals {
  readonly #clock: Clock
  readonly #write: (record: object) => void
  readonly #totals = new Map<string, Total>()
  #timer: Timer | undefined

  constructor(clock: Clock, write: (record: object) => void) {
    this.#clock = clock
    this.#write = write
  }

  add(request: DataPlaneRequest): void {
    const { resourceId, clientIpAddress, tlsVersion, authentication, status } = request
    const result = results[status] ?? (status >= 500 ? 'InternalServerError' : 'BadRequest')
    const { type, objectId = '' } = authentication
    const key = `${resourceId}\n${clientIpAddress}\n${tlsVersion ?? ''}\n${type}\n${objectId}\n${result}`
    const known = this.#totals.get(key)
    if (known) {
      known.operations++
      return
    }
    if (this.#totals.size >= mostKinds) this.#flush()
    this.#totals.set(key, { request, result, operations: 1 })
    this.#timer ??= this.#clock.at(nextMinute(this.#clock.now()), () => this.#flush())
  }

  close(): void {
    this.#flush()
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const time = encodeMoment(this.#clock.now())
    const byResource = Map.groupBy(this.#totals.values(), ({ request }) => request.resourceId)
    for (const totals of byResource.values())
      for (let at = 0; at < totals.length; at += recordTotals)
        this.#write(encodeTotals(totals.slice(at, at + recordTotals), time))
    this.#totals.clear()
  }
}

const nextMinute = (now: EpochMs) => (Math.floor(now / minuteMs) + 1) * minuteMs

function encodeTotals(totals: readonly Total[], time: string): object {
  const { resourceId, region } = (totals[0] as Total).request
  return {
    time,
    resourceId: resourceId.toUpperCase(),
    operationName: 'Microsoft.EventGrid/events/send',
    category: 'DataPlaneRequests',
    level: 'Information',
    region,
    properties: {
      aggregatedRequests: totals.map(({ request, result, operations }) => ({
        // There is no private endpoint by which requests could come.
        networkAccess: 'PublicAccess',
        clientIpAddress: request.clientIpAddress,
        tlsVersion: request.tlsVersion?.replace('TLSv', '') ?? null,
        authentication: {
          type: request.authentication.type,
          objectId: request.authentication.objectId ?? null,
        },
        operationResult: result,
        totalOperations: operations,
      })),
    },
  }
}
