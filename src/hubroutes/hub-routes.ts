import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { Transports } from '../destinations/index.ts'
import { bytesOfMessage, type HubMessage, type MessageSource } from '../hubmessage/message.ts'
import { builtInEndpoint, eventGridEndpoint, type RoutingEndpoint } from '../resources/hub-routing.ts'
import type { Appendable, Queue, Queues } from '../store/store.ts'
import { createCounters, type EndpointCounters } from './counters.ts'
import { openEndpoint } from './endpoint.ts'
import { encodeEntry } from './entry.ts'
import { enrichedBytesMost, type HubRoutesLimits } from './limits.ts'
import { compilePlan, type Plan } from './plan.ts'
import { type EndpointHealth, Pump } from './pump.ts'
import { viewOf } from './view.ts'

/*
 * Where the messages of one IoT hub go. In come all messages of a turn of the event loop; each goes to every endpoint that
 * a route with a true condition names, once, and to Event Grid where somebody listens. It promises that a message is
 * durable wherever it leads when the promise of its turn resolves, that every endpoint gets it at least once unless it
 * does not take it for a day, and that no endpoint waits for another.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-d2c
 */

export interface HubRoutesOptions {
  readonly queues: Queues
  readonly transports: Transports
  readonly limits: HubRoutesLimits
  /** Whether anybody hears events of the hub on Event Grid; costs next to nothing. */
  readonly isHeard: () => boolean
  /** Telemetry for Event Grid; resolves when its events are durable. */
  readonly raise: (messages: readonly HubMessage[]) => Promise<void>
  /** Messages for the built-in endpoint; undefined: nobody keeps them, and they are gone. */
  readonly builtIn: ((messages: readonly HubMessage[]) => Promise<void>) | undefined
  /** Tags and properties of a device or module; undefined: it is gone. */
  readonly twinOf: (deviceId: string, moduleId: string | undefined) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

interface Endpoint {
  /** As it was opened; another one when it is changed. */
  settings: string
  readonly pump: Pump
  readonly counters: EndpointCounters
  /** Until its queue is durable: nothing that is appended before is. */
  opening: Promise<void> | undefined
  isFull: boolean
}

/** Queues of this room. */
const prefix = 'hubroutes:'

export class HubRoutes {
  readonly #options: HubRoutesOptions
  readonly #uid: string
  #hub: IotHub
  #plan: Plan
  /** By name in lower case. */
  readonly #endpoints = new Map<string, Endpoint>()
  /** Names of those that are being closed. */
  readonly #removing = new Set<string>()
  readonly #pending = new Set<Promise<unknown>>()
  /** The queue of an endpoint could not be opened: it is tried again with the next message. */
  #lacksEndpoints = false
  #isRefusing = false
  /** The messages before these wait for twins; theirs come first. */
  #before: Promise<void> | undefined

  constructor(hub: IotHub, options: HubRoutesOptions) {
    this.#options = options
    this.#uid = hub.uid
    this.#hub = hub
    this.#plan = this.#compile(hub)
    this.#place(hub)
  }

  /** Removes what hubs that are gone have left. */
  static async removeLeft(queues: Queues, isThere: (hubUid: string) => boolean): Promise<void> {
    for (const name of queues.names())
      if (name.startsWith(prefix) && !isThere(name.slice(prefix.length).split('/', 1)[0] as string))
        await queues.drop(name)
  }

  /** The hub has been changed. */
  update(hub: IotHub): void {
    this.#hub = hub
    this.#plan = this.#compile(hub)
    this.#place(hub)
  }

