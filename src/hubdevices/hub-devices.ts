import type { X509Certificate } from 'node:crypto'
import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import { KnownChains } from '../client/known-chains.ts'
import type { GridEvent } from '../event/event.ts'
import { bytesOfMessage, type HubMessage, type MessageProperties } from '../hubmessage/message.ts'
import type { MethodAnswer, MethodCall } from '../hubmessage/method.ts'
import { decodeJson } from '../hubmessage/telemetry-event.ts'
import type { Presence } from '../registry/encode.ts'
import { HubError, invalid } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import type { HubQuotas } from '../registry/quotas.ts'
import type { IdentityChange, IdentityName, Registry } from '../registry/registry.ts'
import { checkSection } from '../registry/twin.ts'
import { type Credentials, prove } from './authenticate.ts'
import { ConnectionEvents, type ConnectionStateEvents } from './connection-events.ts'
import type { ConnectionLog } from './connection-log.ts'
import { encodeDesiredPatch } from './desired.ts'
import { methodsMost, notOnline, PendingMethods } from './methods.ts'
import { clientIdOf, nameOfClientId } from './user-name.ts'

/*
 * The devices of one IoT hub, for whoever speaks their protocol. In come connections and messages; out go events of the
 * hub, changes of twins, and answers. It promises that a message is acknowledged when its event is durable, that the
 * numbers of connection events grow for as long as the hub is there, and that a device that may not be connected any
 * more is not.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messaging and iot-hub-event-grid
 */

/** One connection of a device or module, in its own protocol. */
export interface DeviceLink {
  /** Whether it takes calls of methods now. */
  readonly takesMethods: boolean
  /** Sends at most once; false where the device does not take calls any more. */
  callMethod(method: string, requestId: string, payload: Buffer): boolean
  /** Sends at most once, to a device that listens. */
  tellDesired(version: number, patch: Buffer): void
  /** Ends the connection, sooner or later. */
  end(text: string): void
}

export interface HubDevicesOptions {
  /** As it is now. */
  readonly hub: () => IotHub
  readonly registry: Registry
  /** Of connection events. */
  readonly nextSequenceNumber: () => string
  readonly connectionStateEvents: ConnectionStateEvents
  /** Of this hub. */
  readonly quotas: HubQuotas
  /** Of this hub; closed with this. */
  readonly connectionLog: ConnectionLog
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly isHeard: (sourceId: string, topicType: string) => boolean
  /** Whether messages lead anywhere now; costs next to nothing. */
  readonly isRouted: () => boolean
  /** The same of what is told of devices that come and go. */
  readonly areConnectionsRouted: () => boolean
  /** Takes all messages of a turn of the event loop; resolves when they are durable wherever they lead. */
  readonly route: (messages: readonly HubMessage[]) => Promise<void>
  /** The verified authorities that sign certificates of devices, as they are now. */
  readonly authorities: () => readonly X509Certificate[]
  /** Whether that is a name of this hub, in lower case and without a port. */
  readonly isHubHost: (host: string) => boolean
  /** An identity is gone: nothing is to be kept for its next connection. */
  readonly forget: (key: string) => void
  readonly clock: Clock
  readonly log: Log
}

/** One connection of a device or module that has proved who it is. */
export interface Device {
  /** Of its session, and its client identifier. */
  readonly key: string
  readonly name: IdentityName
  readonly identity: StoredIdentity
  /** `iothub-connection-auth-method` of its messages. */
  readonly method: string
  readonly expiresAt: EpochMs | undefined
  /** SHA-256 of the authority that it came by. */
  readonly anchor?: string | undefined
  readonly state: State
  /** How many connections had been ended from this side when this was admitted; see `connected`. */
  readonly endings: number
  /** Requests about its twin that are under way. */
  requests: number
  /** It may say nothing more. */
  isEnded: boolean
  /** Undefined before it is connected. */
  link: DeviceLink | undefined
}

/** Of an identity, whether connected or not. */
interface State {
  isConnected: boolean
  changedAt: EpochMs | undefined
  lastActivityAt: EpochMs | undefined
}

/** What a device has sent. */
export interface SentMessage extends MessageProperties {
  readonly payload: Buffer
}

