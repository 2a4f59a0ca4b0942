import type { Clock, EpochMs } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { type Arena, arenaBytes, createArena, rewind } from './arena.ts'
import { BrokerRealm, type Stored } from './broker-realm.ts'
import { Connection } from './connection.ts'
import { Output } from './packets/output.ts'
import type { Realm } from './realm.ts'
import { TimerWheel } from './timer-wheel.ts'
import type { Transport } from './transport.ts'
import type { Window } from './window.ts'

/*
 * The MQTT broker. In come connections that a listener has opened, and the realm that each belongs to; out go packets.
 * It promises what the standards say of an MQTT 3.1.1 and 5.0 server, one write for each socket and turn of the event
 * loop, and bounded memory for whatever a client does. It knows nothing of Azure: that is the realms'.
 */

export interface BrokerNeeds {
  readonly clock: Clock
  readonly log: Log
  /** Default: counted, and shown nowhere. */
  readonly metrics?: Metrics
  /** Diagnostic records and counts of what happens to connections; see `BrokerObserver`. */
  readonly observer?: BrokerObserver
}

/** Who is told of connections and refusals, for diagnostic logs. Called once for each, never per message that goes well. */
export interface BrokerObserver {
  connected?(connection: Connection): void
  connectFailed?(connection: Connection, failure: Failure): void
  disconnected?(connection: Connection, failure: Failure | undefined): void
  publishFailed?(connection: Connection, topicName: string, qos: number, failure: Failure): void
  subscribeFailed?(
    connection: Connection,
    operation: 'subscribe' | 'unsubscribe',
    filters: readonly string[],
    failure: Failure,
  ): void
}

export interface Failure {
  readonly signature: string
  readonly description: string
}

/** How fine the timers of connections and sessions are. */
const tickMs = 100

export class Broker {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly observer: BrokerObserver
  readonly wheel: TimerWheel
  /** As of the packets that are being handled. */
  now: EpochMs
  /** Messages. Acknowledgements lie elsewhere, so that the messages of a client stay neighbours. */
  readonly messages: Arena = createArena()
  readonly control: Arena = createArena()
  /** Packets that are encoded one by one, on their way into the arena. */
  readonly scratch = new Output()
  /** Changes when the arenas begin anew: ranges in them are of one epoch. */
  epoch = 0
  /** Messages of QoS 1 and 2 that were given a packet id; see `Window`. */
  packetCount = 0
  readonly #realms = new Map<Realm, BrokerRealm>()
  readonly #dirty: Connection[] = []
  #turnAsked = false
  readonly #awaiting = new Map<BrokerRealm, Stored[]>()
  stopping = false

  constructor({ clock, log, metrics = new Metrics(), observer = {} }: BrokerNeeds) {
    this.metrics = metrics
    this.clock = clock
    this.log = log
    this.observer = observer
    this.now = clock.now()
    this.wheel = new TimerWheel(clock, tickMs)
  }

  get realms(): Iterable<BrokerRealm> {
    return this.#realms.values()
  }

  /** Opens the realm, with the sessions and retained messages that its store has. */
  addRealm(realm: Realm): BrokerRealm {
    const added = new BrokerRealm(this, realm)
    this.#realms.set(realm, added)
    added.recover()
    return added
  }

  /** Ends its connections, in order; what its store holds stays there. */
  removeRealm(realm: Realm, text: string): void {
    const removed = this.#realms.get(realm)
    if (!removed) return
    this.#realms.delete(realm)
    removed.close(text)
  }

  /** The realm that clients of that user name belong to, if any says so. */
  claimant(userName: string | undefined): BrokerRealm | undefined {
    if (userName !== undefined)
      for (const each of this.#realms.values()) if (each.realm.claims?.(userName)) return each
    return undefined
  }

  realmOf(realm: Realm): BrokerRealm | undefined {
    return this.#realms.get(realm)
  }

  /** A connection has been opened; the transport's events go to what is returned. */
  accept(transport: Transport, realm: BrokerRealm): Connection {
    return new Connection(this, realm, transport)
  }

  /** Ends every connection in order and waits for what is under way. */
  async close(): Promise<void> {
    this.stopping = true
    for (const realm of [...this.#realms.values()]) realm.close('The server is shutting down.')
    this.#realms.clear()
    this.endTurn()
    this.wheel.close()
  }

  /** The present moment, for whoever does not come from a socket. */
  tick(): EpochMs {
    this.now = this.clock.now()
    return this.now
  }

  countPacket(): number {
    this.packetCount++
    return (this.packetCount % 65_535) + 1
  }

  /** A packet id that is free in that window. */
  nextPacketId(window: Window<unknown>): number {
    let packetId = this.countPacket()
    while (!window.isFree(packetId, this.packetCount)) packetId = this.countPacket()
    return packetId
  }

  // ---------------------------------------------------------------- turns

  /** The arena for messages, with room for so many bytes. May end the turn: compare `epoch`. */
  room(bytes: number): Arena {
    if (this.messages.offset + bytes > arenaBytes) this.flush()
    return this.messages
  }

  controlRoom(bytes: number): Arena {
    if (this.control.offset + bytes > arenaBytes) this.flush()
    return this.control
  }

  /** The connection has something to write at the end of the turn. */
  touch(connection: Connection): void {
    this.#dirty.push(connection)
    this.#askTurn()
  }

  #askTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    setImmediate(() => this.endTurn())
  }

  readonly #later: (() => void)[] = []

  /** Runs `act` after the packets that are being handled. */
  atEndOfTurn(act: () => void): void {
    this.#later.push(act)
    this.#askTurn()
  }

  /** `act` runs when what was handed to the realm's store in this turn is on disk, `fail` when it never will be. */
  whenStored(realm: BrokerRealm, stored: Stored): void {
    const waiting = this.#awaiting.get(realm)
    if (waiting) waiting.push(stored)
    else this.#awaiting.set(realm, [stored])
    this.#askTurn()
  }

  endTurn(): void {
    this.#turnAsked = false
    // What they add is for this turn too.
    for (let act = this.#later.shift(); act; act = this.#later.shift()) act()
    this.flush()
    if (this.#awaiting.size === 0) return
    for (const [realm, waiting] of this.#awaiting) {
      const { passed } = realm
      realm.passed = undefined
      Promise.all([realm.realm.sessions?.flushed(), passed]).then(
        () => {
          this.tick()
          for (const each of waiting) each.act()
        },
        (error: unknown) => realm.storeFailed(waiting, error),
      )
    }
    this.#awaiting.clear()
  }

  /** Writes to every socket what is there for it. */
  flush(): void {
    const dirty = this.#dirty
    for (let index = 0; index < dirty.length; index++) (dirty[index] as Connection).flush()
    dirty.length = 0
    rewind(this.messages)
    rewind(this.control)
    this.epoch++
  }
}
