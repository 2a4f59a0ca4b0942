import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { StateLog } from '../store/state-log.ts'
import type { Appendable, Queues } from '../store/store.ts'

/*
 * Who is connected to a hub, kept beyond the process, so that a start can tell of those that a crash has cut off. Nobody
 * waits for it: an entry goes to the journal before the event that tells of the connection, and is on disk no later.
 */

/** One connection of an identity. */
export interface Connected {
  /** Changes while it is connected. */
  readonly state: { readonly lastActivityAt: EpochMs | undefined }
}

export interface ConnectionLogOptions {
  readonly queues: Queues
  readonly hubUid: string
  readonly clock: Clock
  readonly log: Log
}

interface Connection {
  readonly device: Connected
  notedAt: EpochMs
}

/** How old what is kept of the last activity may be, at most. */
const activityMs = 300_000
/** Written at a time, so that other work goes on. */
const sliceConnections = 2_000

const room = 'hubdevices:'
const noTime: EpochMs = 0

export class ConnectionLog {
  readonly #options: ConnectionLogOptions
  readonly #connections = new Map<string, Connection>()
  /** Those that were connected when the process before this one ended, and when they were last heard of. */
  readonly cut = new Map<string, EpochMs>()
  #state: StateLog | undefined
  #watch: Timer | undefined
  #watching: Promise<void> | undefined
  #isClosed = false

  private constructor(options: ConnectionLogOptions) {
    this.#options = options
  }

  static async open(options: ConnectionLogOptions): Promise<ConnectionLog> {
    const log = new ConnectionLog(options)
    log.#state = await StateLog.open(
      {
        ...{ queues: options.queues, log: options.log, entries: () => log.#entries() },
        name: `${room}${options.hubUid}/connections`,
      },
      (key, value) => log.cut.set(key, Number(value.toString())),
    )
    return log
  }

  /** Removes what is kept of hubs that are gone. */
  static async forgetHubs(queues: Queues, exists: (uid: string) => boolean): Promise<void> {
    for (const name of queues.names()) {
      const uid = name.startsWith(room) ? name.slice(room.length).split('/', 1)[0] : undefined
      if (uid !== undefined && !exists(uid)) await queues.drop(name)
    }
  }

  /** Synchronous: what is appended behind it is durable no sooner. */
  connected(key: string, device: Connected): void {
    const connection = { device, notedAt: device.state.lastActivityAt ?? noTime }
    this.#connections.set(key, connection)
    void this.#append([this.#entry(key, connection)])
    this.#watch ??= this.#options.clock.at(this.#options.clock.now() + activityMs, () =>
      this.#noteActivities(),
    )
  }

  /**
   * To be called when everybody has been told that the connection has ended; a newer one stays.
   *
   * @param device undefined: it is one that was cut off
   */
  told(key: string, device: Connected | undefined): void {
    if (this.#connections.get(key)?.device !== device) return
    this.#connections.delete(key)
    this.cut.delete(key)
    void this.#append([(this.#state as StateLog).entry(key, undefined)])
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch?.cancel()
    await this.#watching
    await this.#state?.close()
  }

  *#entries(): Generator<readonly [string, Buffer]> {
    for (const [key, connection] of this.#connections) yield [key, encode(connection.notedAt)]
    for (const [key, at] of this.cut) if (!this.#connections.has(key)) yield [key, encode(at)]
  }

  #entry(key: string, { notedAt }: Connection): Appendable {
    return (this.#state as StateLog).entry(key, encode(notedAt))
  }

  #append(entries: readonly Appendable[]): Promise<void> {
    const missed = () => this.#state?.missed()
    try {
      return this.#options.queues.append(entries).durable.catch(missed)
    } catch {
      // The store takes nothing now: all of it is written once it does.
      missed()
      return Promise.resolve()
    }
  }

  #noteActivities(): void {
    this.#watch = undefined
    this.#watching = this.#appendActivities().finally(() => {
      this.#watching = undefined
      const { clock } = this.#options
      if (this.#isClosed || this.#connections.size === 0) return
      this.#watch ??= clock.at(clock.now() + activityMs, () => this.#noteActivities())
    })
  }

  async #appendActivities(): Promise<void> {
    let slice: Appendable[] = []
    for (const [key, connection] of this.#connections) {
      const { lastActivityAt = noTime } = connection.device.state
      if (lastActivityAt <= connection.notedAt) continue
      connection.notedAt = lastActivityAt
      slice.push(this.#entry(key, connection))
      if (slice.length < sliceConnections) continue
      await this.#append(slice)
      if (this.#isClosed) return
      slice = []
    }
    if (slice.length > 0) await this.#append(slice)
  }
}

const encode = (moment: EpochMs): Buffer => Buffer.from(String(moment))
