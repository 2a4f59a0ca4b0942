import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { IotHub, IotHubs } from './catalog/iot-hub.ts'
import type { Fanout } from './fanout/fanout.ts'
import { type Device, HubDevices, type Rejection } from './hubdevices/hub-devices.ts'
import type { MethodAnswer, MethodCall } from './hubdevices/methods.ts'
import { openSequence } from './hubdevices/sequence.ts'
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
import { absent } from './registry/encode.ts'
import { HubError } from './registry/errors.ts'
import type { Registries } from './registry/registries.ts'
import type { IdentityName } from './registry/registry.ts'
import type { Records } from './store/store.ts'

/*
 * A realm of the MQTT broker for each IoT hub, opened and closed as the control plane writes hubs. Devices come by any
 * name of this server: which hub they mean is in their user name.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub
 */

export interface HubRealms {
  /** Calls a method on a device of that hub; rejects with a `HubError` where no answer comes. */
  invoke(hub: IotHub, name: IdentityName, call: MethodCall): Promise<MethodAnswer>
  /** Takes telemetry that did not come over MQTT; see `HubDevices.send`. */
  send(hub: IotHub, ...args: Parameters<HubDevices['send']>): Promise<void>
  /** Resolves when every event that is due has been told. */
  settle(): Promise<void>
  /** After the broker is closed, and before the store is. */
  close(): Promise<void>
}

export interface HubRealmsOptions {
  readonly broker: Broker
  readonly hubs: IotHubs
  readonly registries: Registries
  readonly records: Records
  readonly fanout: Pick<Fanout, 'raise' | 'isHeard'>
  /** Whether clients may call this server by that host name, without its port, in lower case. */
  readonly isOwnHost: (host: string) => boolean
  readonly profile: Profile
  /** Devices and modules of one hub. */
  readonly identities: number
  readonly clock: Clock
  readonly log: Log
}

export async function openHubRealms(needs: HubRealmsOptions): Promise<HubRealms> {
  const { broker, hubs, registries, log } = needs
  const realms = new Map<string, HubRealm>()
  const follow = async (uid: string): Promise<void> => {
    const hub = hubs.get(uid)
    const known = realms.get(uid)
    if (hub && !known) {
      const realm = await HubRealm.open(hub, needs)
      realms.set(uid, realm)
      realm.start(broker.addRealm(realm))
    } else if (!hub && known) {
      realms.delete(uid)
      known.devices.forget()
      broker.removeRealm(known, 'The IoT hub is gone.')
      await known.devices.close()
    }
  }
  // One after the other: what one write opens, the next may close.
  let following: Promise<void> = Promise.resolve()
  hubs.onChange((uid) => {
    following = following
      .then(() => follow(uid))
      .catch((error: unknown) =>
        log.error({ err: error, hub: uid }, 'The MQTT broker could not follow an IoT hub.'),
      )
  })
  registries.onChange((hub, changes) => realms.get(hub.uid)?.devices.changed(changes))
  registries.presenceOf = (hub, identity) => realms.get(hub.uid)?.devices.presenceOf(identity) ?? absent
  registries.connectedTo = (hub) => realms.get(hub.uid)?.devices.connectedDevices ?? 0
  for (const { uid } of hubs.all()) await follow(uid)
  const devicesOf = async ({ uid }: IotHub): Promise<HubDevices> => {
    await following
    const realm = realms.get(uid)
    if (realm) return realm.devices
    throw new HubError('ServiceUnavailable', 'The hub does not take connections.')
  }
  return {
    invoke: async (hub, name, call) => (await devicesOf(hub)).invoke(name, call),
    send: async (hub, ...args) => (await devicesOf(hub)).send(...args),
    async settle() {
      await following
      for (const { devices } of realms.values()) await devices.settle()
    },
    async close() {
      await following
      for (const { devices } of realms.values()) await devices.close()
    },
  }
}

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
  sessionQueueMessages: 50,
  sessionQueueBytes: 50 * 64 * 1024,
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

