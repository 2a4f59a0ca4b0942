import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { encodeMoment } from '../base/moment.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { GridEvent } from '../event/event.ts'
import type { Presence } from '../registry/encode.ts'
import { HubError, invalid } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import { hubTopicType } from '../registry/registries.ts'
import type { IdentityChange, IdentityName, Registry } from '../registry/registry.ts'
import { checkSection } from '../registry/twin.ts'
import { buildEvent } from '../sources/build-event.ts'
import { devices } from '../sources/devices.ts'
import { type Credentials, prove } from './authenticate.ts'
import { encodeDesiredPatch } from './desired.ts'
import { type MethodAnswer, type MethodCall, methodsMost, notOnline, PendingMethods } from './methods.ts'
import { decodeJson, encodeTelemetry, type Telemetry } from './telemetry.ts'
import {
  type DeviceTopic,
  decodeDeviceTopic,
  desiredTopic,
  methodsFilter,
  methodTopic,
  twinAnswerTopic,
} from './topics.ts'
import { clientIdOf, decodeUserName } from './user-name.ts'

/*
 * The devices of one IoT hub, for whoever speaks their protocol. In come connections and messages; out go events of the
 * hub, changes of twins, and answers. It promises that a message is acknowledged when its event is durable, that the
 * numbers of connection events grow for as long as the hub is there, and that a device that may not be connected any
 * more is not.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messaging and iot-hub-event-grid
 */

/** How devices are reached; the protocol's side. */
export interface DeviceLink {
  /** Sends at most once. False: the device is not connected, or does not listen there. */
  send(key: string, topicName: string, payload: Buffer): boolean
  /** Whether the device is connected and has subscribed so. */
  listens(key: string, filter: string): boolean
  /** Ends the connection. `forget`: what is kept for the next one too. */
  end(key: string, text: string, forget: boolean): void
}

export interface HubDevicesOptions {
  /** As it is now. */
  readonly hub: () => IotHub
  readonly registry: Registry
  /** Of connection events. */
  readonly nextSequenceNumber: () => string
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly isHeard: (sourceId: string, topicType: string) => boolean
  /** Whether that is a name of this hub, in lower case and without a port. */
  readonly isHubHost: (host: string) => boolean
  readonly link: DeviceLink
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
  readonly state: State
  /** How many connections had been ended from this side when this was admitted; see `connected`. */
  readonly endings: number
  /** Requests about its twin that are under way. */
  requests: number
  /** It may say nothing more. */
  isEnded: boolean
}

/** Of an identity, whether connected or not. */
interface State {
  isConnected: boolean
  changedAt: EpochMs | undefined
  lastActivityAt: EpochMs | undefined
}

export interface DeviceMessage {
  readonly topicName: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
  readonly isWill?: boolean | undefined
  readonly receivedAt: EpochMs
}

/** Why a device is not let in: its user name, its client identifier, or who it says it is. */
export interface Rejection {
  readonly kind: 'rejected'
  readonly why: 'userName' | 'clientId' | 'credentials'
  readonly text: string
}

/** With its properties. Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
const messageBytesMost = 256 * 1024
/** Telemetry that waits for the store; beyond it, what nobody waits for is dropped. */
const waitingBytesMost = 64 * 1024 * 1024
/** Requests of one device about its twin that may be under way. */
const requestsMost = 50

const disabledText = 'The device has been disabled.'
const deletedText = 'The device has been deleted.'

export class HubDevices {
  readonly #options: HubDevicesOptions
  readonly #online = new Map<string, Device>()
  readonly #states = new Map<string, State>()
  /** Keys of connected modules, by device. */
  readonly #modules = new Map<string, Set<string>>()
  readonly #methods: PendingMethods
  /** Who waits for a device to listen, by its key. */
  readonly #awaited = new Map<string, Set<() => void>>()
  #waiting = 0
  #connectedDevices = 0
  #endings = 0
  #batch: GridEvent[] = []
  #batchBytes = 0
  #waitingBytes = 0
  #turn: Promise<void> | undefined
  #isDropping = false
  readonly #pending = new Set<Promise<unknown>>()
  #isGone = false

  constructor(options: HubDevicesOptions) {
    this.#options = options
    this.#methods = new PendingMethods(options.clock)
  }

  // ---------------------------------------------------------------- who may come

  async authenticate(
    userName: string | undefined,
    clientId: string,
    credentials: Credentials,
  ): Promise<Device | Rejection> {
    const said = decodeUserName(userName, clientId)
    if (said === 'form')
      return rejected('userName', 'The user name must be {hub host}/{device}/?api-version=...')
    if (said === 'identifier')
      return rejected(
        'clientId',
        'The client identifier must be the {device} or {device}/{module} of the user name.',
      )
    const { host, name, modelId } = said
    const { isHubHost, registry } = this.#options
    if (!isHubHost(host)) return rejected('credentials', `'${host}' is not the host name of this hub.`)
    const device = await this.#admit(name, credentials)
    if (!('kind' in device) && modelId !== undefined && modelId !== device.identity.twin.modelId)
      await registry.announceModel(name, modelId)
    return device
  }