  /** Of each endpoint of its own, under its name. */
  health(): readonly (readonly [name: string, health: EndpointHealth])[] {
    return this.#hub.routing.endpoints.flatMap(({ name }) => {
      const health = this.#endpoints.get(name.toLowerCase())?.pump.health
      return health ? [[name, health] as const] : []
    })
  }

  /** Whether messages of that source lead anywhere now; costs next to nothing. */
  takes(source: MessageSource): boolean {
    return this.#plan.leads(source) || (source === 'Telemetry' && this.#options.isHeard())
  }

  /** Resolves when all of them are durable wherever they lead; rejects where one is not. */
  async route(messages: readonly HubMessage[]): Promise<void> {
    const plan = this.#plan
    if (!this.#before && !messages.some(({ source }) => plan.readsTwin(source))) {
      await this.#send(plan, messages, noTwins)
      return
    }
    const before = this.#before
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#before = promise
    let sent: Promise<void>
    try {
      const twins = await this.#readTwins(plan, messages)
      await before
      sent = this.#send(plan, messages, twins)
    } finally {
      resolve()
      if (this.#before === promise) this.#before = undefined
    }
    await sent
  }

  /** Of each device once. */
  async #readTwins(plan: Plan, messages: readonly HubMessage[]): Promise<Twins> {
    const { twinOf } = this.#options
    const reading = new Map<string, Promise<readonly [string, unknown]>>()
    for (const message of messages) {
      const key = keyOf(message)
      if (reading.has(key) || !plan.readsTwin(message.source)) continue
      reading.set(
        key,
        twinOf(message.deviceId, message.moduleId).then((twin) => [key, twin] as const),
      )
    }
    const twins = new Map(await Promise.all(reading.values()))
    return (message) => twins.get(keyOf(message))
  }

  /** What it appends is in its place when it returns. */
  #send(plan: Plan, messages: readonly HubMessage[], twinOf: Twins): Promise<void> {
    const { queues, isHeard, builtIn, raise } = this.#options
    if (this.#lacksEndpoints) this.#place(this.#hub)
    const heard = isHeard()
    const events: HubMessage[] = []
    const telemetry: HubMessage[] = []
    const appendables: Appendable[] = []
    const reached = new Set<Endpoint>()
    for (const message of messages) {
      const twin = twinOf(message)
      const shared: Queue[] = []
      for (const name of plan.select(message.source, viewOf(message, twin), heard)) {
        const enriched = plan.enrich(name, message, twin)
        const endpoint = this.#endpoints.get(name)
        if (enriched !== message && bytesOfMessage(enriched.payload, enriched) > enrichedBytesMost)
          endpoint?.counters.ended('tooLarge')
        else if (name === builtInEndpoint) events.push(enriched)
        else if (name === eventGridEndpoint) telemetry.push(enriched)
        else if (endpoint && this.#hasRoom(name, endpoint)) {
          reached.add(endpoint)
          if (enriched === message) shared.push(endpoint.pump.queue)
          else appendables.push(encodeEntry(enriched, [endpoint.pump.queue]))
        }
      }
      if (shared.length > 0) appendables.push(encodeEntry(message, shared))
    }
    const durable: Promise<unknown>[] = []
    if (appendables.length > 0) {
      const appended = queues.append(appendables).durable
      durable.push(
        appended.then(() => {
          for (const { pump } of reached) pump.wake()
        }),
      )
    }
    for (const { opening } of reached) if (opening) durable.push(opening)
    if (events.length > 0 && builtIn) durable.push(builtIn(events))
    if (telemetry.length > 0) durable.push(raise(telemetry))
    return Promise.all(durable).then(() => {})
  }

  #hasRoom(name: string, endpoint: Endpoint): boolean {
    const { limits, log } = this.#options
    const isFull = endpoint.pump.queue.counts().entries >= limits.backlogMessages
    if (isFull) {
      endpoint.counters.ended('backlogFull')
      if (!endpoint.isFull)
        log.warn(
          { hub: this.#hub.id, endpoint: name, messages: limits.backlogMessages },
          'messages for a routing endpoint are dropped: too many wait for it',
        )
    }
    endpoint.isFull = isFull
    return !isFull
  }

  // ---------------------------------------------------------------- endpoints

  #compile({ routing, name }: IotHub): Plan {
    return compilePlan(routing, { hubName: name, hasBuiltIn: this.#options.builtIn !== undefined })
  }

  #place({ routing, name: hubName }: IotHub): void {
    this.#lacksEndpoints = false
    const wanted = new Set(routing.endpoints.map(({ name }) => name.toLowerCase()))
    for (const [name, endpoint] of this.#endpoints)
      if (!wanted.has(name)) {
        this.#endpoints.delete(name)
        this.#follow(this.#remove(name, endpoint))
      }
    for (const settings of routing.endpoints) this.#placeOne(settings, routing.partitions, hubName)
    for (const queueName of this.#options.queues.names()) {
      const [uid, name = ''] = queueName.split('/')
      // Left by a crash between the change of the hub and the end of its queue.
      if (uid === prefix + this.#uid && !wanted.has(name) && !this.#removing.has(name))
        this.#follow(this.#options.queues.drop(queueName))
    }
  }

  #placeOne(settings: RoutingEndpoint, partitions: number, hubName: string): void {
    const { queues, transports, clock, log, metrics } = this.#options
    const name = settings.name.toLowerCase()
    const text = JSON.stringify({ settings, partitions })
    const known = this.#endpoints.get(name)
    if (known?.settings === text) return
    const endpoint = openEndpoint(settings, { hubName, partitions, transports, clock })
    if (known) {
      known.settings = text
      this.#follow(known.pump.replace(endpoint))
      return
    }
    const { queue, durable } = queues.begin(`${prefix}${this.#uid}/${name}`)
    const counters = createCounters(metrics, this.#hub.id, `${hubName}/${settings.name}`, queue)
    const pump = new Pump({ queue, endpoint, counters, hub: this.#hub.id, name: settings.name, clock, log })
    const opened: Endpoint = { settings: text, pump, counters, isFull: false, opening: durable }
    this.#endpoints.set(name, opened)
    this.#follow(this.#opened(name, opened, durable))
  }

  /** What is appended to a queue that could not be opened would be lost with the process. */
  async #opened(name: string, endpoint: Endpoint, durable: Promise<void>): Promise<void> {
    try {
      await durable
      endpoint.opening = undefined
      this.#isRefusing = false
    } catch (error) {
      const { log } = this.#options
      if (!this.#isRefusing)
        log.error(
          { err: error, hub: this.#hub.id, endpoint: name },
          'A routing endpoint cannot be opened: messages that lead to it are refused.',
        )
      this.#isRefusing = true
      if (this.#endpoints.get(name) === endpoint) {
        this.#endpoints.delete(name)
        this.#lacksEndpoints = true
        endpoint.counters.forget()
      }
      await endpoint.pump.cut()
    }
  }

  async #remove(name: string, { pump, counters }: Endpoint): Promise<void> {
    this.#removing.add(name)
    try {
      await pump.cut()
      // It may have been named once more while it was closing.
      if (this.#endpoints.has(name)) return
      counters.forget()
      await this.#options.queues.drop(pump.queue.name)
    } finally {
      this.#removing.delete(name)
    }
  }

  #follow(work: Promise<unknown>): void {
    const { log } = this.#options
    const followed: Promise<unknown> = work
      .catch((error: unknown) =>
        log.error({ err: error, hub: this.#hub.id }, 'An endpoint of a hub could not be opened or closed.'),
      )
      .finally(() => this.#pending.delete(followed))
    this.#pending.add(followed)
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
    for (const { pump } of this.#endpoints.values()) await pump.settle()
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#endpoints.values(), ({ pump }) => pump.close()))
    await Promise.all(this.#pending)
  }

  /** The hub is gone, and what waits with it. */
  async forget(): Promise<void> {
    const gone = [...this.#endpoints]
    this.#endpoints.clear()
    await Promise.all(gone.map(([name, endpoint]) => this.#remove(name, endpoint)))
    await Promise.all(this.#pending)
  }
}

type Twins = (message: HubMessage) => unknown
const noTwins: Twins = () => undefined

const keyOf = ({ deviceId, moduleId = '' }: HubMessage) => `${deviceId}/${moduleId}`
