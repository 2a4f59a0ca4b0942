import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { compileEnrichments, type Publisher, type RoutingEnrichments } from '../client/enrichments.ts'
import type { GridEvent } from '../event/event.ts'
import { createToEvent, type RoutedMessage, type ToEvent } from './message-event.ts'

/*
 * From the messages that a namespace's broker has accepted to events of the topic that they are routed to. In come all
 * messages; out go those of one turn of the event loop together. What the topic does not take for now waits here, in
 * memory and bounded, and is tried again; publishers never hear of it.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-routing
 */

export interface Routing {
  /**
   * Takes one message. The promise, which is the same for all of a turn and never rejects, resolves when its event is
   * durable or waits for another try; undefined where nothing is routed. The payload is read before this returns.
   */
  accepted(message: RoutedMessage, publisher: Publisher): Promise<void> | undefined
  /** What the resource says from now on; undefined: messages are routed nowhere. */
  configure(settings: RoutingSettings | undefined): void
  /** Messages that wait for another try. */
  readonly waiting: number
  /** Tries what waits once more. */
  close(): Promise<void>
}

export interface RoutingSettings {
  /** What events have as their `source`. */
  readonly namespaceName: string
  /** ARM id of the topic that events go to. */
  readonly targetId: string
  readonly enrichments: RoutingEnrichments
}

/**
 * How one try ended. `TopicNotFoundError` and `AuthenticationError` are for good.
 *
 * Source: learn.microsoft.com/azure/event-grid/monitor-mqtt-delivery-reference, "Error"
 */
export type RoutingError = 'TopicNotFoundError' | 'AuthenticationError' | 'TooManyRequests' | 'ServiceError'

export interface RoutingFailure {
  readonly error: RoutingError
  /** Why, for the log. */
  readonly reason: string
}

export interface RoutingOptions {
  /** ARM id of the namespace; names it in metrics and the log. */
  readonly namespaceId: string
  /** Hands events to the topic with that id; undefined when they are durable there. */
  readonly send: (targetId: string, events: readonly GridEvent[]) => Promise<RoutingFailure | undefined>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Log
  readonly limits?: Partial<RoutingLimits>
}

export interface RoutingLimits {
  /** Events that wait for another try; more are dropped, and counted. */
  readonly waitingEvents: number
  readonly waitingBytes: number
}

export const defaultRoutingLimits: RoutingLimits = {
  waitingEvents: 100_000,
  waitingBytes: 64 * 1024 * 1024,
}

const seconds = 1000
const minutes = 60 * seconds
const hours = 60 * minutes
/** The last one again and again. */
const scheduleMs = [
  ...[10 * seconds, 30 * seconds, minutes, 5 * minutes, 10 * minutes, 30 * minutes],
  ...[hours, 3 * hours, 6 * hours, 12 * hours],
]
/** The service does not say for how long it tries. */
const patienceMs = 24 * hours

/** What could not be handed over together is tried again together. */
interface Waiting {
  readonly targetId: string
  readonly events: readonly GridEvent[]
  readonly bytes: number
  readonly since: EpochMs
  attempts: number
  timer: Timer | undefined
}

interface Route {
  readonly targetId: string
  readonly toEvent: ToEvent
}

/** The messages of one turn of the event loop. */
interface Turn {
  readonly route: Route
  readonly events: GridEvent[]
  /** Resolves when they are durable or wait. */
  readonly ended: PromiseWithResolvers<void>
}

