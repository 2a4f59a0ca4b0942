import { AmqpRefusal } from '../amqp/errors.ts'
import type { AmqpNode } from '../amqp/guest.ts'
import type { IncomingLink, OutgoingLink } from '../amqp/links.ts'
import type { IncomingMessage } from '../amqp/message.ts'
import type { Clock } from '../base/clock.ts'
import type { ReadEntry } from '../store/store.ts'
import { AmqpWriter } from './amqp-writer.ts'
import type { HubEvents } from './hub-events.ts'
import { answerManagement, type ManagementFacts } from './management.ts'
import { PartitionReaders } from './readers.ts'
import { decodeSelector, type StartPosition } from './selector.ts'
import { encodeReceived } from './stored-message.ts'

/*
 * The built-in endpoint as a node of AMQP, for receivers of Event Hubs' protocol: they name a consumer group and a
 * partition, say where they begin, and are sent what they have room for. What they settle means nothing; where they are is
 * their own business. `$management` tells how many partitions there are, and how far each is.
 *
 * Source: learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide
 */

export interface EventsNodeOptions extends ManagementFacts {
  readonly events: HubEvents
  readonly hasConsumerGroup: (name: string) => boolean
  readonly clock: Clock
  /** What could not be read. */
  readonly failed: (error: unknown) => void
}

/** Read at a time for one receiver. */
const readEntries = 256
const readBytes = 512 * 1024
/** While so much has been read ahead that no more is kept. */
const scarceEntries = 16
/** Read for the receivers of a hub and not sent yet, where they have no room: beyond it, it is read once more. */
export const aheadBytesMost: number = 32 * 1024 * 1024
const managementBytes = 64 * 1024
const managementRequests = 16

const selectorFilter = 'apache.org:selector-filter:string'
const runtimeMetric = 'com.microsoft:enable-receiver-runtime-metric'

