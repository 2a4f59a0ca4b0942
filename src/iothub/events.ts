import type { Clock, EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import type { HttpRequest, HttpResponse } from '../http/http.ts'
import type { HubEvents, Positions } from '../hubevents/hub-events.ts'
import { decodeStored } from '../hubevents/stored-message.ts'
import { decodeJson } from '../hubmessage/telemetry-event.ts'
import { HubError, invalid } from '../registry/errors.ts'
import type { ReadEntry } from '../store/store.ts'
import { json } from './answers.ts'

/*
 * The messages of a hub's built-in endpoint as JSON, for whoever has no client of Event Hubs. Azure has nothing like it:
 * docs/iot-hub-events.md describes it.
 */

const messagesMost = 1_000
const messagesDefault = 100
/** In one answer, unless a single one is larger. */
const answerBytes = 4 * 1024 * 1024
const waitSecondsMost = 60

type From =
  | { readonly kind: 'latest' | 'earliest' }
  | { readonly kind: 'sequence'; readonly sequence: number }
  | { readonly kind: 'time'; readonly at: EpochMs }
  | { readonly kind: 'continuation'; readonly positions: Positions }

interface Wanted {
  readonly partitions: readonly number[]
  readonly from: From
  readonly max: number
  readonly waitMs: number
}

/** Answers with what there is; with nothing, once the time to wait is over. */
export async function readEvents(
  events: HubEvents,
  request: HttpRequest,
  clock: Clock,
): Promise<HttpResponse> {
  const { partitions, from, max, waitMs } = decodeWanted(request.query, events.partitions)
  const until = clock.now() + waitMs
  const positions = new Map<number, number>()
  for (const partition of partitions) positions.set(partition, await positionOf(events, partition, from))
  const gone = new AbortController()
  if (waitMs > 0) request.onGone(() => gone.abort())
  if (waitMs > 0 && !(await events.untilMore(positions, until, gone.signal)))
    throw new HubError('ThrottlingException', 'Too many requests wait for messages of this hub.')
  const found = await readSome(events, positions, max)
  for (const { partition, entry } of found) positions.set(partition, entry.sequence + 1)
  // The body of a message stands there as it came.
  const value = found.map(({ partition, entry }) => encodeEvent(partition, entry)).join(',')
  const continuation = JSON.stringify(encodeContinuation(positions))
  const answer = json(undefined)
  return { ...answer, body: `{"value":[${value}],"continuation":${continuation}}` }
}

function decodeWanted(query: URLSearchParams, count: number): Wanted {
  const named = query.get('partition')
  const partition = named === null ? undefined : wholeNumber('partition', named, 0, count - 1)
  const token = query.get('continuation')
  const from = query.get('from')
  if (token !== null && from !== null) throw invalid('from', 'left out where there is a continuation', from)
  const known = token === null ? undefined : decodeContinuation(token, count)
  if (known && partition !== undefined)
    throw invalid('partition', 'left out where there is a continuation', named)
  const all = Array.from({ length: count }, (_, n) => n)
  return {
    partitions: known ? [...known.keys()] : partition === undefined ? all : [partition],
    from: known ? { kind: 'continuation', positions: known } : decodeFrom(from, partition),
    max: wholeNumber('max', query.get('max') ?? String(messagesDefault), 1, messagesMost),
    waitMs: wholeNumber('wait', query.get('wait') ?? '0', 0, waitSecondsMost) * 1000,
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : -1
  if (value >= least && value <= most) return value
  throw invalid(name, `a whole number from ${least} to ${most}`, text)
}

function decodeFrom(text: string | null, partition: number | undefined): From {
  if (text === null || text === 'latest') return { kind: 'latest' }
  if (text === 'earliest') return { kind: 'earliest' }
  if (/^\d{1,15}$/.test(text)) {
    if (partition === undefined)
      throw invalid('from', 'no sequence number where no partition is named: each counts its own', text)
    return { kind: 'sequence', sequence: Number(text) }
  }
  const at = /^\d{4}-\d\d-\d\d(T|$)/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at))
    throw invalid('from', 'latest, earliest, a sequence number or a time in ISO 8601', text)
  return { kind: 'time', at }
}

async function positionOf(events: HubEvents, partition: number, from: From): Promise<number> {
  const { firstSequence, nextSequence } = events.facts(partition)
  switch (from.kind) {
    case 'latest':
      return nextSequence
    case 'earliest':
      return firstSequence
    case 'sequence':
      return from.sequence
    case 'time':
      return events.firstAfter(partition, 'at', from.at - 1)
    case 'continuation':
      return from.positions.get(partition) ?? nextSequence
  }
}

interface Found {
  readonly partition: number
  readonly entry: ReadEntry
  /** Its own time, or a later one of an entry before it in its partition: the clock may have gone back. */
  readonly at: EpochMs
}

/** Of all partitions together, in the order in which they came; those of each in that of their sequence numbers. */
async function readSome(events: HubEvents, positions: Positions, max: number): Promise<readonly Found[]> {
  const bytes = answerBytes / positions.size
  const lists = await Promise.all(
    Array.from(positions, async ([partition, sequence]) =>
      inOrder(partition, await events.read(partition, sequence, max, bytes)),
    ),
  )
  return lists
    .flat()
    .toSorted((a, b) => a.at - b.at || a.entry.offset - b.entry.offset)
    .slice(0, max)
}

function inOrder(partition: number, entries: readonly ReadEntry[]): readonly Found[] {
  let at = 0
  return entries.map((entry) => ({ partition, entry, at: (at = Math.max(at, entry.at)) }))
}

function encodeEvent(partition: number, { sequence, offset, at, bytes }: ReadEntry): string {
  const { body, properties, systemProperties } = decodeStored(bytes)
  const contentType = systemProperties['content-type']?.toLowerCase()
  const isJson = contentType?.split(';')[0]?.trim() === 'application/json' && decodeJson(body) !== undefined
  const said = {
    partition: String(partition),
    sequenceNumber: sequence,
    offset: String(offset),
    enqueuedTimeUtc: encodeMoment(at),
    properties,
    systemProperties,
  }
  const [bodyEncoding, text] = isJson
    ? ['json', body.toString()]
    : ['base64', JSON.stringify(body.toString('base64'))]
  return `${JSON.stringify({ ...said, bodyEncoding }).slice(0, -1)},"body":${text}}`
}

/** Partitions with the sequence numbers that come next: `0:12,1:7`. */
const encodeContinuation = (positions: Positions): string =>
  Array.from(positions, ([partition, sequence]) => `${partition}:${sequence}`).join(',')

function decodeContinuation(token: string, count: number): Positions {
  const positions = new Map<number, number>()
  for (const part of token.split(',')) {
    const [, partition = '', sequence = ''] = /^(\d{1,3}):(\d{1,15})$/.exec(part) ?? []
    if (partition === '' || Number(partition) >= count || positions.has(Number(partition)))
      throw invalid('continuation', 'one that this server has given', token)
    positions.set(Number(partition), Number(sequence))
  }
  return positions
}
