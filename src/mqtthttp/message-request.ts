import type { HttpRequest } from '../http/http.ts'
import { badRequest } from './errors.ts'

/*
 * An MQTT message as a request to publish says it: its topic in the query, its payload as the body, all else in the
 * query or in headers, of which the query counts.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-http-publish, "How HTTP requests map to MQTT"
 */

export interface RequestedMessage {
  readonly topicName: string
  readonly qos: 0 | 1
  readonly retain: boolean
  readonly payloadFormatIndicator: 0 | 1
  /** Seconds; undefined: never. */
  readonly messageExpiryInterval: number | undefined
  readonly contentType: string | undefined
  readonly responseTopic: string | undefined
  readonly correlationData: Buffer | undefined
  readonly userProperties: readonly (readonly [string, string])[] | undefined
}

/** @throws RequestError 400 for what is malformed */
export function decodeMessageRequest(request: HttpRequest): RequestedMessage {
  const { query } = request
  const topicName = query.get('topic')
  if (topicName === null) throw badRequest("The query parameter 'topic' is missing.", 'topic')
  const expiry = wholeNumber(request, 'mqtt-message-expiry', 0xffff_ffff) ?? 0
  return {
    topicName,
    qos: bit(request, 'qos', 'mqtt-qos') ?? 1,
    retain: bit(request, 'retain', 'mqtt-retain') === 1,
    payloadFormatIndicator: bit(request, undefined, 'mqtt-payload-format-indicator') ?? 0,
    // 0 stands for never, as it does in the service.
    messageExpiryInterval: expiry === 0 ? undefined : expiry,
    contentType: header(request, 'content-type'),
    responseTopic: percentDecoded(request, 'mqtt-response-topic'),
    correlationData: base64(request, 'mqtt-correlation-data'),
    userProperties: userProperties(request),
  }
}

function header({ headers }: HttpRequest, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

function bit(request: HttpRequest, parameter: string | undefined, name: string): 0 | 1 | undefined {
  const queried = parameter === undefined ? null : request.query.get(parameter)
  const text = queried ?? header(request, name)
  if (text === undefined) return undefined
  if (text === '0') return 0
  if (text === '1') return 1
  const place = queried === null ? `header '${name}'` : `query parameter '${parameter}'`
  throw badRequest(`The ${place} must be 0 or 1; it is '${text.slice(0, 100)}'.`, parameter ?? name)
}

function wholeNumber(request: HttpRequest, name: string, most: number): number | undefined {
  const text = header(request, name)
  if (text === undefined) return undefined
  if (/^\d{1,10}$/.test(text) && Number(text) <= most) return Number(text)
  throw badRequest(
    `The header '${name}' must be a whole number of at most ${most}; it is '${text.slice(0, 100)}'.`,
    name,
  )
}

function percentDecoded(request: HttpRequest, name: string): string | undefined {
  const text = header(request, name)
  if (text === undefined) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    throw badRequest(`The header '${name}' must be percent-encoded; it is '${text.slice(0, 100)}'.`, name)
  }
}

function base64(request: HttpRequest, name: string): Buffer | undefined {
  const text = header(request, name)
  if (text === undefined) return undefined
  const bytes = base64Bytes(text)
  if (!bytes) throw badRequest(`The header '${name}' must be base64; it is '${text.slice(0, 100)}'.`, name)
  return bytes
}

const base64Bytes = (text: string): Buffer | undefined =>
  text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined

/** An array of objects with one member each, as JSON or as the base64 of it: samples have both. */
function userProperties(request: HttpRequest): RequestedMessage['userProperties'] {
  const name = 'mqtt-user-properties'
  const text = header(request, name)
  if (text === undefined) return undefined
  const json = text.trimStart().startsWith('[') ? text : base64Bytes(text)?.toString('utf8')
  const found = json === undefined ? undefined : parsed(json)
  const isRight =
    Array.isArray(found) &&
    found.every(
      (each: unknown) =>
        typeof each === 'object' &&
        each !== null &&
        !Array.isArray(each) &&
        Object.values(each).length === 1 &&
        Object.values(each).every((value) => typeof value === 'string'),
    )
  if (!isRight)
    throw badRequest(
      `The header '${name}' must be a JSON array of objects with one member each whose value is a string, ` +
        `such as [{"Urgency":"alert"}], or the base64 of it.`,
      name,
    )
  return (found as Record<string, string>[]).flatMap((each) => Object.entries(each))
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    return undefined
  }
}
