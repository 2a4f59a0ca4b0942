import type { EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { DeadLetterSettings, EventSubscription } from '../catalog/catalog.ts'
import { namesIn } from '../destinations/azure-resource.ts'
import type { OutcomeName } from '../destinations/destination.ts'
import { deadLetterForm, encodeDelivery } from '../event/encode.ts'
import type { DeliverySchema, StoredEvent } from '../event/event.ts'
import { type Member, membersOf, withoutMembers } from '../event/members.ts'
import { encodeNamespaceDeadLetters } from './namespace-dead-letter.ts'
import type { GiveUpReason } from './policy.ts'

/** Where dead-letter records are kept. */
export interface DeadLetterStore {
  /** Never rejects for what the storage did. */
  write(container: DeadLetterSettings, blob: DeadLetterBlob, signal: AbortSignal): Promise<DeadLetterOutcome>
}

/** A blob of records, with what is said of it beside them, so that listing needs to read none. */
export interface DeadLetterBlob {
  readonly name: string
  readonly body: Buffer
  /** ARM id: event subscriptions of the same name on other topics may share the container. */
  readonly eventSubscriptionId: string
  /** One for each record. */
  readonly reasons: readonly string[]
}

/** What a listing says of a blob; what is said beside the records is not known of those that others wrote. */
export interface ListedBlob {
  readonly name: string
  readonly bytes: number
  readonly changedAt: EpochMs
  readonly eventSubscriptionId: string | undefined
  readonly records: number | undefined
  /** Each reason once. */
  readonly reasons: readonly string[] | undefined
}

export interface BlobPage {
  readonly blobs: readonly ListedBlob[]
  /** For the page after this one; undefined on the last. */
  readonly continuationToken: string | undefined
}

export interface ReadBlob {
  readonly body: Buffer
  readonly eventSubscriptionId: string | undefined
  /** Changes with the blob; what is replaced or removed must still be what was read. */
  readonly etag: string
}

/** What was dead-lettered, to be looked at and taken back. Every function rejects with a `StorageFailure`. */
export interface DeadLetterArchive {
  /** The blobs whose names begin with `prefix`, in the order of their names. */
  list(
    container: DeadLetterSettings,
    page: {
      readonly prefix: string
      readonly top: number
      readonly continuationToken: string | undefined
    },
  ): Promise<BlobPage>
  /** Undefined where there is no such blob. */
  read(container: DeadLetterSettings, name: string): Promise<ReadBlob | undefined>
  replace(container: DeadLetterSettings, blob: DeadLetterBlob, etag: string): Promise<void>
  remove(container: DeadLetterSettings, name: string, etag: string): Promise<void>
}

export class StorageFailure extends Error {
  /** `changed`: the blob is another than the one that was read. `tooLarge`: to be read at once. */
  readonly kind: 'unavailable' | 'missing' | 'changed' | 'tooLarge'

  constructor(kind: StorageFailure['kind'], message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'StorageFailure'
    this.kind = kind
  }
}

export type DeadLetterOutcome =
  | { readonly kind: 'written' }
  /** It may work later. */
  | { readonly kind: 'unavailable'; readonly error: string }
  /** There is no such container. */
  | { readonly kind: 'missing'; readonly error: string }

/** One event that was given up. */
export interface DeadLetter {
  readonly event: StoredEvent
  readonly reason: GiveUpReason
  readonly attempts: number
  /** Both undefined when there was no attempt: the event ran out of time while it waited. */
  readonly lastOutcome: OutcomeName | undefined
  readonly lastAttemptAt: EpochMs | undefined
  readonly lastStatus: number | undefined
}

/**
 * A blob of records: one JSON array. A record is the event as it would have been delivered, with members of its
 * own: `deadLetterReason` and so on, or all in lower case as extension attributes of a CloudEvent.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Dead-letter events"
 */
export function encodeDeadLetters(
  deadLetters: readonly DeadLetter[],
  eventSubscription: Pick<
    EventSubscription,
    'deliverySchema' | 'topicId' | 'ofNamespaceTopic' | 'destination' | 'queue'
  >,
): Buffer {
  if (eventSubscription.ofNamespaceTopic) return encodeNamespaceDeadLetters(deadLetters, eventSubscription)
  const { deliverySchema: schema, topicId } = eventSubscription
  const parts: Buffer[] = []
  for (const deadLetter of deadLetters) {
    parts.push(parts.length === 0 ? open : comma)
    // A CloudEvent has no other form; it may have come before the delivery schema was changed.
    const form = deadLetterForm(deadLetter.event.schema === 'CloudEventSchemaV1_0' ? cloudEvents : schema)
    const { body } = encodeDelivery([deadLetter.event], { schema: form, batched: true, topicId })
    const members = membersFor(deadLetter, form)
    // The event is spliced, not decoded: its bytes stay as published. `body` is an array of one object.
    const event = withoutThose(body.subarray(body.indexOf(0x7b), body.lastIndexOf(0x7d) + 1), members)
    parts.push(event.subarray(0, -1), Buffer.from(`,${JSON.stringify(members).slice(1)}`))
  }
  parts.push(close)
  return Buffer.concat(parts)
}

const cloudEvents = 'CloudEventSchemaV1_0'
const open = Buffer.from('[')
const comma = Buffer.from(',')
const close = Buffer.from(']')

/** What a record has beside the event. */
function membersFor(deadLetter: DeadLetter, schema: DeliverySchema): object {
  const { reason, attempts, lastOutcome, lastAttemptAt, lastStatus, event } = deadLetter
  const members = {
    deadLetterReason: reason,
    deliveryAttempts: attempts,
    // An event that was never tried has no outcome; a CloudEvents attribute may not be null, so it is left out.
    lastDeliveryOutcome: lastOutcome,
    lastHttpStatusCode: lastStatus,
    publishTime: encodeMoment(event.publishedAt),
    lastDeliveryAttemptTime: lastAttemptAt === undefined ? undefined : encodeMoment(lastAttemptAt),
  }
  return schema === cloudEvents
    ? Object.fromEntries(Object.entries(members).map(([name, value]) => [name.toLowerCase(), value]))
    : members
}

/** The event less what the record says itself: of two members of one name, readers would see either. */
function withoutThose(event: Buffer, members: object): Buffer {
  const isThere = ({ name }: Member) => Object.hasOwn(members, name)
  return membersOf(event).some(isThere) ? withoutMembers(event, isThere) : event
}

/**
 * `SUBSCRIPTION-NAME/yyyy/M/d/H/guid.json`, in UTC and without leading zeros; of a namespace's topic,
 * `namespace/topic/subscription-name/yyyy/...`.
 *
 * Source: learn.microsoft.com/azure/event-grid/manage-event-delivery;
 * dead-letter-event-subscriptions-namespace-topics
 */
export function deadLetterBlobName(eventSubscription: NamedEventSubscription, now: EpochMs): string {
  const at = new Date(now)
  const folder = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours()].join('/')
  return `${deadLetterPrefix(eventSubscription)}${folder}/${newGuid()}.json`
}

/** With which the names of all blobs of an event subscription begin. */
export const deadLetterPrefix = ({ id, name, ofNamespaceTopic }: NamedEventSubscription): string =>
  ofNamespaceTopic ? `${namesIn(id).join('/')}/` : `${name.toUpperCase()}/`

type NamedEventSubscription = Pick<EventSubscription, 'id' | 'name' | 'ofNamespaceTopic'>
