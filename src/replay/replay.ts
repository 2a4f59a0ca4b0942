import type { Access } from '../auth/access.ts'
import type { Authorize, Caller } from '../auth/caller.ts'
import { RequestError } from '../base/errors.ts'
import { StorageFailure } from '../delivery/dead-letter.ts'
import { type Door, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { StoreUnavailable } from '../store/store.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { checkString, type Fields, fields, readArray, readString } from '../wire/shape.ts'
import { createDeadLetters, type DeadLettersOptions, defaultReplayLimits } from './dead-letters.ts'
import { cannotAccept, methodNotAllowed, storageFailed } from './errors.ts'
import { encodeRecords } from './records.ts'

/*
 * The door to what was dead-lettered: lists the blobs of one event subscription, shows their records, and puts the
 * events back on its queue. It promises that a replayed event is durable there before its record leaves the
 * container: a crash between the two delivers it twice at worst.
 */

export interface ReplayOptions extends DeadLettersOptions {
  readonly authorize: Authorize
  readonly access: Access
}

const bodyBytes = 1024 * 1024
const idCharacters = 1024
const nameCharacters = 1024
const tokenCharacters = 8192
const mostTop = 1000

interface Route {
  readonly method: string
  readonly answer: (request: HttpRequest, caller: Caller) => Promise<HttpResponse>
}

export function createReplayDoor({ authorize, access, ...options }: ReplayOptions): Door {
  const limits = { ...defaultReplayLimits, ...options.limits }
  const deadLetters = createDeadLetters(options)
  const routes: Readonly<Record<string, Route>> = {
    '/deadletters': { method: 'GET', answer: list },
    '/deadletters/records': { method: 'GET', answer: show },
    '/deadletters/replay': { method: 'POST', answer: replay },
  }

  return (request) => {
    const route = Object.hasOwn(routes, request.path) ? routes[request.path] : undefined
    return route && follow(route, request)
  }

  async function follow({ method, answer }: Route, request: HttpRequest): Promise<HttpResponse> {
    if (request.method !== method) throw methodNotAllowed(request.path, method)
    const caller = await authorize(request)
    try {
      return await answer(request, caller)
    } catch (error) {
      if (error instanceof StorageFailure) throw storageFailed(error)
      if (error instanceof StoreUnavailable) throw cannotAccept(error)
      throw error
    }
  }

  /** Refuses who may not do that with the dead letters of an event subscription, be it there or not. */
  function check(caller: Caller, verb: string, eventSubscription: string): void {
    const scope = deadLetters.idOf(eventSubscription) ?? eventSubscription
    access.check(caller, `Microsoft.EventGrid/eventSubscriptions/deadLetters/${verb}`, scope)
  }

  async function list(request: HttpRequest, caller: Caller): Promise<HttpResponse> {
    const { query, base, path } = request
    const eventSubscription = required(request, 'eventSubscription')
    check(caller, 'read', eventSubscription)
    const top = query.has('top') ? Number(query.get('top')) : limits.blobs
    if (!Number.isInteger(top) || top < 1 || top > mostTop)
      throw invalidProperty('top', `an integer from 1 to ${mostTop}`, query.get('top'))
    const { value, continuationToken } = await deadLetters.list(eventSubscription, {
      top,
      continuationToken: query.get('continuationToken') ?? undefined,
    })
    if (continuationToken === undefined) return jsonResponse(200, { value }, noStore)
    const next = new URLSearchParams({ eventSubscription, top: String(top), continuationToken })
    const nextLink = `${base}${path}?${next.toString()}`
    return jsonResponse(200, { value, continuationToken, nextLink }, noStore)
  }

  async function show(request: HttpRequest, caller: Caller): Promise<HttpResponse> {
    const blob = required(request, 'blob')
    const eventSubscription = required(request, 'eventSubscription')
    check(caller, 'showRecords/action', eventSubscription)
    const records = await deadLetters.records(eventSubscription, blob)
    const head = Buffer.from(`{"blob":${JSON.stringify(blob)},"value":`)
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json; charset=utf-8', ...noStore },
      // The records as they are: numbers keep the digits that were published.
      body: Buffer.concat([head, encodeRecords(records), Buffer.from('}')]),
    }
  }

  async function replay(request: HttpRequest, caller: Caller): Promise<HttpResponse> {
    const body = fields(decodeBody(await request.body(bodyBytes)), '')
    const eventSubscription = readString(body, 'eventSubscription', idCharacters)
    if (eventSubscription === undefined)
      throw invalidProperty('eventSubscription', 'the ARM id of an event subscription', undefined)
    check(caller, 'replay/action', eventSubscription)
    const eventIds = readTexts(body, 'eventIds', limits.eventIds)
    const answer = await deadLetters.replay(eventSubscription, {
      blobs: readTexts(body, 'blobs', limits.blobs),
      eventIds: eventIds && new Set(eventIds),
      continuationToken: readString(body, 'continuationToken', tokenCharacters),
    })
    return jsonResponse(200, answer, noStore)
  }
}

const noStore = { 'Cache-Control': 'no-store' }

function required({ query }: HttpRequest, name: string): string {
  const value = query.get(name)
  if (value === null || value === '') throw invalidProperty(name, 'given in the query', undefined)
  return value
}

function decodeBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new RequestError(
      400,
      'InvalidRequest',
      `The body is not valid JSON: ${(cause as Error).message}.`,
      {
        cause,
      },
    )
  }
}

/** A list that is given and empty would else mean everything. */
function readTexts(from: Fields, name: string, most: number): readonly string[] | undefined {
  const items = readArray(from, name, most)
  if (items?.length === 0)
    throw invalidRequest(`The property '${name}' is empty: leave it out to mean all.`, from.at(name))
  return items?.map(({ value, path }) => checkString(value, path, nameCharacters))
}
