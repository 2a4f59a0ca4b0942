import type { Clock, EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { encodeMoment } from '../base/moment.ts'
import type { GridEvent } from '../event/event.ts'
import { buildEvent } from '../sources/build-event.ts'
import { eventGridNamespaces } from '../sources/event-grid.ts'
import { StateLog } from '../store/state-log.ts'
import type { Appendable, Queues } from '../store/store.ts'
import { type ClientResource, createClientEvents, type ToldClient } from './client-events.ts'
import { createRaiser } from './raiser.ts'

/*
 * The life-cycle events of the MQTT clients of one namespace. In comes who connects and leaves, and which client
 * resources change; out go the four events of `Microsoft.EventGrid.Namespaces`. Nobody waits for an event: a number is
 * given at once, and what must be on disk first is written behind, before the event itself.
 *
 * A session's numbers grow for as long as the namespace is there. Only one number is kept for all of them, above every
 * one that was given: a start goes on from there, as gaps are allowed. Whoever is connected is kept too, for as long as
 * somebody listens: a start tells of those that a crash has cut off.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-event-grid-namespace and mqtt-client-life-cycle-events
 */

export interface Lifecycle {
  /** Answers with the sequence number of the connection. */
  connected(session: SessionName): number
  disconnected(ended: EndedSession): void
  /** Resolves when the change will be told of whatever happens. */
  clientChanged(before: ClientResource | undefined, after: ClientResource | undefined): Promise<void>
  /** Resolves when everything that is due has been told. */
  settle(): Promise<void>
  close(): Promise<void>
}

export interface SessionName {
  readonly authenticationName: string
  readonly sessionName: string
}

export interface EndedSession extends SessionName {
  readonly sequenceNumber: number
  /** One of the documented reasons. */
  readonly reason: string
}

export interface LifecycleOptions {
  readonly queues: Queues
  /** Names the realm for as long as it lives, and no other after it. */
  readonly realm: string
  /** ARM id, as events have it. */
  readonly namespaceId: string
  readonly namespaceName: string
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly isHeard: (sourceId: string, topicType: string) => boolean
  /** The client resources that there are. */
  readonly clients: () => Iterable<ClientResource>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Log
  readonly limits?: Partial<LifecycleLimits>
}

export interface LifecycleLimits {
  /** A change of a client is told when no other has come for so long, */
  readonly quietMs: number
  /** and at the latest so long after the first. */
  readonly mostMs: number
  /** Events that wait for the store; more are dropped, and counted. */
  readonly waitingEvents: number
  /** Sessions whose number is remembered by itself. */
  readonly sessions: number
}

export const defaultLifecycleLimits: LifecycleLimits = {
  quietMs: 3_000,
  mostMs: 5_000,
  waitingEvents: 100_000,
  sessions: 100_000,
}

/** Numbers are kept ahead by so many. */
const numbersAhead = 256

export async function openLifecycle(options: LifecycleOptions): Promise<Lifecycle> {
  const { queues, realm, namespaceId, namespaceName, clients, clock, log } = options
  const limits = { ...defaultLifecycleLimits, ...options.limits }
  /** The newest number of each session, in the order in which they connected. */
  const numbers = new Map<string, number>()
  /** No session that is not in `numbers` was given a higher one. */
  let floor = 0
  let highest = 0
  /** That which is kept, and what is on disk of it. */
  let reserved = 0
  let reservedOnDisk = 0
  /** Connections of which the log knows, by session. */
  const connections = new Map<string, number>()
  const told = new Map<string, ToldClient>()

  let batch: Appendable[] = []
  let reservedInBatch = 0
  let flushing: Promise<void> = Promise.resolve()
  let turn: PromiseWithResolvers<void> | undefined

  const note = (key: string, value: unknown) => {
    batch.push(state.entry(key, value === undefined ? undefined : Buffer.from(JSON.stringify(value))))
    begin()
  }

  const begin = () => {
    if (turn) return
    turn = Promise.withResolvers()
    flushing = turn.promise
    // The next batch says all again where this one could not be written.
    flushing.catch(() => {})
    setImmediate(flush)
  }

  const flush = () => {
    const ended = turn
    const events = batch
    const upTo = reservedInBatch
    turn = undefined
    batch = []
    const failed = (error: unknown) => {
      state.missed()
      ended?.reject(error)
    }
    try {
      queues.append(events).durable.then(() => {
        reservedOnDisk = Math.max(reservedOnDisk, upTo)
        ended?.resolve()
      }, failed)
    } catch (error) {
      failed(error)
    }
  }

  const noteNumber = (number: number) => {
    reserved = number
    reservedInBatch = number
    note('number', number)
  }

  /** Before events with numbers are told, the numbers are on disk. */
  const reserve = async () => {
    if (highest <= reservedOnDisk) return
    noteNumber(Math.max(reserved, highest + numbersAhead))
    await flushing
  }

  function* entries(): Generator<readonly [string, Buffer]> {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value))
    yield ['number', encode(reserved)]
    for (const [session, number] of connections) yield [`c/${session}`, encode(number)]
    for (const [key, client] of told) yield [`t/${key}`, encode(client)]
  }

  let isNew = true
  const cut: [session: string, number: number][] = []
  const state = await StateLog.open(
    { queues, name: `mqtt:${realm}/lifecycle`, entries, log },
    (key, value) => {
      isNew = false
      const known: unknown = JSON.parse(value.toString())
      if (key === 'number') floor = highest = reserved = reservedOnDisk = known as number
      else if (key.startsWith('c/')) cut.push([key.slice(2), known as number])
      else told.set(key.slice(2), known as ToldClient)
    },
  )

  const raiser = createRaiser({ ...options, before: reserve, waitingEvents: limits.waitingEvents })

  const raise = (name: string, subject: string, data: unknown, done?: () => void) => {
    const eventTime = encodeMoment(clock.now())
    const fields = { sourceId: namespaceId, subject, data, id: newGuid(), eventTime }
    raiser.raise(buildEvent(eventGridNamespaces, `Microsoft.EventGrid.${name}`, fields), done)
  }

  const raiseSession = (
    name: string,
    { authenticationName, sessionName }: SessionName,
    facts: { readonly sequenceNumber: number; readonly disconnectionReason?: string },
    done?: () => void,
  ) => {
    const data = {
      namespaceName,
      clientAuthenticationName: authenticationName,
      clientSessionName: sessionName,
      ...facts,
    }
    raise(name, `clients/${authenticationName}/sessions/${sessionName}`, data, done)
  }

  const raiseDisconnected = (session: string, name: SessionName, sequenceNumber: number, reason: string) => {
    const facts = { sequenceNumber, disconnectionReason: reason }
    raiseSession('MQTTClientSessionDisconnected', name, facts, () => {
      // It may have been taken over meanwhile.
      if (connections.get(session) !== sequenceNumber) return
      connections.delete(session)
      note(`c/${session}`, undefined)
    })
  }

  const clientEvents = createClientEvents({
    told,
    keep: (key, client) => note(`t/${key}`, client),
    raiseUpdated(client, done) {
      if (!raiser.isHeard) return done()
      raise('MQTTClientCreatedOrUpdated', `clients/${client.name}`, dataOfClient(namespaceName, client), done)
    },
    raiseDeleted({ name, authenticationName }, done) {
      if (!raiser.isHeard) return done()
      const data = { namespaceName, clientName: name, clientAuthenticationName: authenticationName }
      raise('MQTTClientDeleted', `clients/${name}`, data, done)
    },
    clock,
    quietMs: limits.quietMs,
    mostMs: limits.mostMs,
  })

  for (const [session, number] of cut) {
    connections.set(session, number)
    raiseDisconnected(session, sessionOf(session), number, 'ServerError')
  }
  clientEvents.compare(clients(), isNew)

  return {
    connected(name) {
      const session = keyOf(name)
      const number = (numbers.get(session) ?? floor) + 1
      // The newest is the last to be forgotten.
      numbers.delete(session)
      numbers.set(session, number)
      highest = Math.max(highest, number)
      if (numbers.size > limits.sessions) {
        const [oldest, given] = numbers.entries().next().value as [string, number]
        numbers.delete(oldest)
        floor = Math.max(floor, given)
      }
      if (raiser.isHeard) {
        connections.set(session, number)
        note(`c/${session}`, number)
        raiseSession('MQTTClientSessionConnected', name, { sequenceNumber: number })
      } else if (highest > reserved) noteNumber(highest + numbersAhead)
      return number
    },
    disconnected({ authenticationName, sessionName, sequenceNumber, reason }) {
      const name = { authenticationName, sessionName }
      const session = keyOf(name)
      if (raiser.isHeard) return raiseDisconnected(session, name, sequenceNumber, reason)
      if (connections.get(session) !== sequenceNumber) return
      connections.delete(session)
      note(`c/${session}`, undefined)
    },
    async clientChanged(before, after) {
      clientEvents.changed(before, after)
      await flushing
    },
    async settle() {
      await raiser.settle()
      await flushing.catch(() => {})
    },
    async close() {
      clientEvents.hurry()
      await raiser.close()
      // The next start goes on from the last number, and not from the next block.
      noteNumber(highest)
      await flushing.catch((error: unknown) =>
        log.error({ err: error }, 'the newest life-cycle state is lost'),
      )
      await state.close()
    },
  }
}

/** A zero character is in no name of MQTT. */
const keyOf = ({ authenticationName, sessionName }: SessionName): string =>
  `${authenticationName}\0${sessionName}`

function sessionOf(key: string): SessionName {
  const at = key.indexOf('\0')
  return { authenticationName: key.slice(0, at), sessionName: key.slice(at + 1) }
}

function dataOfClient(namespaceName: string, client: ClientResource): Readonly<Record<string, unknown>> {
  const { name, authenticationName, enabled, attributes, createdAt, changedAt } = client
  const moment = (at: EpochMs) => encodeMoment(at)
  return {
    createdOn: moment(createdAt),
    updatedOn: moment(changedAt),
    namespaceName,
    clientName: name,
    clientAuthenticationName: authenticationName,
    state: enabled ? 'Enabled' : 'Disabled',
    attributes,
  }
}