  async #admit(name: IdentityName, credentials: Credentials): Promise<Device | Rejection> {
    const { hub, registry, clock, isHubHost } = this.#options
    const endings = this.#endings
    const key = clientIdOf(name)
    const identity = await registry.find(name)
    if (!identity) return rejected('credentials', `There is no identity '${key}'.`)
    const device = name.moduleId === undefined ? identity : await registry.find({ deviceId: name.deviceId })
    if (device?.status !== 'enabled' || identity.status !== 'enabled')
      return rejected('credentials', `The device '${name.deviceId}' is disabled.`)
    const proof = prove(
      { hub: hub(), identity, keys: () => registry.keysOf(identity), isHubHost },
      credentials,
      clock.now(),
    )
    if ('kind' in proof) return rejected(proof.kind === 'form' ? 'userName' : 'credentials', proof.text)
    const state = this.#stateOf(key)
    return { key, name, identity, ...proof, state, endings, requests: 0, isEnded: false }
  }

  #stateOf(key: string): State {
    let state = this.#states.get(key)
    if (!state) {
      state = { isConnected: false, changedAt: undefined, lastActivityAt: undefined }
      this.#states.set(key, state)
    }
    return state
  }

  connected(device: Device): void {
    const { clock } = this.#options
    const { key, name, state } = device
    this.#online.set(key, device)
    if (name.moduleId === undefined) this.#connectedDevices++
    else {
      const modules = this.#modules.get(name.deviceId) ?? new Set()
      this.#modules.set(name.deviceId, modules.add(key))
    }
    state.isConnected = true
    state.changedAt = clock.now()
    state.lastActivityAt = state.changedAt
    this.#raiseConnection(name, 'Connected')
    // Somebody's right to be here ended while this one was being decided: it may have been this one.
    if (device.endings !== this.#endings) this.#follow(this.#judgeAgain(device))
  }

  async #judgeAgain({ key, name, identity }: Device): Promise<void> {
    const { registry, link } = this.#options
    const now = await registry.find(name)
    const device = name.moduleId === undefined ? now : await registry.find({ deviceId: name.deviceId })
    if (now?.generationId !== identity.generationId) link.end(key, deletedText, true)
    else if (now.status !== 'enabled' || device?.status !== 'enabled') link.end(key, disabledText, false)
  }

  disconnected(key: string): void {
    const device = this.#online.get(key)
    if (!device) return
    const { clock, registry } = this.#options
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
    this.#raiseConnection(name, 'Disconnected')
    const { lastActivityAt } = state
    if (!device.isEnded && lastActivityAt !== undefined)
      this.#follow(registry.noteActivity(name, lastActivityAt))
  }

  /** Source: learn.microsoft.com/azure/event-grid/event-schema-iot-hub */
  #raiseConnection({ deviceId, moduleId }: IdentityName, what: 'Connected' | 'Disconnected'): void {
    const { hub, isHeard, raise, nextSequenceNumber, clock } = this.#options
    const { id, name } = hub()
    const sequenceNumber = nextSequenceNumber()
    if (!isHeard(id, hubTopicType)) return
    const event = buildEvent(devices, `Microsoft.Devices.Device${what}`, {
      sourceId: id,
      subject: `devices/${deviceId}`,
      data: {
        deviceConnectionStateEventInfo: { sequenceNumber },
        hubName: name,
        deviceId,
        ...(moduleId !== undefined && { moduleId }),
      },
      id: newGuid(),
      eventTime: encodeMoment(clock.now()),
    })
    // Now, and not at the end of the turn: what follows of the device is told behind it.
    this.#follow(raise(id, hubTopicType, [event]))
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
    if (device) device.isEnded = isDeleted
    this.#options.link.end(key, text, isDeleted)
  }

  #tellDesired(key: string, before: StoredIdentity, after: StoredIdentity): void {
    if (!this.#online.has(key)) return
    const { desired } = after.twin
    const patch = encodeDesiredPatch(before.twin.desired, desired)
    this.#options.link.send(key, desiredTopic(desired.version), Buffer.from(JSON.stringify(patch)))
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

  /**
   * Takes a message to a topic that the device may publish to. Undefined: it may be acknowledged; else when it resolves,
   * and never when it rejects.
   */
  accepted(device: Device, message: DeviceMessage): Promise<void> | undefined {
    const topic = decodeDeviceTopic(device.name, message.topicName)
    if (!topic) return undefined
    device.state.lastActivityAt = message.receivedAt
    switch (topic.kind) {
      case 'telemetry':
        return this.#telemetry(device, message, topic)
      case 'methodAnswer':
        this.#methods.answered(device.key, topic.requestId, topic.status, message.payload)
        return undefined
      default:
        this.#follow(this.#answerTwin(device, topic, message.payload))
        return undefined
    }
  }

  #telemetry(
    device: Device,
    message: DeviceMessage,
    { bag }: Extract<DeviceTopic, { kind: 'telemetry' }>,
  ): Promise<void> | undefined {
    const { hub, isHeard, link, log } = this.#options
    const bytes = bytesOf(message.payload, bag)
    if (bytes > messageBytesMost) {
      link.end(device.key, `A message has at most ${messageBytesMost} bytes: one of ${bytes} came.`, false)
      return undefined
    }
    if (!isHeard(hub().id, hubTopicType)) return undefined
    if (message.qos === 0 && this.#waitingBytes > waitingBytesMost) {
      if (!this.#isDropping)
        log.warn({ hub: hub().id }, 'Telemetry of QoS 0 is dropped: the store is behind.')
      this.#isDropping = true
      return undefined
    }
    const { payload, retain, isWill = false, receivedAt } = message
    return this.#gather(device, { payload, bag, retain, isWill, receivedAt }, bytes)
  }

  /** Resolves when the event of the message is durable. */
  #gather({ identity, method }: Device, telemetry: Telemetry, bytes: number): Promise<void> {
    this.#batch.push(encodeTelemetry(this.#options.hub(), identity, method, telemetry))
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

  /**
   * Takes messages of a device that has no connection. Resolves when they are durable; rejects with a `HubError` where
   * they are not taken.
   */
  async send(
    name: IdentityName,
    credentials: Credentials,
    messages: readonly Pick<Telemetry, 'payload' | 'bag'>[],
  ): Promise<void> {
    const { hub, isHeard, clock } = this.#options
    const device = await this.#admit(name, credentials)
    if ('kind' in device) throw new HubError('IotHubUnauthorizedAccess', `Unauthorized: ${device.text}`)
    const receivedAt = clock.now()
    device.state.lastActivityAt = receivedAt
    if (!isHeard(hub().id, hubTopicType)) return
    const sizes = messages.map(({ payload, bag }) => bytesOf(payload, bag))
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    if (bytes > messageBytesMost)
      throw new HubError('MessageTooLarge', `Messages have at most ${messageBytesMost} bytes: ${bytes} came.`)
    let durable: Promise<void> | undefined
    for (const [n, message] of messages.entries())
      durable = this.#gather(
        device,
        { ...message, retain: false, isWill: false, receivedAt },
        sizes[n] as number,
      )
    await durable
  }

  /** All telemetry of a turn of the event loop together. */
  async #flush(): Promise<void> {
    const { hub, raise } = this.#options
    const events = this.#batch
    const bytes = this.#batchBytes
    this.#batch = []
    this.#batchBytes = 0
    this.#turn = undefined
    const raised = raise(hub().id, hubTopicType, events)
    this.#follow(raised)
    try {
      await raised
    } finally {
      this.#waitingBytes -= bytes
      if (this.#waitingBytes === 0) this.#isDropping = false
    }
  }

  async #answerTwin(
    device: Device,
    { kind, requestId }: Extract<DeviceTopic, { kind: 'twin' | 'reported' }>,
    payload: Buffer,
  ): Promise<void> {
    const { link, clock } = this.#options
    const { key } = device
    device.requests++
    try {
      if (device.requests > requestsMost)
        throw new HubError(
          'ThrottlingException',
          `At most ${requestsMost} requests of one device are under way.`,
        )
      const { status, version, body } =
        kind === 'twin' ? await this.#readTwin(device) : await this.#report(device, payload)
      link.send(key, twinAnswerTopic(status, requestId, version), body)
    } catch (error) {
      const { status, number, message } =
        error instanceof HubError
          ? error
          : new HubError('ServerError', 'The twin could not be read or written.')
      const body = {
        errorCode: number,
        trackingId: newGuid(),
        message,
        timestampUtc: new Date(clock.now()).toISOString(),
      }
      link.send(key, twinAnswerTopic(status, requestId), Buffer.from(JSON.stringify(body)))
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
    return { status: 200, version: undefined, body: Buffer.from(JSON.stringify(body)) }
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
    const { registry, link } = this.#options
    await registry.get(name)
    const key = clientIdOf(name)
    if (this.#methods.size + this.#waiting >= methodsMost)
      throw new HubError('ThrottlingException', `At most ${methodsMost} calls of one hub are under way.`)
    if (!link.listens(key, methodsFilter)) await this.#untilListening(key, connectMs)
    // Nothing at all would break the official client.
    const body = Buffer.from(JSON.stringify(payload ?? null))
    return this.#methods.call(key, responseMs, (requestId) =>
      link.send(key, methodTopic(method, requestId), body),
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

  /** The device has subscribed to something. */
  subscribed(key: string): void {
    const waiting = this.#awaited.get(key)
    if (waiting && this.#options.link.listens(key, methodsFilter)) for (const resolve of waiting) resolve()
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
    this.#methods.close()
    await this.settle()
  }
}

interface TwinAnswer {
  readonly status: number
  readonly version: number | undefined
  readonly body: Buffer
}

const rejected = (why: Rejection['why'], text: string): Rejection => ({ kind: 'rejected', why, text })

/** As the service counts: the body, the values of its own properties, and names and values of the application's. */
function bytesOf(payload: Buffer, bag: Extract<DeviceTopic, { kind: 'telemetry' }>['bag']): number {
  let bytes = payload.length
  for (const value of bag.own.values()) bytes += Buffer.byteLength(value)
  for (const [name, value] of Object.entries(bag.properties))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value ?? '')
  return bytes
}
