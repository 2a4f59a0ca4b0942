import type { Clock, EpochMs, Timer } from '../base/clock.ts'

/*
 * Changes of client resources, of which each client's newest alone is told, once it has been left alone for a moment.
 * What was told last is kept, so that after a start whatever differs from it is told: nothing is lost in between.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-life-cycle-events, "Coalescing"
 */

/** A client resource. */
export interface ClientResource {
  readonly name: string
  readonly authenticationName: string
  readonly enabled: boolean
  readonly attributes: Readonly<Record<string, unknown>>
  readonly createdAt: EpochMs
  readonly changedAt: EpochMs
}

/** What was told of a client last. */
export interface ToldClient {
  readonly name: string
  readonly authenticationName: string
  /** Tells one client from another of the same name, and one state from the next; -1: nothing was told. */
  readonly createdAt: EpochMs
  readonly changedAt: EpochMs
}

export interface ClientEvents {
  /** A client was made, changed or (`after` undefined) deleted. */
  changed(before: ClientResource | undefined, after: ClientResource | undefined): void
  /** Compares all clients with what was told. `isNew`: nothing is known yet, and nothing is told of those there. */
  compare(clients: Iterable<ClientResource>, isNew: boolean): void
  /** Tells everything that waits, at once. */
  hurry(): void
  cancel(): void
}

export interface ClientEventsOptions {
  readonly told: Map<string, ToldClient>
  /** Keeps what was told of a client; undefined: forgets it. */
  readonly keep: (key: string, told: ToldClient | undefined) => void
  /** Raises the event; `done` is called when it cannot be lost any more. */
  readonly raiseUpdated: (client: ClientResource, done: () => void) => void
  readonly raiseDeleted: (client: ToldClient, done: () => void) => void
  readonly clock: Clock
  readonly quietMs: number
  readonly mostMs: number
}

interface Pending {
  readonly since: EpochMs
  after: ClientResource | undefined
  deleted: ToldClient | undefined
  timer: Timer
}

/** Names of clients are told apart by case. */
const keyOf = ({ name }: { readonly name: string }): string => name

export function createClientEvents(options: ClientEventsOptions): ClientEvents {
  const { told, keep, raiseUpdated, raiseDeleted, clock, quietMs, mostMs } = options
  const pending = new Map<string, Pending>()

  const setTold = (key: string, client: ToldClient | undefined) => {
    if (client) told.set(key, client)
    else told.delete(key)
    keep(key, client)
  }

  const tell = (key: string) => {
    const { after, deleted } = pending.get(key) as Pending
    pending.delete(key)
    if (after) {
      const { name, authenticationName, createdAt, changedAt } = after
      raiseUpdated(after, () => setTold(key, { name, authenticationName, createdAt, changedAt }))
    } else if (deleted) raiseDeleted(deleted, () => setTold(key, undefined))
  }

  const wait = (key: string, after: ClientResource | undefined, deleted: ToldClient | undefined) => {
    const now = clock.now()
    const known = pending.get(key)
    known?.timer.cancel()
    const since = known?.since ?? now
    const dueAt = Math.min(clock.after(quietMs), clock.after(mostMs, since))
    pending.set(key, { since, after, deleted, timer: clock.at(dueAt, () => tell(key)) })
  }

  return {
    changed(before, after) {
      const client = after ?? before
      if (!client) return
      const key = keyOf(client)
      const { name, authenticationName } = client
      // That it is there at all is kept before anything is told of it: else a start could not know of its end.
      if (!told.has(key)) setTold(key, { name, authenticationName, createdAt: -1, changedAt: -1 })
      wait(key, after, after ? undefined : { name, authenticationName, createdAt: 0, changedAt: 0 })
    },
    compare(clients, isNew) {
      const gone = new Map(told)
      for (const client of clients) {
        const key = keyOf(client)
        const { name, authenticationName, createdAt, changedAt } = client
        const known = gone.get(key)
        gone.delete(key)
        if (known?.createdAt === createdAt && known.changedAt === changedAt) continue
        if (isNew) setTold(key, { name, authenticationName, createdAt, changedAt })
        else wait(key, client, undefined)
      }
      for (const [key, client] of gone) wait(key, undefined, client)
    },
    hurry() {
      for (const [key, { timer }] of [...pending]) {
        timer.cancel()
        tell(key)
      }
    },
    cancel() {
      for (const { timer } of pending.values()) timer.cancel()
    },
  }
}