export function createRouting(options: RoutingOptions): Routing {
  const { namespaceId, send, clock, metrics, log } = options
  const limits = { ...defaultRoutingLimits, ...options.limits }
  const labels = { namespace: namespaceId }
  const routed = metrics.counter(
    'busbar_mqtt_routed_messages_total',
    'MQTT messages that were routed to a topic.',
    labels,
  )
  const failed = (error: RoutingError, messages: number) =>
    metrics
      .counter(
        'busbar_mqtt_failed_routed_messages_total',
        'MQTT messages that a topic did not take, counted with each try.',
        { ...labels, error },
      )
      .add(messages)
  const dropped = metrics.counter(
    'busbar_mqtt_dropped_routed_messages_total',
    'MQTT messages that will not be routed any more.',
    labels,
  )
  let route: Route | undefined
  let turn: Turn | undefined
  const waiting = new Set<Waiting>()
  const underWay = new Set<Promise<void>>()
  let waitingEvents = 0
  let waitingBytes = 0
  /** The error that was logged last; it is not said again before something has succeeded. */
  let logged: RoutingError | undefined
  let closed = false
  metrics.gauge(
    'busbar_mqtt_waiting_routed_messages',
    'MQTT messages that wait to be routed once more.',
    () => waitingEvents,
    labels,
  )

  const drop = (events: number, why: string) => {
    dropped.add(events)
    log.error({ namespace: namespaceId, events }, `MQTT messages were not routed: ${why}`)
  }

  const attempt = async (
    targetId: string,
    events: readonly GridEvent[],
  ): Promise<RoutingFailure | undefined> => {
    const failure = await send(targetId, events).catch(
      (error: Error): RoutingFailure => ({ error: 'ServiceError', reason: error.message }),
    )
    if (!failure) {
      routed.add(events.length)
      if (logged !== undefined)
        log.info({ namespace: namespaceId, topic: targetId }, 'messages are routed again')
      logged = undefined
      return undefined
    }
    failed(failure.error, events.length)
    if (logged !== failure.error)
      log.warn(
        { namespace: namespaceId, topic: targetId, error: failure.error, reason: failure.reason },
        'MQTT messages could not be routed',
      )
    logged = failure.error
    return failure
  }

  const isForGood = ({ error }: RoutingFailure) =>
    error === 'TopicNotFoundError' || error === 'AuthenticationError'

  const first = async (targetId: string, events: readonly GridEvent[]): Promise<void> => {
    const failure = await attempt(targetId, events)
    if (!failure) return
    if (isForGood(failure)) return dropped.add(events.length)
    const bytes = events.reduce((sum, { end, start, tail }) => sum + end - start + tail.length, 0)
    if (waitingEvents + events.length > limits.waitingEvents || waitingBytes + bytes > limits.waitingBytes)
      return drop(events.length, 'as many wait for another try as are allowed to')
    const entry: Waiting = { targetId, events, bytes, since: clock.now(), attempts: 1, timer: undefined }
    waiting.add(entry)
    waitingEvents += events.length
    waitingBytes += bytes
    schedule(entry)
  }

  const schedule = (entry: Waiting) => {
    const waitMs = scheduleMs[Math.min(entry.attempts, scheduleMs.length) - 1] as number
    if (clock.since(entry.since) + waitMs > patienceMs) {
      forget(entry)
      drop(entry.events.length, 'the topic has not taken them for a day')
      return
    }
    entry.timer = clock.at(clock.after(waitMs), () => void track(again(entry)))
  }

  const forget = (entry: Waiting) => {
    entry.timer?.cancel()
    if (!waiting.delete(entry)) return
    waitingEvents -= entry.events.length
    waitingBytes -= entry.bytes
  }

  const again = async (entry: Waiting): Promise<void> => {
    const failure = await attempt(entry.targetId, entry.events)
    if (!failure) return forget(entry)
    if (isForGood(failure)) {
      forget(entry)
      dropped.add(entry.events.length)
      return
    }
    entry.attempts++
    if (!closed) schedule(entry)
  }

  const track = (work: Promise<void>): Promise<void> => {
    const tracked: Promise<void> = work.finally(() => underWay.delete(tracked))
    underWay.add(tracked)
    return tracked
  }

  const flush = (ended: Turn) => {
    if (turn !== ended) return
    turn = undefined
    ended.ended.resolve(track(first(ended.route.targetId, ended.events)))
  }

  const begin = (current: Route): Turn => {
    const begun: Turn = { route: current, events: [], ended: Promise.withResolvers<void>() }
    setImmediate(() => flush(begun))
    turn = begun
    return begun
  }

  return {
    accepted(message, publisher) {
      if (!route || closed) return undefined
      const event = route.toEvent(message, publisher)
      const { events, ended } = turn?.route === route ? turn : begin(route)
      events.push(event)
      return ended.promise
    },
    configure(settings) {
      // What was accepted before goes the old way.
      if (turn) flush(turn)
      route = settings && {
        targetId: settings.targetId,
        toEvent: createToEvent(settings.namespaceName, compileEnrichments(settings.enrichments)),
      }
    },
    get waiting() {
      return waitingEvents
    },
    async close() {
      closed = true
      if (turn) flush(turn)
      while (underWay.size > 0) await Promise.all(underWay)
      for (const entry of [...waiting]) {
        entry.timer?.cancel()
        await again(entry)
      }
      if (waitingEvents > 0) drop(waitingEvents, 'the server stops')
    },
  }
}
