import type { Authorize, Caller } from '../auth/caller.ts'
import { RequestError } from '../base/errors.ts'
import type { Metrics } from '../base/metrics.ts'
import { type Door, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { refuseWriting } from '../http/read-only.ts'
import { encodePage, type Status } from './page.ts'

/*
 * The operations door: what a person or a monitor asks of the process itself. Everything here is read-only, and
 * open to whoever reaches the listener, except events and what becomes of them, which are for the control plane's
 * callers.
 */

/** `starting` until every listener is open and recovery is complete; `stopping` from the first signal on. */
export type Phase = 'starting' | 'ready' | 'stopping'

export interface OpsOptions {
  readonly phase: () => Phase
  readonly metrics: Metrics
  readonly caPem: () => string
  readonly status: () => Status
  /** What became of the event of that id, as far as the caller may know; undefined when it is not known, or no longer. */
  readonly readTrace: (id: string, caller: Caller) => unknown
  /** Answers `/events/tail`; throws a `RequestError` for what cannot be followed. */
  readonly followTail: (request: HttpRequest, caller: Caller) => HttpResponse
  readonly authorize: Authorize
}

export function createOpsDoor(options: OpsOptions): Door {
  const { phase, metrics, caPem, status, readTrace, followTail, authorize } = options
  const pages: Readonly<Record<string, () => HttpResponse>> = {
    '/': () => response(200, 'text/html; charset=utf-8', encodePage(status()), pageHeaders),
    '/healthz': () => {
      const now = phase()
      return response(now === 'ready' ? 200 : 503, 'text/plain; charset=utf-8', `${now}\n`)
    },
    '/metrics': () => response(200, 'text/plain; version=0.0.4; charset=utf-8', metrics.encode()),
    '/ca.pem': () => response(200, 'application/x-pem-file', caPem()),
  }

  return (request) => {
    const page = Object.hasOwn(pages, request.path) ? pages[request.path] : undefined
    if (page) {
      refuseWriting(request)
      return page()
    }
    if (request.path === '/events/tail') return tail(request)
    const id = tracedEvent(request.path)
    return id === undefined ? undefined : trace(request, id)
  }

  async function tail(request: HttpRequest): Promise<HttpResponse> {
    refuseWriting(request)
    return followTail(request, await authorize(request))
  }

  async function trace(request: HttpRequest, id: string): Promise<HttpResponse> {
    refuseWriting(request)
    const found = readTrace(id, await authorize(request))
    if (found === undefined) throw eventNotFound(id)
    return jsonResponse(200, found, { 'Cache-Control': 'no-store' })
  }
}

const pageHeaders = {
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}

const response = (
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse => ({
  status,
  headers: {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  },
  body,
})

/** The id in `/events/{id}/trace`, decoded; undefined for any other path. */
function tracedEvent(path: string): string | undefined {
  if (!path.startsWith('/events/') || !path.endsWith('/trace')) return undefined
  const encoded = path.slice('/events/'.length, -'/trace'.length)
  if (encoded === '' || encoded.includes('/')) return undefined
  try {
    return decodeURIComponent(encoded)
  } catch (error) {
    throw new RequestError(400, 'BadRequest', `The path ${path} is not well encoded.`, { cause: error })
  }
}

const eventNotFound = (id: string) =>
  new RequestError(
    404,
    'EventNotFound',
    `Nothing is known of an event '${id}': it never came, or came long ago.`,
    {
      target: id,
    },
  )