export function createEventsNode(options: EventsNodeOptions): AmqpNode {
  const readers = new PartitionReaders()
  const ahead = { bytes: 0 }
  const answers = new Set<OutgoingLink>()
  /** What stands behind the hub's name, or behind the name that it has for those who ask the hub itself. */
  const restOf = (address: string): { readonly base: string; readonly rest: string } | undefined => {
    const whole = address.replace(/^\/+/, '')
    for (const base of [options.name(), 'messages/events']) {
      const head = whole.slice(0, base.length)
      if (head.toLowerCase() === base.toLowerCase() && /^(\/|$)/.test(whole.slice(base.length)))
        return { base: `/${base}`, rest: whole.slice(base.length).replace(/^\/|\/$/g, '') }
    }
    return whole.toLowerCase() === '$management' ? { base: `/${options.name()}`, rest: whole } : undefined
  }
  return {
    attach(link, caller) {
      const found = restOf(link.address)
      if (!found) return false
      const { base, rest } = found
      if (rest.toLowerCase() === '$management') {
        caller.require(link, 'ServiceConnect', `${base}/$management`)
        if (link.kind === 'outgoing') followAnswers(link, answers)
        else takeRequests(link, answers, options)
        return true
      }
      const [, group = '', partition = ''] =
        /^ConsumerGroups\/([^/]+)\/Partitions\/([^/]+)$/i.exec(rest) ?? []
      if (group === '' || link.kind !== 'outgoing')
        throw new AmqpRefusal(
          'amqp:not-allowed',
          `The built-in endpoint is received from, at ${base.slice(1)}/ConsumerGroups/{group}/Partitions/{id}.`,
        )
      caller.require(link, 'ServiceConnect', `${base}/${rest}`)
      attachReceiver(link, { group: decodeSegment(group), partition }, { readers, ahead }, options)
      return true
    },
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

// ---------------------------------------------------------------- receivers

/** What receivers of a hub share. */
interface Shared {
  readonly readers: PartitionReaders
  /** Read and not sent yet. */
  readonly ahead: { bytes: number }
}

interface ReceiverPlace {
  readonly group: string
  readonly partition: string
}

function attachReceiver(
  link: OutgoingLink,
  { group, partition: id }: ReceiverPlace,
  { readers, ahead }: Shared,
  options: EventsNodeOptions,
): void {
  const { events, hasConsumerGroup, failed } = options
  if (!hasConsumerGroup(group)) throw noGroup(group)
  const partition = /^\d{1,3}$/.test(id) ? Number(id) : events.partitions
  if (partition >= events.partitions)
    throw new AmqpRefusal(
      'com.microsoft:argument-out-of-range',
      `There is no partition '${id}': they are 0 to ${events.partitions - 1}.`,
    )
  const selector = selectorOf(link.filter.get(selectorFilter))
  const start = decodeSelector(selector)
  if (!start)
    throw new AmqpRefusal('com.microsoft:argument-error', `The filter '${selector}' is not understood.`)
  const ownerLevel = ownerLevelOf(link.properties['com.microsoft:epoch'])
  const name = link.properties['com.microsoft:receiver-name']
  const leave = readers.add(group, partition, {
    ownerLevel,
    name: typeof name === 'string' ? name : link.name,
    end: (error) => link.close(error),
  })
  const { onClosed } = link
  link.onClosed = () => {
    leave()
    onClosed()
  }
  link.hold()
  positionOf(events, partition, start)
    .then((sequence) => {
      if (!link.isClosed) new Receiver(link, { group, partition }, sequence, { ...options, ahead }).begin()
    })
    .catch((error: unknown) => {
      failed(error)
      link.close(unreadable())
    })
}

const noGroup = (group: string) =>
  new AmqpRefusal('amqp:not-found', `The hub has no consumer group '${group}'.`)
const unreadable = () => new AmqpRefusal('amqp:internal-error', 'The messages cannot be read.')

/** Undefined: the receiver shares the partition. */
function ownerLevelOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  const level = Number(value)
  if (Number.isSafeInteger(level)) return level
  throw new AmqpRefusal(
    'com.microsoft:argument-error',
    'The owner level (com.microsoft:epoch) must be a whole number.',
  )
}

/** It comes described. */
function selectorOf(filter: unknown): string | undefined {
  if (typeof filter === 'string') return filter
  const { value } = (filter ?? {}) as { readonly value?: unknown }
  return typeof value === 'string' ? value : undefined
}

async function positionOf(events: HubEvents, partition: number, start: StartPosition): Promise<number> {
  const { firstSequence, nextSequence } = events.facts(partition)
  switch (start.kind) {
    case 'earliest':
      return firstSequence
    case 'latest':
      return nextSequence
    case 'sequence':
      return Math.max(start.isInclusive ? start.value : start.value + 1, 0)
    default: {
      const value = start.isInclusive ? start.value - 1 : start.value
      return events.firstAfter(partition, start.kind === 'time' ? 'at' : 'offset', value)
    }
  }
}

type ReceiverOptions = EventsNodeOptions & Pick<Shared, 'ahead'>

class Receiver {
  readonly #link: OutgoingLink
  readonly #group: string
  readonly #partition: number
  readonly #options: ReceiverOptions
  readonly #writer = new AmqpWriter()
  readonly #tellsRuntime: boolean
  #next: number
  /** Read, and not sent yet. */
  #entries: readonly ReadEntry[] = []
  #entryBytes = 0
  #at = 0
  #isReading = false
  #isPumping = false

  constructor(
    link: OutgoingLink,
    { group, partition }: { readonly group: string; readonly partition: number },
    sequence: number,
    options: ReceiverOptions,
  ) {
    this.#link = link
    this.#group = group
    this.#partition = partition
    this.#next = sequence
    this.#options = options
    this.#tellsRuntime = link.desiredCapabilities.includes(runtimeMetric)
  }

  begin(): void {
    const link = this.#link
    const unfollow = this.#options.events.follow(this.#partition, () => this.#pump())
    const { onClosed } = link
    link.onClosed = () => {
      unfollow()
      this.#keep([])
      onClosed()
    }
    link.open(() => this.#pump())
  }

  /** Sends what there is room for. */
  #pump(): void {
    // What is sent may make room, and call this again.
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (!this.#isReading && this.#link.canSend) {
        const entry = this.#entries[this.#at]
        if (entry) this.#send(entry)
        else if (!this.#read()) break
      }
    } finally {
      this.#isPumping = false
    }
    if (this.#isScarce) this.#keep([])
  }

  get #isScarce(): boolean {
    return this.#options.ahead.bytes > aheadBytesMost
  }

  #keep(entries: readonly ReadEntry[]): void {
    const { ahead } = this.#options
    ahead.bytes -= this.#entryBytes
    this.#entryBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0)
    ahead.bytes += this.#entryBytes
    this.#entries = entries
    this.#at = 0
  }

  #send(entry: ReadEntry): void {
    this.#next = entry.sequence + 1
    if (++this.#at === this.#entries.length) this.#keep([])
    const { events, clock } = this.#options
    const runtime = this.#tellsRuntime ? { last: events.facts(this.#partition), now: clock.now() } : undefined
    this.#link.send(encodeReceived(this.#writer, entry, runtime))
  }

  /** False where there is nothing now. */
  #read(): boolean {
    // It may have been deleted since.
    if (!this.#options.hasConsumerGroup(this.#group)) {
      this.#link.close(noGroup(this.#group))
      return false
    }
    const max = this.#isScarce ? scarceEntries : readEntries
    const found = this.#options.events.read(this.#partition, this.#next, max, readBytes)
    if (!(found instanceof Promise)) return this.#take(found)
    this.#isReading = true
    found
      .then((entries) => {
        this.#isReading = false
        if (!this.#link.isClosed && this.#take(entries)) this.#pump()
      })
      .catch((error: unknown) => {
        this.#options.failed(error)
        this.#link.close(unreadable())
      })
    return true
  }

  #take(entries: readonly ReadEntry[]): boolean {
    this.#keep(entries)
    return entries.length > 0
  }
}

// ---------------------------------------------------------------- $management

function followAnswers(link: OutgoingLink, answers: Set<OutgoingLink>): void {
  answers.add(link)
  const { onClosed } = link
  link.onClosed = () => {
    answers.delete(link)
    onClosed()
  }
  link.open()
}

function takeRequests(link: IncomingLink, answers: Set<OutgoingLink>, options: EventsNodeOptions): void {
  const writer = new AmqpWriter()
  link.open({
    ...{ credit: managementRequests, messageBytes: managementBytes },
    received: ([request], delivery) => {
      const to = request && answerLinkOf(request, answers)
      if (!to) {
        delivery.reject(
          new AmqpRefusal('amqp:precondition-failed', 'There is no link from $management to answer on.'),
        )
        return
      }
      delivery.accept()
      if (to.canSend) to.send(answerManagement(writer, request, options.events, options))
    },
  })
}

/** Each client names its own. */
const answerLinkOf = ({ replyTo }: IncomingMessage, answers: Set<OutgoingLink>): OutgoingLink | undefined =>
  answers.values().find(({ targetAddress }) => replyTo !== undefined && targetAddress === replyTo)
