import type { Caller } from '../auth/caller.ts'
import type { Origin } from '../auth/origin.ts'
import { type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { invalidProperty } from '../wire/errors.ts'
import { type Fields, fields, readArray, readEnum, readString } from '../wire/shape.ts'
import { readJsonObject } from './body.ts'
import { allow, type Perform } from './call.ts'
import { notFound } from './errors.ts'
import { isControlPlanePath } from './path.ts'

/*
 * `POST /batch`: several requests in one, as Azure's portal and PowerShell send them. Each is carried out on the way that
 * requests take, and answered for itself.
 */

/** As many as Resource Manager takes. */
const requestsPerBatch = 20
const urlCharacters = 8_192

interface Part {
  readonly name: string | undefined
  readonly request: HttpRequest
}

export const isBatch = (segments: readonly string[]): boolean =>
  segments.length === 1 && segments[0]?.toLowerCase() === 'batch'

/** @param refusal what a client is told of an error; throws for a bug */
export async function answerBatch(
  request: HttpRequest,
  caller: Caller,
  origin: Origin,
  {
    perform,
    refusal,
    bodyBytes,
  }: {
    readonly perform: Perform
    readonly refusal: (error: unknown) => HttpResponse
    readonly bodyBytes: number
  },
): Promise<HttpResponse> {
  allow(request, ['POST'])
  const from = fields(await readJsonObject(request, bodyBytes), '')
  const parts = readArray(from, 'requests', requestsPerBatch)?.map(({ value, path }) =>
    decodePart(fields(value, path), request),
  )
  if (!parts || parts.length === 0) throw invalidProperty('requests', 'requests to carry out', undefined)
  const responses = await Promise.all(
    parts.map(async ({ name, request: part }) => {
      const { httpRequest } = origin
      const own = httpRequest && { ...httpRequest, method: part.method, url: part.base + part.url }
      const answer = await perform(part, caller, { ...origin, httpRequest: own }).catch(refusal)
      return encode(name, answer)
    }),
  )
  return jsonResponse(200, { responses })
}

function decodePart(from: Fields, whole: HttpRequest): Part {
  const method = readEnum(from, 'httpMethod', ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'])
  if (method === undefined) throw invalidProperty(from.at('httpMethod'), 'a method', undefined)
  const word = from.raw('url') === undefined ? 'relativeUrl' : 'url'
  const given = readString(from, word, urlCharacters) ?? ''
  const url = URL.parse(given, `${whole.base}/`)
  if (!url || url.origin !== new URL(whole.base).origin || !isControlPlanePath(url.pathname))
    throw invalidProperty(from.at(word), 'a path of this control plane', given)
  // A batch in a batch would have no end.
  if (isBatch(url.pathname.split('/').filter((segment) => segment !== ''))) throw notFound(url.pathname)
  const content = from.raw('content')
  const bytes = Buffer.from(content === undefined ? '' : JSON.stringify(content))
  return {
    name: readString(from, 'name', 256),
    request: {
      ...whole,
      method,
      path: url.pathname,
      query: url.searchParams,
      url: url.pathname + url.search,
      headers: {},
      rawHeaders: [],
      body: () => Promise.resolve(bytes),
    },
  }
}

function encode(name: string | undefined, { status, headers = {}, body }: HttpResponse) {
  const text = body === undefined ? '' : body.toString()
  return {
    ...(name !== undefined && { name }),
    httpStatusCode: status,
    headers,
    ...(text !== '' && { content: JSON.parse(text) as unknown }),
    contentLength: Buffer.byteLength(text),
  }
}