/** A request of a device about its own twin. */
export type TwinRequest =
  | { readonly kind: 'get' }
  /** A patch of its reported properties. */
  | { readonly kind: 'report'; readonly patch: Buffer }

export interface TwinAnswer {
  readonly status: number
  /** Of the reported properties, where they have been changed. */
  readonly version?: number | undefined
  /** JSON, or nothing. */
  readonly body: Buffer
}

/** Why a device is not let in. */
export interface Rejection {
  readonly kind: 'rejected'
  /** `form`: the credentials are nothing that could be judged; `throttled`: it may try again. */
  readonly why: 'form' | 'credentials' | 'throttled'
  readonly text: string
  /** It has proved who it is, and may not come all the same. */
  readonly isDisabled?: true
}

/** With its properties. Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
export const messageBytesMost = 256 * 1024
/** Telemetry that waits for the store; beyond it, what nobody waits for is dropped. */
const waitingBytesMost = 64 * 1024 * 1024
/** Telemetry that goes on its way at once; what the store takes at once has an end. */
const routedBytesMost = 16 * 1024 * 1024
/** Devices that a crash has cut off are told of so many at a time. */
const cutAtOnce = 500
/** Requests of one device about its twin that may be under way. */
const requestsMost = 50

const disabledText = 'The device has been disabled.'
const deletedText = 'The device has been deleted.'
const authorityGoneText = 'The authority of the certificate is not one of the hub any more.'

export class HubDevices {
  readonly #options: HubDevicesOptions
  readonly #online = new Map<string, Device>()
  readonly #states = new Map<string, State>()
  /** Of identities without a connection that have sent something, which is not kept yet. */
  readonly #heardOf = new Map<string, State>()
  /** Keys of connected modules, by device. */
  readonly #modules = new Map<string, Set<string>>()
  readonly #methods: PendingMethods
  readonly #events: ConnectionEvents
  readonly #chains: KnownChains
  /** Who waits for a device to listen, by its key. */
  readonly #awaited = new Map<string, Set<() => void>>()
  #waiting = 0
  #connectedDevices = 0
  #endings = 0
  #batches: HubMessage[][] = []
  /** Of all of them. */
  #batchBytes = 0
  #lastBatchBytes = 0
  #waitingBytes = 0
  #turn: Promise<void> | undefined
  #isDropping = false
  readonly #pending = new Set<Promise<unknown>>()
  #isGone = false
  #isClosing = false

