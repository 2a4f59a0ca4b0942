import { isDeepStrictEqual } from 'node:util'
import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { IotHub, IotHubs } from './catalog/iot-hub.ts'
import { cloudMessageBytesMost, pendingPerDeviceMost } from './devicebound/devicebound.ts'
import type { DeviceboundQueues } from './devicebound/queues.ts'
import type { Device, HubDevices } from './hubdevices/hub-devices.ts'
import {
  acceptOverMqtt,
  admitOverMqtt,
  linkOverMqtt,
  type MqttRejection,
  type MqttSessions,
} from './hubdevices/mqtt.ts'
import { MqttDevicebound, type MqttOffers } from './hubdevices/mqtt-devicebound.ts'
import { decodeDeviceTopic, mayListen } from './hubdevices/topics.ts'
import { hostOfUserName, saysApiVersion } from './hubdevices/user-name.ts'
import type { Broker } from './mqtt/broker.ts'
import type { BrokerRealm } from './mqtt/broker-realm.ts'
import { type MqttFeatures, type MqttLimits, mqttFeatures, mqttLimits, type Profile } from './mqtt/limits.ts'
import { reasonCodes } from './mqtt/packets/reason-codes.ts'
import type {
  Admission,
  ClientIdentity,
  ConnectRequest,
  EndedConnection,
  Message,
  Publisher,
  Realm,
  SessionName,
} from './mqtt/realm.ts'
import type { HubAccess } from './resources/hub-access.ts'

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
const limitsOf = (identities: number): MqttLimits => ({
  ...mqttLimits.open,
  // A message of 256 KB, and a topic name as long as MQTT lets it be.
  packetBytes: 256 * 1024 + 66 * 1024,
  keepAliveSeconds: 1_767,
  sessions: identities,
  sessionsPerClient: 1,
  subscriptionsPerSession: 50,
  topicSegments: 65_535,
  sessionQueueMessages: pendingPerDeviceMost,
  // With topic names that are as long as they may be.
  sessionQueueBytes: pendingPerDeviceMost * (cloudMessageBytesMost + 64 * 1024),
})

const features: MqttFeatures = {
  ...mqttFeatures.strict,
  // RETAIN is taken, and becomes a property.
  retain: true,
  reservedTopics: true,
  webSocketWithoutSubprotocol: false,
}

interface HubIdentity extends ClientIdentity {
  readonly device: Device
}

export interface HubRealmOptions {
  readonly broker: Broker
  readonly hubs: IotHubs
  readonly devices: HubDevices
  readonly devicebound: DeviceboundQueues
  readonly profile: Profile
  /** Devices and modules of the hub. */
  readonly identities: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * The MQTT side of an IoT hub: a realm of the broker. Devices come by any name of this server: which hub they mean is in
 * their user name.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub
 */
export class HubRealm implements Realm {
  readonly name: string
  readonly hosts: readonly string[]
  /** What is said of namespaces alone, and not here: what Azure's broker would not take. */
  readonly profile = 'strict'
  readonly limits: MqttLimits
  readonly features = features
  readonly keepsNoRetained = true
  readonly sessions = undefined
  readonly #needs: HubRealmOptions
  /** By the name of their session. */
  readonly #connected = new Map<string, Device>()
  readonly #devicebound: MqttDevicebound
  readonly #hub: () => IotHub
  #access: HubAccess
  #rightsChanged: (() => void) | undefined
  #broker: BrokerRealm | undefined

  constructor(first: IotHub, needs: HubRealmOptions) {
    const { hostName, uid, access } = first
    this.#needs = needs
    this.#hub = () => needs.hubs.get(uid) ?? first
    this.#access = access
    this.name = hostName
    this.hosts = [hostName.toLowerCase()]
    this.limits = limitsOf(needs.identities)
    this.#devicebound = new MqttDevicebound(needs.devicebound, this.#offers, needs.log)
  }

  start(broker: BrokerRealm): void {
    this.#broker = broker
  }

