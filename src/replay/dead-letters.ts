import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Catalog, DeadLetterSettings, EventSubscription } from '../catalog/catalog.ts'
import {
  type DeadLetterArchive,
  deadLetterPrefix,
  type ListedBlob,
  type ReadBlob,
  StorageFailure,
} from '../delivery/dead-letter.ts'
import type { GridEvent } from '../event/event.ts'
import { StoreUnavailable } from '../store/store.ts'
import {
  afterReplaying,
  blobNotFound,
  cannotAccept,
  eventSubscriptionNotFound,
  noDeadLetterDestination,
  replayUnderWay,
  stillInBlob,
  storageFailed,
} from './errors.ts'
import {
  createReplayer,
  type DeadLetterRecord,
  decodeRecords,
  encodeRecords,
  eventIdOf,
  reasonOf,
} from './records.ts'

export interface DeadLettersOptions {
  readonly catalog: Pick<Catalog, 'eventSubscriptions'>
  readonly archive: DeadLetterArchive
  /** Puts events on the queue of one event subscription, durably; false where that is gone. */
  readonly replay: (eventSubscription: EventSubscription, events: readonly GridEvent[]) => Promise<boolean>
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Partial<ReplayLimits>
}

export interface ReplayLimits {
  /** Blobs that one replay looks at before it answers with a continuation token, and that one request may name. */
  readonly blobs: number
  /** Blobs listed at once; between two lists a replay may end. */
  readonly blobsAtOnce: number
  /** Real time after which a replay begins no further list. */
  readonly replayMs: number
  /** Event ids that one request may name. */
  readonly eventIds: number
  /** Put back on the queue with one append. */
  readonly appendEvents: number
  readonly appendBytes: number
}

export const defaultReplayLimits: ReplayLimits = {
  blobs: 100,
  blobsAtOnce: 20,
  replayMs: 20_000,
  eventIds: 5_000,
  appendEvents: 1_000,
  appendBytes: 4 * 1024 * 1024,
}

/** A blob of records, as it is shown. */
export interface DescribedBlob {
  readonly name: string
  readonly time: string
  readonly bytes: number
  readonly records: number
  /** Why its events were given up, each reason once. */
  readonly reasons: readonly string[]
}

export interface Wanted {
  /** Undefined: all. */
  readonly blobs: readonly string[] | undefined
  /** Undefined: all. */
  readonly eventIds: ReadonlySet<string> | undefined
  readonly continuationToken: string | undefined
}

export interface Replayed {
  readonly replayed: number
  /** From which they came. */
  readonly blobs: number
  /** To go on with; null when everything has been looked at. */
  readonly continuationToken: string | null
}

/** What was dead-lettered for event subscriptions, which are named by their ARM id. Throws `RequestError`s. */
export interface DeadLetters {
  /** The id under which the event subscription is kept; undefined: there is none. */
  idOf(eventSubscriptionId: string): string | undefined
  list(
    eventSubscriptionId: string,
    page: { readonly top: number; readonly continuationToken: string | undefined },
  ): Promise<{ readonly value: readonly DescribedBlob[]; readonly continuationToken: string | undefined }>
  records(eventSubscriptionId: string, blob: string): Promise<readonly DeadLetterRecord[]>
  /** Puts events back on the queue of the event subscription, and takes their records out of the container. */
  replay(eventSubscriptionId: string, wanted: Wanted): Promise<Replayed>
}

/** An event subscription, and where its records are. */
interface Origin {
  readonly eventSubscription: EventSubscription
  readonly container: DeadLetterSettings
  readonly prefix: string
}

