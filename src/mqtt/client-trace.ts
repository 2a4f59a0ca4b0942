import type { Clock, EpochMs } from '../base/clock.ts'

/*
 * What happened to each client lately: connections, refusals, why they ended, and messages that it did not get. A
 * bounded ring for each of the newest clients, in memory; nothing is noted per message that goes well.
 */

export interface ClientEvent {
  readonly at: EpochMs
  readonly what: string
  readonly detail: string
}

interface Ring {
  readonly events: ClientEvent[]
  next: number
}

export class ClientTrace {
  readonly #clock: Clock
  readonly #limits: { readonly traceEvents: number; readonly traceClients: number }
  // Two generations, by client identifier: when the younger is full, what was not touched since is forgotten.
  #young = new Map<string, Ring>()
  #old = new Map<string, Ring>()

  constructor(clock: Clock, limits: { readonly traceEvents: number; readonly traceClients: number }) {
    this.#clock = clock
    this.#limits = limits
  }

  note(clientId: string, what: string, detail: string): void {
    const { traceEvents, traceClients } = this.#limits
    if (traceEvents === 0 || traceClients === 0) return
    let ring = this.#young.get(clientId)
    if (!ring) {
      ring = this.#old.get(clientId) ?? { events: [], next: 0 }
      if (this.#young.size >= Math.ceil(traceClients / 2)) {
        this.#old = this.#young
        this.#young = new Map()
      }
      this.#young.set(clientId, ring)
    }
    const event = { at: this.#clock.now(), what, detail: detail.slice(0, 500) }
    if (ring.events.length < traceEvents) ring.events.push(event)
    else ring.events[ring.next] = event
    ring.next = (ring.next + 1) % traceEvents
  }

  /** Oldest first; empty for a client of which nothing is known, or no longer. */
  read(clientId: string): readonly ClientEvent[] {
    const ring = this.#young.get(clientId) ?? this.#old.get(clientId)
    if (!ring) return []
    return ring.events.length < this.#limits.traceEvents
      ? [...ring.events]
      : [...ring.events.slice(ring.next), ...ring.events.slice(0, ring.next)]
  }
}
