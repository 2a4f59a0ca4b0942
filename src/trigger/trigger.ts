import type { Access } from '../auth/access.ts'
import type { Authorize } from '../auth/caller.ts'
import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { GridEvent } from '../event/event.ts'
import { membersOf } from '../event/members.ts'
import { ObjectScanner } from '../event/scan.ts'
import { checkBounds, decodeJson } from '../event/schemas/json.ts'
import type { DecodeLimits } from '../event/schemas/schema.ts'
import { isLenientIso8601 } from '../event/times.ts'
import { type Door, type HttpRequest, type HttpResponse } from '../http/http.ts'
import { buildEvent } from '../sources/build-event.ts'
import type { CheckData } from '../sources/check-data.ts'
import type { DataSchemas } from '../sources/data-schemas.ts'
import type { EventSource } from '../sources/event-source.ts'
import { exampleSource } from '../sources/example.ts'
import { type FoundEventType, findEventType, isSource } from '../sources/lookup.ts'
import { StoreUnavailable } from '../store/store.ts'
import { invalidProperty } from '../wire/errors.ts'
import { fields, isObject, readString } from '../wire/shape.ts'
import {
  cannotAccept,
  eventTypeNotFound,
  invalidBody,
  invalidData,
  notASource,
  notRaised,
  unknownMember,
} from './errors.ts'

/*
 * The door for events of Azure's services that are raised by hand: `POST /events/trigger`. In comes the name of an
 * event type, and as much of the event as the caller cares about; the rest is as in the type's example. What is
 * raised takes the way that a service's own events take.
 */

export interface TriggerOptions {
  /** Resolves when the events are durable for every event subscription on that source that wants them. */
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly authorize: Authorize
  readonly access: Access
  readonly schemas: DataSchemas
  readonly checkData: CheckData
  /** Of one event; the request may be no larger. */
  readonly limits: DecodeLimits
  readonly clock: Clock
}

export const triggerPath = '/events/trigger'

const members = ['eventType', 'source', 'subject', 'data', 'dataVersion', 'eventTime', 'id'] as const
const idCharacters = 2_048

export function createTriggerDoor(options: TriggerOptions): Door {
  const { raise, authorize, access, schemas, checkData, limits, clock } = options

  return (request) => (request.path === triggerPath ? trigger(request) : undefined)

  async function trigger(request: HttpRequest): Promise<HttpResponse> {
    if (request.method !== 'POST') throw methodNotAllowed(request)
    const caller = await authorize(request)
    const bytes = await request.body(limits.eventBytes)
    const { eventType: name, source: sourceId, data, dataBytes, ...given } = decode(bytes, limits)

    const found = findEventType(name)
    if (!found) throw eventTypeNotFound(name)
    const { eventType } = found
    const source = carrierOf(found, sourceId)
    const raisedBy = sourceId ?? exampleSource(source)
    access.check(caller, 'Microsoft.EventGrid/events/trigger/action', raisedBy)
    const isExample = data === undefined
    if (!isExample) {
      const mismatches = await checkData(eventType.name, data)
      if (mismatches.length > 0) throw invalidData(eventType.name, mismatches)
    }
    const event = buildEvent(source, eventType.name, {
      sourceId: raisedBy,
      subject: given.subject ?? eventType.exampleSubject,
      data: isExample ? (await schemas.read(eventType.name)).example : data,
      dataBytes,
      id: given.id ?? newGuid(),
      eventTime: given.eventTime ?? encodeMoment(clock.now()),
      dataVersion: given.dataVersion,
    })
    await raise(raisedBy, source.topicType, [event]).catch((error: unknown) => {
      throw error instanceof StoreUnavailable ? cannotAccept(error) : error
    })
    const { source: head, start, end, tail } = event
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' },
      body: Buffer.concat([head.subarray(start, end), tail]),
    }
  }
}

interface Triggered {
  readonly eventType: string
  readonly source: string | undefined
  readonly subject: string | undefined
  readonly data: unknown
  /** As it came, so that numbers beyond 2^53 stay exact. */
  readonly dataBytes: Buffer | undefined
  readonly dataVersion: string | undefined
  readonly eventTime: string | undefined
  readonly id: string | undefined
}

function decode(bytes: Buffer, limits: DecodeLimits): Triggered {
  const body = decodeJson(bytes)
  if (!isObject(body)) throw invalidBody(`got ${Array.isArray(body) ? 'an array' : typeof body}`)
  const scanner = new ObjectScanner(bytes)
  scanner.next()
  checkBounds(bytes.length, scanner.nesting, 0, limits)
  const seen = new Set<string>()
  for (const name of Object.keys(body)) {
    const lower = name.toLowerCase()
    if (!members.some((member) => member.toLowerCase() === lower)) throw unknownMember(name, members)
    if (seen.has(lower))
      throw invalidProperty(name, 'given once, for letter case does not matter', body[name])
    seen.add(lower)
  }
  const from = fields(body, '')
  const eventType = readString(from, 'eventType', idCharacters)
  if (eventType === undefined)
    throw invalidProperty(
      'eventType',
      'the name of an event type, such as Microsoft.Storage.BlobCreated',
      undefined,
    )
  const eventTime = readString(from, 'eventTime', 64)
  if (eventTime !== undefined && !isLenientIso8601(eventTime))
    throw invalidProperty('eventTime', 'an ISO 8601 date and time', eventTime)
  const id = readString(from, 'id', idCharacters)
  if (id === '') throw invalidProperty('id', 'a string that is not empty', id)
  const data = from.raw('data')
  const member = membersOf(bytes, scanner.start).findLast(({ name }) => name.toLowerCase() === 'data')
  return {
    eventType,
    source: readString(from, 'source', idCharacters),
    subject: readString(from, 'subject', limits.eventBytes),
    data,
    dataBytes: data === undefined || !member ? undefined : bytes.subarray(member.start, member.end),
    dataVersion: readString(from, 'dataVersion', idCharacters),
    eventTime,
    id,
  }
}

/** The kind of source that raises the event: the one that the id is of, or the first where none is given. */
function carrierOf(
  { eventType, sources }: FoundEventType,
  sourceId: string | undefined,
): EventSource & { readonly topicType: string } {
  const carriers = sources.filter(
    (source): source is EventSource & { readonly topicType: string } => source.topicType !== undefined,
  )
  const [first] = carriers
  if (!first) throw notRaised(eventType.name)
  if (sourceId === undefined) return first
  const carrier = carriers.find((source) => isSource(source, sourceId))
  if (!carrier) throw notASource(eventType.name, carriers, sourceId)
  return carrier
}

const methodNotAllowed = ({ method }: HttpRequest) =>
  new RequestError(405, 'MethodNotAllowed', `${triggerPath} takes POST alone; got ${method}.`, {
    headers: { Allow: 'POST' },
  })