class HubRealm implements Realm {
  readonly devices: HubDevices
  readonly name: string
  readonly hosts: readonly string[]
  /** What is said of namespaces alone, and not here: what Azure's broker would not take. */
  readonly profile = 'strict'
  readonly limits: MqttLimits
  readonly features = features
  readonly keepsNoRetained = true
  readonly sessions = undefined
  readonly #needs: HubRealmsOptions
  #broker: BrokerRealm | undefined

  static async open(hub: IotHub, needs: HubRealmsOptions): Promise<HubRealm> {
    const { registries, records, clock } = needs
    const nextSequenceNumber = await openSequence(records, hub.uid, clock)
    return new HubRealm(hub, needs, await registries.of(hub), nextSequenceNumber)
  }

  private constructor(
    hub: IotHub,
    needs: HubRealmsOptions,
    registry: Awaited<ReturnType<Registries['of']>>,
    nextSequenceNumber: () => string,
  ) {
    const { hubs, fanout, clock, log } = needs
    this.#needs = needs
    this.name = hub.hostName
    this.hosts = [hub.hostName.toLowerCase()]
    this.limits = limitsOf(needs.identities)
    this.devices = new HubDevices({
      ...{ registry, nextSequenceNumber, clock, log },
      hub: () => hubs.get(hub.uid) ?? hub,
      raise: (sourceId, topicType, events) => fanout.raise(sourceId, topicType, events),
      isHeard: (sourceId, topicType) => fanout.isHeard(sourceId, topicType),
      isHubHost: (host) => this.#isHubHost(host),
      link: {
        send: (key, topicName, payload) =>
          this.#broker?.sendTo(key, {
            ...{ topicName, payload, qos: 0, retain: false, receivedAt: clock.now() },
          }) ?? false,
        listens: (key, filter) => {
          const session = this.#broker?.sessions.get(key)
          return session?.online === true && session.subscriptions.has(filter)
        },
        end: (key, text, forget) => this.#end(key, text, forget),
      },
    })
  }

  start(broker: BrokerRealm): void {
    this.#broker = broker
  }

  #end(key: string, text: string, forget: boolean): void {
    const session = this.#broker?.sessions.get(key)
    if (!session) return
    this.#needs.broker.tick()
    session.connection?.close('ClientAuthenticationError', reasonCodes.notAuthorized, text)
    if (forget) this.#broker?.endSession(session)
  }

  /** A name of this server stands for the only hub. */
  #isHubHost(host: string): boolean {
    return host === this.hosts[0] || (this.#needs.isOwnHost(host) && this.#needs.hubs.only() !== undefined)
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
    if (!secure && this.#needs.profile === 'strict')
      return refused(reasonCodes.notAuthorized, 'IoT hubs ask for TLS, and the connection is plain.')
    const device = await this.devices.authenticate(userName, clientId, { password, certificates })
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
    this.#needs.broker.atEndOfTurn(() => this.devices.subscribed(device.key))
    return true
  }

  /** A device that may not be here any more is disconnected by `end`. */
  onRightsChanged(): void {}

  accepted(message: Message, publisher: Publisher): Promise<void> | undefined {
    return this.devices.accepted((publisher as HubIdentity).device, message)
  }

  connected({ sessionName }: SessionName): number {
    const identity = this.#broker?.sessions.get(sessionName)?.identity
    if (identity) this.devices.connected((identity as HubIdentity).device)
    return 0
  }

  disconnected({ sessionName }: EndedConnection): void {
    this.devices.disconnected(sessionName)
  }
}

const codes: Readonly<Record<Rejection['why'], number>> = {
  clientId: reasonCodes.clientIdentifierNotValid,
  userName: reasonCodes.badUserNameOrPassword,
  credentials: reasonCodes.notAuthorized,
}

const refused = (reasonCode: number, text: string): Admission => ({ kind: 'refused', reasonCode, text })
