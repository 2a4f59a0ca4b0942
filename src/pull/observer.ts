import type { Clock } from '../base/clock.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { OutletObserver } from './outlet.ts'

/** Tells the trace what receivers do with the events of one event subscription. */
export function createObserver(uid: string, trace: DeliveryTrace, clock: Clock): OutletObserver {
  const step = (outcome: string) => ({
    at: clock.now(),
    status: undefined,
    outcome,
    error: undefined,
    durationMs: 0,
  })
  return {
    received(events) {
      const received = step('received')
      for (const { sequence, event } of events) trace.attempt(sequence, uid, received, event)
    },
    acknowledged(leases) {
      const end = { kind: 'acknowledged', at: clock.now() } as const
      for (const { sequence } of leases) trace.ended(sequence, uid, end)
    },
    released(leases, dueAt) {
      const released = step('released')
      for (const { sequence } of leases) {
        trace.attempt(sequence, uid, released)
        if (dueAt > released.at) trace.postponed(sequence, uid, dueAt)
      }
    },
    rejected(leases) {
      const rejected = step('rejected')
      for (const { sequence } of leases) trace.attempt(sequence, uid, rejected)
    },
  }
}