  readonly #sessions: MqttSessions = {
    send: (key, topicName, payload) =>
      this.#broker?.sendTo(key, {
        ...{ topicName, payload, qos: 0, retain: false, receivedAt: this.#needs.clock.now() },
      }) ?? false,
    listens: (key, filter) => {
      const session = this.#broker?.sessions.get(key)
      return session?.online === true && session.subscriptions.has(filter)
    },
    end: (key, text) => {
      this.#needs.broker.tick()
      this.#broker?.sessions
        .get(key)
        ?.connection?.close('ClientAuthenticationError', reasonCodes.notAuthorized, text)
    },
  }

  readonly #offers: MqttOffers = {
    takes: (key, filter) => {
      const session = this.#broker?.sessions.get(key)
      return session?.maySendNow === true && session.subscriptions.has(filter)
    },
    offer: (key, topicName, payload, acknowledged) =>
      this.#broker?.offer(
        key,
        { ...{ topicName, payload, qos: 1, retain: false, receivedAt: this.#needs.clock.now() } },
        acknowledged,
      ),
  }

  /** What is kept for the next connection of an identity that is gone. */
  forget(key: string): void {
    const session = this.#broker?.sessions.get(key)
    if (session) this.#broker?.endSession(session)
    this.#devicebound.send(key)
  }

  drained(sessionName: string): void {
    this.#devicebound.send(sessionName)
  }

  /** Resolves when what is being sent to devices is sent. */
  settle(): Promise<void> {
    return this.#devicebound.settle()
  }

  /** Also of devices of no hub at all: they are refused here, and do not pass for clients of a namespace. */
  claims(userName: string): boolean {
    const host = hostOfUserName(userName)
    if (host === undefined) return false
    const isNobodys = this.#needs.hubs.byHost(host) === undefined
    return host === this.hosts[0] || (isNobodys && saysApiVersion(userName))
  }

  async authenticate(request: ConnectRequest): Promise<Admission> {
    const { protocolVersion, userName, clientId, password, certificates, secure } = request
    if (protocolVersion !== 4)
      return refused(reasonCodes.unsupportedProtocolVersion, 'IoT hubs speak MQTT 3.1.1.')
    if (!secure && (this.#needs.profile === 'strict' || this.#hub().access.requiresTls))
      return refused(reasonCodes.notAuthorized, 'The IoT hub asks for TLS, and the connection is plain.')
    const device = await admitOverMqtt(this.#needs.devices, userName, clientId, { password, certificates })
    if ('kind' in device) return refused(codes[device.why], device.text)
    const identity: HubIdentity = {
      authenticationName: device.key,
      ownerKey: device.key,
      attributes: {},
      expiresAt: device.expiresAt,
      record: null,
      log: {},
      device,
    }
    return { kind: 'admitted', identity }
  }

  reauthenticate(): Promise<Admission> {
    return Promise.resolve(refused(reasonCodes.badAuthenticationMethod, 'IoT hubs speak MQTT 3.1.1.'))
  }

  restore(): ClientIdentity {
    throw new Error('Sessions of devices are not kept beyond the process.')
  }

  standing(): undefined {
    return undefined
  }

  mayPublish(identity: ClientIdentity, topicName: string): boolean {
    const { device } = identity as HubIdentity
    return !device.isEnded && decodeDeviceTopic(device.name, topicName) !== undefined
  }

  maySubscribe(identity: ClientIdentity, topicFilter: string): boolean {
    const { device } = identity as HubIdentity
    if (!mayListen(device.name, topicFilter)) return false
    // It is subscribed to behind this.
    this.#needs.broker.atEndOfTurn(() => {
      this.#needs.devices.listening(device)
      this.#devicebound.send(device.key)
    })
    return true
  }

  mayConnect(address: string): boolean {
    return this.#hub().gate({ address, isTls: true }) === undefined
  }

  /** One that the registry or an authority has turned away is disconnected by its link. */
  onRightsChanged(listener: (whom: 'everyone') => void): void {
    this.#rightsChanged = () => listener('everyone')
  }

  /** The hub says something else now, which may be of who may come. */
  changed({ access }: IotHub): void {
    if (isDeepStrictEqual(access, this.#access)) return
    this.#access = access
    this.#rightsChanged?.()
  }

  accepted(message: Message, publisher: Publisher): Promise<void> | undefined {
    return acceptOverMqtt(this.#needs.devices, (publisher as HubIdentity).device, message, this.#sessions)
  }

  connected({ sessionName }: SessionName): number {
    const identity = this.#broker?.sessions.get(sessionName)?.identity
    if (identity) {
      const { device } = identity as HubIdentity
      this.#connected.set(sessionName, device)
      this.#needs.devices.connected(device, linkOverMqtt(device, this.#sessions))
      // One that was resumed has its subscription still; what it had not acknowledged comes first.
      this.#devicebound.send(sessionName)
    }
    return 0
  }

  disconnected({ sessionName }: EndedConnection): void {
    const device = this.#connected.get(sessionName)
    if (!device) return
    this.#connected.delete(sessionName)
    this.#devicebound.send(sessionName)
    this.#needs.devices.disconnected(device)
  }
}

const codes: Readonly<Record<MqttRejection['why'], number>> = {
  clientId: reasonCodes.clientIdentifierNotValid,
  userName: reasonCodes.badUserNameOrPassword,
  credentials: reasonCodes.notAuthorized,
  throttled: reasonCodes.serverUnavailable,
}

const refused = (reasonCode: number, text: string): Admission => ({ kind: 'refused', reasonCode, text })