  constructor(options: HubDevicesOptions) {
    this.#options = options
    this.#methods = new PendingMethods(options.clock)
    this.#chains = new KnownChains(options.authorities, options.clock)
    this.#events = new ConnectionEvents({
      ...options,
      when: options.connectionStateEvents,
      follow: (work) => this.#follow(work),
    })
    const cut = [...options.connectionLog.cut.keys()]
    this.#follow(this.#tellCut(cut, options.clock.now()))
  }

  // ---------------------------------------------------------------- who may come

  /** @param modelId what the device says it is */
  async admit(name: IdentityName, credentials: Credentials, modelId?: string): Promise<Device | Rejection> {
    const refusal = this.#options.quotas.refusal('connections')
    if (refusal) return rejected('throttled', refusal.message)
    const device = await this.#judge(name, credentials)
    if (!('kind' in device) && modelId !== undefined && modelId !== device.identity.twin.modelId)
      await this.#options.registry.announceModel(name, modelId)
    return device
  }

  isHubHost(host: string): boolean {
    return this.#options.isHubHost(host)
  }

  async #judge(name: IdentityName, credentials: Credentials): Promise<Device | Rejection> {
    const { hub, registry, clock, isHubHost } = this.#options
    const endings = this.#endings
    const key = clientIdOf(name)
    const identity = await registry.find(name)
    if (!identity) return rejected('credentials', `There is no identity '${key}'.`)
    const device = name.moduleId === undefined ? identity : await registry.find({ deviceId: name.deviceId })
    const proof = prove(
      { hub: hub(), identity, keys: () => registry.keysOf(identity), chains: this.#chains, isHubHost },
      credentials,
      clock.now(),
    )
    if ('kind' in proof) return rejected(proof.kind === 'form' ? 'form' : 'credentials', proof.text)
    // Behind the proof: nobody else is told.
    if (device?.status !== 'enabled' || identity.status !== 'enabled')
      return { ...rejected('credentials', `The device '${name.deviceId}' is disabled.`), isDisabled: true }
    const state = this.#stateOf(key)
    return { key, name, identity, ...proof, state, endings, requests: 0, isEnded: false, link: undefined }
  }

  #stateOf(key: string): State {
    let state = this.#states.get(key)
    if (!state) {
      state = { isConnected: false, changedAt: undefined, lastActivityAt: undefined }
      this.#states.set(key, state)
    }
    return state
  }

  /** A device has one connection: another one ends the first. */
  connected(device: Device, link: DeviceLink): void {
    const { clock } = this.#options
    const { key, name, state } = device
    const other = this.#online.get(key)
    if (other) {
      this.disconnected(other)
      other.link?.end('Another connection of the same identity has been opened.')
    }
    device.link = link
    this.#online.set(key, device)
    if (name.moduleId === undefined) this.#connectedDevices++
    else {
      const modules = this.#modules.get(name.deviceId) ?? new Set()
      this.#modules.set(name.deviceId, modules.add(key))
    }
    state.isConnected = true
    state.changedAt = clock.now()
    state.lastActivityAt = state.changedAt
    const { connectionLog } = this.#options
    // What the process before this one could not tell of it comes first.
    if (connectionLog.cut.delete(key)) this.#events.tell(name, false)
    connectionLog.connected(key, device)
    this.#events.tell(name, true)
    // Somebody's right to be here ended while this one was being decided: it may have been this one.
    if (device.endings !== this.#endings) this.#follow(this.#judgeAgain(device))
  }

  async #judgeAgain({ key, name, identity, link, anchor }: Device): Promise<void> {
    const { registry, forget } = this.#options
    const now = await registry.find(name)
    const device = name.moduleId === undefined ? now : await registry.find({ deviceId: name.deviceId })
    if (now?.generationId !== identity.generationId) {
      link?.end(deletedText)
      forget(key)
    } else if (now.status !== 'enabled' || device?.status !== 'enabled') link?.end(disabledText)
    else if (anchor !== undefined && !this.#isAuthority(anchor)) link?.end(authorityGoneText)
  }

  #isAuthority(fingerprint: string): boolean {
    return this.#options.authorities().some(({ fingerprint256 }) => fingerprint256 === fingerprint)
  }

  /** Connections of devices that came by an authority that is gone, or verified no more, end. */
  authoritiesChanged(): void {
    this.#chains.anchorsChanged()
    this.#endings++
    const known = new Set(this.#options.authorities().map(({ fingerprint256 }) => fingerprint256))
    for (const { anchor, link } of [...this.#online.values()])
      if (anchor !== undefined && !known.has(anchor)) link?.end(authorityGoneText)
  }

  /** Of a device whose connection has ended, from whichever side; once more does nothing. */
  disconnected(device: Device): void {
    const { key } = device
    if (this.#online.get(key) !== device) return
    const { clock, registry, connectionLog } = this.#options
    const { name, state } = device
    this.#online.delete(key)
    if (name.moduleId === undefined) this.#connectedDevices--
    else {
      const modules = this.#modules.get(name.deviceId)
      modules?.delete(key)
      if (modules?.size === 0) this.#modules.delete(name.deviceId)
    }
    state.isConnected = false
    state.changedAt = clock.now()
    this.#methods.disconnected(key)
    if (this.#isGone) return
    this.#events.tell(name, false, () => connectionLog.told(key, device))
    const { lastActivityAt, changedAt } = state
    if (!device.isEnded)
      this.#follow(registry.noteActivity(name, { lastActivityAt, connectionChangedAt: changedAt }))
    // What follows is that it is gone.
    if (device.isEnded) this.#events.hurry(key)
  }

  /** Those that the end of the process before this one has cut off, without a word, are told of now. */
  async #tellCut(keys: readonly string[], connectionChangedAt: EpochMs): Promise<void> {
    for (let at = 0; at < keys.length; at += cutAtOnce) {
      const some = keys.slice(at, at + cutAtOnce)
      await Promise.all(some.map((key) => this.#tellOneCut(key, connectionChangedAt)))
      // The next start tells of the others.
      if (this.#isGone || this.#isClosing) return
    }
  }

  async #tellOneCut(key: string, connectionChangedAt: EpochMs): Promise<void> {
    const { connectionLog, registry } = this.#options
    const name = nameOfClientId(key)
    const lastActivityAt = connectionLog.cut.get(key)
    // It is back already: then it has been told.
    if (!name || lastActivityAt === undefined) return
    await registry.noteActivity(name, { lastActivityAt, connectionChangedAt })
    if (this.#isGone || !connectionLog.cut.has(key)) return
    this.#events.tell(name, false, () => connectionLog.told(key, undefined))
    this.#events.hurry(key)
  }

  /** What nobody waits for, and must have ended before this closes. */
  #follow(work: Promise<unknown>): void {
    const { log, hub } = this.#options
    const followed: Promise<unknown> = work
      .catch((error: unknown) =>
        log.error({ err: error, hub: hub().id }, 'What became of a device could not be told.'),
      )
      .finally(() => this.#pending.delete(followed))
    this.#pending.add(followed)
  }

  // ---------------------------------------------------------------- what the registry says

  /** Synchronous: what is said of a device that goes comes before what is said of it being gone. */
  changed(changes: readonly IdentityChange[]): void {
    for (const { before, after } of changes) {
      const identity = after ?? before
      if (!identity) continue
      const key = clientIdOf(identity)
      if (!after) {
        this.#end(key, deletedText, true)
        this.#events.hurry(key)
        // The event of its end still says what is known of it.
        setImmediate(() => {
          if (!this.#online.has(key)) this.#states.delete(key)
        })
      } else if (before && after.status === 'disabled' && before.status !== 'disabled') {
        this.#end(key, disabledText, false)
        const modules = after.moduleId === undefined ? this.#modules.get(after.deviceId) : undefined
        for (const module of [...(modules ?? [])]) this.#end(module, disabledText, false)
      } else if (before && before.twin.desired.version !== after.twin.desired.version)
        this.#tellDesired(key, before, after)
    }
  }

  #end(key: string, text: string, isDeleted: boolean): void {
    this.#endings++
    const device = this.#online.get(key)
    if (device) {
      device.isEnded = isDeleted
      device.link?.end(text)
    }
    if (isDeleted) this.#options.forget(key)
  }

  #tellDesired(key: string, before: StoredIdentity, after: StoredIdentity): void {
    const link = this.#online.get(key)?.link
    if (!link) return
    const { desired } = after.twin
    const patch = encodeDesiredPatch(before.twin.desired, desired)
    link.tellDesired(desired.version, Buffer.from(JSON.stringify(patch)))
  }

  presenceOf(name: IdentityName): Presence | undefined {
    const state = this.#states.get(clientIdOf(name))
    return (
      state && {
        isConnected: state.isConnected,
        connectionChangedAt: state.changedAt,
        lastActivityAt: state.lastActivityAt,
        pendingMessages: 0,
      }
    )
  }

  get connectedDevices(): number {
    return this.#connectedDevices
  }

  // ---------------------------------------------------------------- what devices say

  /** It has been heard of, whatever it said. */
  noteActivity({ state }: Device): void {
    state.lastActivityAt = this.#options.clock.now()
  }

  /**
   * Takes a message. Undefined: it may be acknowledged; else when it resolves, and never when it rejects.
   *
   * @param isAwaited whether anybody waits for the acknowledgement
   */
  telemetry(device: Device, message: SentMessage, isAwaited: boolean): Promise<void> | undefined {
    const { hub, isRouted, quotas, log } = this.#options
    this.noteActivity(device)
    const bytes = bytesOfMessage(message.payload, message)
    if (bytes > messageBytesMost) {
      device.link?.end(`A message has at most ${messageBytesMost} bytes: one of ${bytes} came.`)
      return undefined
    }
    const refusal = quotas.refusal('sends') ?? quotas.refusalOfMessages([bytes])
    if (refusal) {
      device.link?.end(refusal.message)
      return undefined
    }
    if (!isRouted()) return undefined
    if (!isAwaited && this.#waitingBytes > waitingBytesMost) {
      if (!this.#isDropping)
        log.warn({ hub: hub().id }, 'Telemetry that nobody waits for is dropped: the store is behind.')
      this.#isDropping = true
      return undefined
    }
    return this.#gather(device, message, bytes)
  }

  /** Resolves when the message is durable. */
  #gather(
    { name, identity, method }: Device,
    { payload, system, properties }: SentMessage,
    bytes: number,
  ): Promise<void> {
    this.#batchFor(bytes).push({
      ...{ source: 'Telemetry', deviceId: name.deviceId, moduleId: name.moduleId, authMethod: method },
      ...{ generationId: identity.generationId, enqueuedAt: this.#options.clock.now() },
      ...{ payload, system, properties },
    })
    this.#batchBytes += bytes
    this.#waitingBytes += bytes
    if (!this.#turn) {
      this.#turn = new Promise((resolve) => {
        setImmediate(() => resolve(this.#flush()))
      })
      // Those who await it are told; nobody need.
      this.#turn.catch(() => {})
    }
    return this.#turn
  }

  #batchFor(bytes: number): HubMessage[] {
    this.#lastBatchBytes += bytes
    const last = this.#batches.at(-1)
    if (last && this.#lastBatchBytes <= routedBytesMost) return last
    const batch: HubMessage[] = []
    this.#batches.push(batch)
    this.#lastBatchBytes = bytes
    return batch
  }

  /** Of a device that has no connection; rejects with a `HubError` where it has not proved who it is. */
  async vouch(name: IdentityName, credentials: Credentials): Promise<Device> {
    const device = await this.#judge(name, credentials)
    if ('kind' in device)
      throw device.isDisabled
        ? new HubError('DeviceDisabled', device.text)
        : new HubError('IotHubUnauthorizedAccess', `Unauthorized: ${device.text}`)
    this.noteActivity(device)
    if (!device.state.isConnected) this.#heardOf.set(device.key, device.state)
    return device
  }

  /**
   * Takes messages of a device that has no connection. Resolves when they are durable; rejects with a `HubError` where
   * they are not taken.
   */
  async send(name: IdentityName, credentials: Credentials, messages: readonly SentMessage[]): Promise<void> {
    const device = await this.vouch(name, credentials)
    const sizes = messages.map((message) => bytesOfMessage(message.payload, message))
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    if (bytes > messageBytesMost)
      throw new HubError('MessageTooLarge', `Messages have at most ${messageBytesMost} bytes: ${bytes} came.`)
    const { isRouted, quotas } = this.#options
    const refusal = quotas.refusal('sends') ?? quotas.refusalOfMessages(sizes)
    if (refusal) throw refusal
    if (!isRouted()) return
    let durable: Promise<void> | undefined
    for (const [n, message] of messages.entries()) durable = this.#gather(device, message, sizes[n] as number)
    await durable
  }

  /** All telemetry of a turn of the event loop together. */
  async #flush(): Promise<void> {
    const batches = this.#batches
    const bytes = this.#batchBytes
    this.#batches = []
    this.#batchBytes = 0
    this.#turn = undefined
    const routed = Promise.all(batches.map((messages) => this.#options.route(messages)))
    this.#follow(routed)
    try {
      await routed
    } finally {
      this.#waitingBytes -= bytes
      if (this.#waitingBytes === 0) this.#isDropping = false
    }
  }

  /** Answers a request of a device about its twin, with its error where there is one. */
  twin(device: Device, request: TwinRequest, answer: (answer: TwinAnswer) => void): void {
    this.noteActivity(device)
    this.#follow(this.#answerTwin(device, request, answer))
  }

  async #answerTwin(
    device: Device,
    request: TwinRequest,
    answer: (answer: TwinAnswer) => void,
  ): Promise<void> {
    device.requests++
    try {
      if (device.requests > requestsMost)
        throw new HubError(
          'ThrottlingException',
          `At most ${requestsMost} requests of one device are under way.`,
        )
      const refusal = this.#options.quotas.refusal(request.kind === 'get' ? 'twinReads' : 'twinUpdates')
      if (refusal) throw refusal
      answer(
        request.kind === 'get' ? await this.#readTwin(device) : await this.#report(device, request.patch),
      )
    } catch (error) {
      const { status, number, message } =
        error instanceof HubError
          ? error
          : new HubError('ServerError', 'The twin could not be read or written.')
      const body = {
        errorCode: number,
        trackingId: newGuid(),
        message,
        timestampUtc: new Date(this.#options.clock.now()).toISOString(),
      }
      answer({ status, body: Buffer.from(JSON.stringify(body)) })
      if (!(error instanceof HubError)) throw error
    } finally {
      device.requests--
    }
  }

  async #readTwin({ name }: Device): Promise<TwinAnswer> {
    const { twin } = await this.#options.registry.get(name)
    const { desired, reported } = twin
    const body = {
      desired: { ...desired.value, $version: desired.version },
      reported: { ...reported.value, $version: reported.version },
    }
    return { status: 200, body: Buffer.from(JSON.stringify(body)) }
  }

  async #report({ name }: Device, payload: Buffer): Promise<TwinAnswer> {
    const parsed = decodeJson(payload)
    if (!parsed) throw invalid('The reported properties', 'JSON in UTF-8', 'something else')
    const patch = checkSection(parsed.value, 'properties.reported')
    const { twin } = await this.#options.registry.report(name, patch)
    return { status: 204, version: twin.reported.version, body: Buffer.alloc(0) }
  }

  // ---------------------------------------------------------------- direct methods

  /** Rejects with a `HubError` where no answer comes. */
  async invoke(
    name: IdentityName,
    { method, payload, responseMs, connectMs }: MethodCall,
  ): Promise<MethodAnswer> {
    await this.#options.registry.get(name)
    const key = clientIdOf(name)
    if (this.#methods.size + this.#waiting >= methodsMost)
      throw new HubError('ThrottlingException', `At most ${methodsMost} calls of one hub are under way.`)
    if (!this.#online.get(key)?.link?.takesMethods) await this.#untilListening(key, connectMs)
    // Nothing at all would break the official client.
    const body = Buffer.from(JSON.stringify(payload ?? null))
    return this.#methods.call(
      key,
      responseMs,
      (requestId) => this.#online.get(key)?.link?.callMethod(method, requestId, body) ?? false,
    )
  }

  async #untilListening(key: string, connectMs: number): Promise<void> {
    if (connectMs === 0) throw notOnline()
    const { clock } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = this.#awaited.get(key) ?? new Set()
    this.#awaited.set(key, waiting.add(resolve))
    const timer: Timer = clock.at(clock.now() + connectMs, () => reject(notOnline()))
    this.#waiting++
    try {
      await promise
    } finally {
      this.#waiting--
      timer.cancel()
      waiting.delete(resolve)
      if (waiting.size === 0 && this.#awaited.get(key) === waiting) this.#awaited.delete(key)
    }
  }

  /** The device may have begun to take calls of methods. */
  listening(device: Device): void {
    const waiting = this.#awaited.get(device.key)
    if (waiting && device.link?.takesMethods) for (const resolve of waiting) resolve()
  }

  /** What a device has answered to a call. */
  methodAnswered(device: Device, requestId: string, status: number, payload: Buffer): void {
    this.noteActivity(device)
    this.#methods.answered(device.key, requestId, status, payload)
  }

  // ---------------------------------------------------------------- the end

  /** Resolves when all that is under way has ended. */
  async settle(): Promise<void> {
    while (this.#turn || this.#pending.size > 0) await Promise.allSettled([this.#turn, ...this.#pending])
  }

  /** The hub is gone: nothing more is told or written of its devices. */
  forget(): void {
    this.#isGone = true
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.#methods.close()
    if (this.#isGone) this.#events.close()
    else this.#events.flush()
    for (const [key, { lastActivityAt }] of this.#heardOf) {
      const name = nameOfClientId(key)
      if (name && !this.#isGone) this.#follow(this.#options.registry.noteActivity(name, { lastActivityAt }))
    }
    await this.settle()
    await this.#options.connectionLog.close()
  }
}

const rejected = (why: Rejection['why'], text: string): Rejection => ({ kind: 'rejected', why, text })