export function createDeadLetters(options: DeadLettersOptions): DeadLetters {
  const { catalog, archive, clock, log } = options
  const limits = { ...defaultReplayLimits, ...options.limits }
  /** Event subscriptions of which events are being replayed: two at a time would deliver the same records twice. */
  const underWay = new Set<string>()

  const find = (id: string): EventSubscription | undefined => {
    const wanted = id.toLowerCase()
    for (const eventSubscription of catalog.eventSubscriptions()) {
      // It has two ids: as an extension of its topic, and as its child.
      const asChild = `${eventSubscription.topicId}/eventSubscriptions/${eventSubscription.name}`
      if (eventSubscription.id.toLowerCase() === wanted || asChild.toLowerCase() === wanted)
        return eventSubscription
    }
    return undefined
  }

  const originOf = (id: string): Origin => {
    const eventSubscription = find(id)
    if (!eventSubscription) throw eventSubscriptionNotFound(id)
    const { deadLetter } = eventSubscription
    if (!deadLetter) throw noDeadLetterDestination(eventSubscription.id)
    return { eventSubscription, container: deadLetter, prefix: deadLetterPrefix(eventSubscription) }
  }

  const read = async (origin: Origin, name: string): Promise<ReadBlob> => {
    const blob = name.startsWith(origin.prefix) ? await archive.read(origin.container, name) : undefined
    if (!blob || !isOf(origin, blob)) throw blobNotFound(name, origin.eventSubscription.id)
    return blob
  }

  /** What others wrote says nothing of its records: it is read. */
  const describe = async (origin: Origin, listed: ListedBlob): Promise<DescribedBlob> => {
    const { name, changedAt, bytes, records, reasons } = listed
    const facts = { name, time: new Date(changedAt).toISOString(), bytes }
    if (records !== undefined && reasons) return { ...facts, records, reasons }
    const found = decodeRecords(name, (await read(origin, name)).body)
    return { ...facts, records: found.length, reasons: [...new Set(found.map(reasonOf))] }
  }

  /** @param put called with the number of events that have been put back on their queue */
  const replayBlob = async (
    origin: Origin,
    name: string,
    eventIds: ReadonlySet<string> | undefined,
    put: (events: number) => void,
  ): Promise<void> => {
    const { eventSubscription, container } = origin
    const { body, etag } = await read(origin, name)
    const all = decodeRecords(name, body)
    const isChosen = (record: DeadLetterRecord) => !eventIds || eventIds.has(eventIdOf(record) ?? '')
    const chosen = all.filter(isChosen)
    if (chosen.length === 0 && all.length > 0) return
    // All of them are read before the first is put back.
    const events = chosen.map(createReplayer(name, eventSubscription))
    let repeated = 0
    try {
      for (const part of parts(events, limits)) {
        if (!(await options.replay(eventSubscription, part)))
          throw eventSubscriptionNotFound(eventSubscription.id)
        repeated += part.length
        put(part.length)
      }
      const rest = all.filter((record) => !isChosen(record))
      if (rest.length === 0) await archive.remove(container, name, etag)
      else {
        const kept = { name, body: encodeRecords(rest), reasons: rest.map(reasonOf) }
        await archive.replace(container, { ...kept, eventSubscriptionId: eventSubscription.id }, etag)
      }
    } catch (error) {
      throw repeated > 0 ? stillInBlob(refusalOf(error), name, repeated) : error
    }
  }

  const replayAll = async (origin: Origin, { blobs, eventIds, continuationToken }: Wanted) => {
    const endsAt = clock.now() + limits.replayMs
    const done = { replayed: 0, blobs: 0 }
    const add = async (name: string) => {
      let isFirst = true
      await replayBlob(origin, name, eventIds, (events) => {
        done.replayed += events
        if (isFirst) done.blobs++
        isFirst = false
      })
    }
    let next = continuationToken
    try {
      for (const name of new Set(blobs)) await add(name)
      let looked = blobs ? limits.blobs : 0
      while (looked < limits.blobs && clock.now() < endsAt) {
        const page = { prefix: origin.prefix, top: limits.blobsAtOnce, continuationToken: next }
        const found = await archive.list(origin.container, page)
        for (const blob of found.blobs) if (isOf(origin, blob)) await add(blob.name)
        next = found.continuationToken
        looked = next === undefined ? limits.blobs : looked + limits.blobsAtOnce
      }
    } catch (error) {
      throw done.replayed > 0 ? afterReplaying(refusalOf(error), done.replayed, done.blobs) : error
    } finally {
      const { id } = origin.eventSubscription
      if (done.replayed > 0) log.info({ eventSubscription: id, ...done }, 'dead letters replayed')
    }
    return { ...done, continuationToken: next ?? null }
  }

  return {
    idOf: (id) => find(id)?.id,
    async list(id, { top, continuationToken }) {
      const origin = originOf(id)
      const page = await archive.list(origin.container, { prefix: origin.prefix, top, continuationToken })
      const value: DescribedBlob[] = []
      for (const blob of page.blobs) if (isOf(origin, blob)) value.push(await describe(origin, blob))
      return { value, continuationToken: page.continuationToken }
    },
    async records(id, blob) {
      return decodeRecords(blob, (await read(originOf(id), blob)).body)
    },
    async replay(id, wanted) {
      const origin = originOf(id)
      const { uid } = origin.eventSubscription
      if (underWay.has(uid)) throw replayUnderWay(id)
      underWay.add(uid)
      try {
        return await replayAll(origin, wanted)
      } finally {
        underWay.delete(uid)
      }
    },
  }
}

/** False for a blob of an event subscription of the same name on another topic; what others wrote may be anyone's. */
const isOf = (
  { eventSubscription: { id } }: Origin,
  { eventSubscriptionId }: Pick<ListedBlob, 'eventSubscriptionId'>,
) => eventSubscriptionId === undefined || eventSubscriptionId.toLowerCase() === id.toLowerCase()

function* parts(events: readonly GridEvent[], limits: ReplayLimits): Iterable<readonly GridEvent[]> {
  let part: GridEvent[] = []
  let bytes = 0
  for (const event of events) {
    const length = event.end - event.start + event.tail.length
    if (part.length > 0 && (part.length >= limits.appendEvents || bytes + length > limits.appendBytes)) {
      yield part
      part = []
      bytes = 0
    }
    part.push(event)
    bytes += length
  }
  if (part.length > 0) yield part
}

/** The refusal that the door would make of it; a bug is thrown on. */
function refusalOf(error: unknown): RequestError {
  if (error instanceof RequestError) return error
  if (error instanceof StorageFailure) return storageFailed(error)
  if (error instanceof StoreUnavailable) return cannotAccept(error)
  throw error
}
