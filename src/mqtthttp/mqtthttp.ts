import type { Clock, EpochMs } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { encodeMoment } from '../base/moment.ts'
import { hostOf, withoutPort } from '../http/host.ts'
import { type Door, errorResponse, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import {
  badRequest,
  forbidden,
  methodNotAllowed,
  namespaceNotFound,
  notRetained,
  tooManyRequests,
  unauthorized,
  unavailable,
} from './errors.ts'
import { decodeMessageRequest, type RequestedMessage } from './message-request.ts'

/*
 * MQTT messages over HTTP: one is published as if a client had sent it, and retained ones are read. Whoever asks shows
 * a Microsoft Entra token and has the rights of an MQTT client with that token; no session is made.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-http-publish and mqtt-retain
 */

/** A message as it goes to clients. */
export interface HttpMessage extends Omit<RequestedMessage, 'qos'> {
  readonly qos: 0 | 1 | 2
  readonly payload: Buffer
  readonly receivedAt: EpochMs
}

/** One of the messages that are retained. */
export interface RetainedFacts {
  readonly message: Pick<HttpMessage, 'topicName' | 'payload' | 'qos' | 'receivedAt'> & {
    readonly messageExpiryInterval?: number | undefined
  }
  /** Topic, payload and properties. */
  readonly bytes: number
}

export type Refusal =
  | { readonly kind: 'malformed' | 'forbidden' | 'tooLarge' | 'tooMany'; readonly reason: string }
  /** It cannot be stored at this moment. */
  | { readonly kind: 'unavailable'; readonly reason: string }

/** A broker as this door sees it. */
export interface MessageBroker {
  /** Whom the token speaks for; a refusal says why not. */
  admit(
    token: string,
    request: HttpRequest,
  ): Promise<Caller | { readonly refused: string; readonly isOurs: boolean }>
  /** Bytes that the payload of a message may have. */
  readonly payloadBytes: number
}

export interface Caller {
  mayPublish(topicName: string): boolean
  maySubscribe(topicFilter: string): boolean
  /** Resolves when the message is accepted, and on disk for everyone for whom it must be. */
  publish(message: HttpMessage): Promise<Refusal | undefined>
  retained(topicName: string): RetainedFacts | undefined
  /** In no particular order. */
  retainedMatching(topicFilter: string): readonly RetainedFacts[]
}

export interface MqttHttpDoorOptions {
  /** @param prefix what stands before `/mqtt` in the path, without a slash at its end */
  readonly brokerOf: (host: string, prefix: string) => MessageBroker | undefined
  /** Whether it is a topic name, or a topic filter, and within the limits. */
  readonly isTopicName: (text: string) => boolean
  readonly isTopicFilter: (text: string) => boolean
  readonly clock: Clock
}

const operations = {
  messages: { method: 'POST', since: '2025-02-15-preview' },
  retainedMessages: { method: 'GET', since: '2025-11-16-preview' },
  'retainedMessages/message': { method: 'GET', since: '2025-11-16-preview' },
} as const
type Operation = keyof typeof operations

const versions = ['2025-02-15-preview', '2025-08-01-preview', '2025-11-16-preview'] as const
const mostResults = 100

export function createMqttHttpDoor(options: MqttHttpDoorOptions): Door {
  const { brokerOf, isTopicName, isTopicFilter, clock } = options

  const publish = async (
    request: HttpRequest,
    broker: MessageBroker,
    caller: Caller,
  ): Promise<HttpResponse> => {
    const message = decodeMessageRequest(request)
    const { topicName, responseTopic } = message
    if (!isTopicName(topicName)) throw forbidden(`'${topicName.slice(0, 256)}' is no topic name.`)
    if (!caller.mayPublish(topicName))
      throw forbidden(
        `Topic name '${topicName}' does not match any topicspaces that the caller may publish to.`,
      )
    if (responseTopic !== undefined && !isTopicName(responseTopic))
      throw badRequest(`'${responseTopic.slice(0, 256)}' is no topic name.`, 'mqtt-response-topic')
    const payload = await request.body(broker.payloadBytes)
    const refusal = await caller.publish({ ...message, payload, receivedAt: clock.now() })
    if (refusal) throw refusalError(refusal)
    return { status: 204 }
  }

  const one = (request: HttpRequest, caller: Caller): HttpResponse => {
    const topicName = request.query.get('topic')
    if (topicName === null) throw badRequest("The query parameter 'topic' is missing.", 'topic')
    if (!isTopicName(topicName)) throw badRequest(`'${topicName.slice(0, 256)}' is no topic name.`, 'topic')
    if (!caller.maySubscribe(topicName)) throw mayNotRead(topicName)
    const found = caller.retained(topicName)
    if (!found) throw notRetained(topicName)
    const { message, bytes } = found
    const expiry = expiryOf(found)
    return {
      status: 200,
      headers: {
        'Content-Type': 'application/octet-stream',
        'x-ms-mqtt-topic': headerText(message.topicName),
        'x-ms-mqtt-qos': `${message.qos}`,
        'x-ms-mqtt-size': `${bytes}`,
        ...(expiry !== null && { 'x-ms-mqtt-expiry': expiry }),
        'x-ms-mqtt-last-modified': encodeMoment(message.receivedAt),
      },
      body: message.payload,
    }
  }

  const list = (request: HttpRequest, caller: Caller, prefix: string): HttpResponse => {
    const { topicFilter, after, most } = pageOf(request)
    if (!isTopicFilter(topicFilter))
      throw badRequest(`'${topicFilter.slice(0, 256)}' is no topic filter.`, 'topicFilter')
    if (!caller.maySubscribe(topicFilter)) throw mayNotRead(topicFilter)
    const found = caller
      .retainedMatching(topicFilter)
      .filter(({ message }) => after === undefined || message.topicName > after)
      .toSorted((a, b) => (a.message.topicName < b.message.topicName ? -1 : 1))
    const page = found.slice(0, most)
    const last = page.at(-1)
    const isMore = last !== undefined && found.length > page.length
    const token = isMore && encodeToken({ topicFilter, after: last.message.topicName, most })
    const version = request.query.get('api-version') ?? ''
    return jsonResponse(200, {
      nextLink: isMore
        ? `${request.base}${prefix}/mqtt/retainedMessages?continuationToken=${token}&api-version=${version}`
        : null,
      retainedMessages: page.map((each) => ({
        topic: each.message.topicName,
        qos: each.message.qos,
        size: each.bytes,
        expiry: expiryOf(each),
        lastModifiedTime: encodeMoment(each.message.receivedAt),
      })),
    })
  }

  const answer = async (
    request: HttpRequest,
    prefix: string,
    operation: Operation,
  ): Promise<HttpResponse> => {
    const { method, since } = operations[operation]
    if (request.method !== method) throw methodNotAllowed(request.method, method)
    checkVersion(request, since)
    const host = hostOf(request)
    const broker = brokerOf(withoutPort(host), prefix.toLowerCase())
    if (!broker) throw namespaceNotFound(host)
    const caller = await callerOf(request, host, broker)
    if (operation === 'messages') return publish(request, broker, caller)
    return operation === 'retainedMessages' ? list(request, caller, prefix) : one(request, caller)
  }

  return (request) => {
    const [, prefix, operation] = route.exec(request.path) ?? []
    if (prefix === undefined || operation === undefined) return undefined
    const known = Object.keys(operations).find((each) => each.toLowerCase() === operation.toLowerCase())
    return answer(request, prefix, known as Operation).catch((error: unknown) => {
      if (error instanceof RequestError) return errorResponse(error)
      throw error
    })
  }
}

const route = /^((?:\/namespaces\/[^/]+\/[^/]+)?)\/mqtt\/(messages|retainedMessages(?:\/message)?)\/?$/i

async function callerOf(request: HttpRequest, host: string, broker: MessageBroker): Promise<Caller> {
  const { authorization } = request.headers
  if (authorization === undefined)
    throw unauthorized(host, "It must carry the header 'Authorization' with a Bearer token.")
  const token = /^bearer\s+(\S+)\s*$/i.exec(authorization)?.[1]
  if (token === undefined) throw unauthorized(host, 'The scheme of the Authorization header must be Bearer.')
  const caller = await broker.admit(token, request)
  if (!('refused' in caller)) return caller
  throw caller.isOurs ? unavailable(`${caller.refused}.`) : unauthorized(host, `${caller.refused}.`)
}

function checkVersion(request: HttpRequest, since: string): void {
  const version = request.query.get('api-version')
  const supported = versions.filter((each) => each >= since)
  if (version === null)
    throw badRequest(
      `The query parameter 'api-version' is missing; it must be one of ${supported.join(', ')}.`,
      'api-version',
    )
  if (!supported.some((each) => each === version.toLowerCase()))
    throw badRequest(
      `The api-version '${version.slice(0, 100)}' is not supported here; it must be one of ${supported.join(', ')}.`,
      'api-version',
    )
}

interface Page {
  readonly topicFilter: string
  /** The last topic name of the page before. */
  readonly after: string | undefined
  readonly most: number
}

function pageOf({ query }: HttpRequest): Page {
  const topicFilter = query.get('topicFilter')
  const token = query.get('continuationToken')
  if ((topicFilter === null) === (token === null))
    throw badRequest(
      "Exactly one of the query parameters 'topicFilter' and 'continuationToken' must be given.",
    )
  if (token !== null) return decodeToken(token)
  const text = query.get('maxResults') ?? `${mostResults}`
  const most = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (most < 1 || most > mostResults)
    throw badRequest(
      `The query parameter 'maxResults' must be from 1 to ${mostResults}; it is '${text.slice(0, 100)}'.`,
      'maxResults',
    )
  return { topicFilter: topicFilter as string, after: undefined, most }
}

const encodeToken = (page: Page): string => Buffer.from(JSON.stringify(page)).toString('base64url')

function decodeToken(token: string): Page {
  try {
    const { topicFilter, after, most } = JSON.parse(Buffer.from(token, 'base64url').toString()) as Page
    if (typeof topicFilter === 'string' && typeof after === 'string' && most >= 1 && most <= mostResults)
      return { topicFilter, after, most }
  } catch {
    // It is none of ours, then.
  }
  throw badRequest("The query parameter 'continuationToken' is not one that was given.", 'continuationToken')
}

function expiryOf({ message }: RetainedFacts): string | null {
  const { messageExpiryInterval: seconds, receivedAt } = message
  return seconds ? encodeMoment(receivedAt + seconds * 1000) : null
}

/** What no header may hold is percent-encoded. */
const headerText = (text: string): string =>
  text.replaceAll(/[^\x20-\x7e]+/g, (odd) => encodeURIComponent(odd))

const mayNotRead = (topicFilter: string) =>
  forbidden(`Topic filter '${topicFilter}' does not match any topicspaces that the caller may subscribe to.`)

function refusalError({ kind, reason }: Refusal): RequestError {
  switch (kind) {
    case 'malformed':
      return badRequest(reason)
    case 'forbidden':
      return forbidden(reason)
    case 'tooLarge':
      return new RequestError(413, 'RequestEntityTooLarge', reason)
    case 'tooMany':
      return tooManyRequests(reason)
    case 'unavailable':
      return unavailable(reason)
  }
}
