import { later } from '../base/later.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { GridEvent } from '../event/event.ts'
import { eventGridNamespaces } from '../sources/event-grid.ts'

/*
 * Events of one namespace on their way to whoever listens, in order and in batches: what comes while one batch is made
 * durable is the next. Whoever hands one in does not wait, and there are no more than a bounded number.
 */

export interface Raiser {
  /** @param told called when the event is durable for everyone who is to get it; never when it is dropped */
  raise(event: GridEvent, told?: () => void): void
  /** Whether anybody would get an event. */
  readonly isHeard: boolean
  /** Resolves when nothing is under way. Rejects nothing. */
  settle(): Promise<void>
  /** Gives up what the store does not take. */
  close(): Promise<void>
}

export interface RaiserOptions {
  readonly namespaceId: string
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly isHeard: (sourceId: string, topicType: string) => boolean
  /** Runs before each batch; what it rejects with stops the batch for now. */
  readonly before: () => Promise<void>
  readonly metrics: Metrics
  readonly log: Log
  readonly waitingEvents: number
}

const topicType = eventGridNamespaces.topicType as string
/** Raised at a time. */
const batchEvents = 1_000
/** What could not be stored is tried again after so long. */
const retryMs = 500

interface Waiting {
  readonly event: GridEvent
  readonly told: (() => void) | undefined
}

export function createRaiser(options: RaiserOptions): Raiser {
  const { namespaceId, raise, isHeard, before, metrics, log, waitingEvents } = options
  const lost = metrics.counter(
    'busbar_mqtt_lifecycle_events_lost_total',
    'Life-cycle events of MQTT clients that were dropped: more waited than may, or the server stopped.',
    { namespace: namespaceId },
  )
  let waiting: Waiting[] = []
  let working: Promise<void> | undefined
  let isFailing = false
  let closing = false
  let retry: (() => void) | undefined

  const drop = (events: number, why: string) => {
    lost.add(events)
    if (!isFailing || closing)
      log.error({ namespace: namespaceId, events }, `life-cycle events are lost: ${why}`)
    isFailing = true
  }

  const work = async () => {
    // The events of this turn go together.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchEvents)
      try {
        await before()
        await raise(
          namespaceId,
          topicType,
          batch.map(({ event }) => event),
        )
        waiting = waiting.slice(batch.length)
        isFailing = false
        for (const { told } of batch) told?.()
      } catch (error) {
        if (closing) {
          const rest = waiting
          waiting = []
          drop(rest.length, (error as Error).message)
          return
        }
        if (!isFailing) log.warn({ err: error, namespace: namespaceId }, 'life-cycle events cannot be stored')
        isFailing = true
        await new Promise<void>((resolve) => {
          const timer = later(retryMs, resolve)
          retry = () => {
            timer.cancel()
            resolve()
          }
        })
        retry = undefined
      }
    }
  }

  const begin = () => {
    working ??= work().finally(() => {
      working = undefined
      if (waiting.length > 0) begin()
    })
  }

  const settled = async (): Promise<void> => {
    if (!working) return
    await working
    return settled()
  }

  return {
    raise(event, told) {
      if (waiting.length >= waitingEvents) return drop(1, `${waitingEvents} wait already`)
      waiting.push({ event, told })
      begin()
    },
    get isHeard() {
      return isHeard(namespaceId, topicType)
    },
    settle: settled,
    async close() {
      closing = true
      retry?.()
      await settled()
    },
  }
}
