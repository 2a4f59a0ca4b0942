import type { Caller } from '../auth/caller.ts'
import type { Origin } from '../auth/origin.ts'
import type { Clock } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { HttpRequest } from '../http/http.ts'

const correlation = /^[0-9a-f-]{8,64}$/i

/** What is left of the hourly allowance that Azure counts; nothing is throttled here. */
const remaining = { reads: '11999', writes: '1199', deletes: '14999' }

/** A client that waits for Retry-After waits this long; none of them treats 0 well. */
export const pollAgain = { 'Retry-After': '1', 'X-Go-Azure-Sdk-Skip-Polling-Delay': 'true' }

/**
 * The headers of every control-plane answer.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling, and the ARM
 * resource provider contract, "Common API response details"
 */
export function commonHeaders(request: HttpRequest, clock: Clock): Record<string, string> {
  const id = newGuid()
  const given = headerOf(request, 'x-ms-correlation-request-id')
  const clientId = headerOf(request, 'x-ms-client-request-id')
  const wantsClientId = headerOf(request, 'x-ms-return-client-request-id')?.toLowerCase() === 'true'
  const { method, path } = request
  const kind = method === 'GET' || method === 'HEAD' ? 'reads' : method === 'DELETE' ? 'deletes' : 'writes'
  const scope = /^\/*subscriptions\/./i.test(path) ? 'subscription' : 'tenant'
  const moment = new Date(clock.now()).toISOString().replace(/\.\d+|[-:]/g, '')
  return {
    'Cache-Control': 'no-cache',
    Pragma: 'no-cache',
    Expires: '-1',
    // RFC 6797 forbids it on a plain connection.
    ...(request.tlsVersion !== undefined && {
      'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
    }),
    'X-Content-Type-Options': 'nosniff',
    'x-ms-request-id': id,
    'x-ms-correlation-request-id': given !== undefined && correlation.test(given) ? given : newGuid(),
    'x-ms-routing-request-id': `LOCAL:${moment}:${id}`,
    [`x-ms-ratelimit-remaining-${scope}-${kind}`]: remaining[kind],
    ...(wantsClientId && clientId !== undefined && { 'x-ms-client-request-id': clientId }),
  }
}

/**
 * Where what a request asks for comes from, under the ids that its answer carries.
 *
 * @param answered the headers that `commonHeaders` made for it
 * @param clientIpAddress of whoever sent it, behind proxies too
 */
export function originOf(
  request: HttpRequest,
  answered: Readonly<Record<string, string>>,
  { name, objectId, claims }: Caller,
  clientIpAddress: string,
): Origin {
  const requestId = answered['x-ms-request-id'] as string
  return {
    caller: { name, objectId, claims },
    correlationId: answered['x-ms-correlation-request-id'] as string,
    httpRequest: {
      clientRequestId: headerOf(request, 'x-ms-client-request-id') ?? requestId,
      clientIpAddress,
      method: request.method,
      url: request.base + request.url,
    },
  }
}

export function headerOf({ headers }: HttpRequest, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

/** A query parameter, whose name matches in any letter case. */
export function parameterOf({ query }: HttpRequest, name: string): string | undefined {
  const exact = query.get(name)
  if (exact !== null) return exact
  const lower = name.toLowerCase()
  for (const [key, value] of query) if (key.toLowerCase() === lower) return value
  return undefined
}
