import { RequestError } from '../base/errors.ts'
import type { Topic } from '../catalog/catalog.ts'
import { type Diagnostics, noDiagnostics } from '../diagnostics/diagnostics.ts'
import type { HttpRequest } from '../http/http.ts'
import type { Peer } from '../http/peer.ts'
import type { Identity } from './authenticate.ts'

/** Tells the diagnostic logs how requests ended; nothing is made where they are off. */
export interface Report {
  /** @param identity undefined: nobody had to say who it is */
  answered(request: HttpRequest, topic: Topic, identity: Identity | undefined, status: number): void
  /** @param events undefined where the body was not read or not understood */
  failed(
    request: HttpRequest,
    topic: Topic,
    identity: Identity | undefined,
    events: number | undefined,
    error: unknown,
  ): void
}

const unknown = { type: 'Unknown' } as const

export function createReport(
  diagnostics: Pick<Diagnostics, 'publishFailed' | 'requested'> | undefined,
  peerOf: (request: HttpRequest) => Peer,
): Report {
  const { publishFailed, requested } = diagnostics ?? noDiagnostics
  const count = (request: HttpRequest, topic: Topic, identity: Identity | undefined, status: number) =>
    requested?.({
      resourceId: topic.id,
      region: topic.location,
      clientIpAddress: peerOf(request).address,
      tlsVersion: request.tlsVersion,
      authentication: identity ?? unknown,
      status,
    })
  return {
    answered: count,
    failed(request, topic, identity, events, error) {
      if (!requested && !publishFailed) return
      const refusal =
        error instanceof RequestError
          ? error
          : new RequestError(500, 'InternalServerError', 'The server failed to answer this request.')
      const { status, code, detailCode = code, errorType, message } = refusal
      count(request, topic, identity, status)
      publishFailed?.({
        resourceId: topic.id,
        inputSchema: topic.inputSchema,
        events,
        requestUri: request.base + request.path,
        status: code,
        errorType: errorType === code ? detailCode : errorType,
        errorMessage: message,
      })
    },
  }
}
