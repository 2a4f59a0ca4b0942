import type { AmqpGuest, AmqpPeer } from './amqp/guest.ts'
import { defaultAmqpLimits } from './amqp/limits.ts'
import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { Metrics } from './base/metrics.ts'
import { OperatorError } from './base/operator-error.ts'
import type { Sealer } from './base/sealer.ts'
import type { IotHub, IotHubs } from './catalog/iot-hub.ts'
import type { Connections } from './destinations/connections.ts'
import type { NetworkRules } from './destinations/network.ts'
import type { Devicebound } from './devicebound/devicebound.ts'
import { DeviceboundQueues } from './devicebound/queues.ts'
import type { Fanout } from './fanout/fanout.ts'
import { type BlobLook, createBlobLook } from './fileupload/blob-look.ts'
import { FileUploads } from './fileupload/file-uploads.ts'
import type { Door, HttpRequest } from './http/http.ts'
import type { Peer } from './http/peer.ts'
import { type AmqpHub, HubGuest } from './hub-amqp.ts'
import { cloudMessagesOf, serviceNodeOf } from './hub-amqp-queues.ts'
import { HubRealm } from './hub-mqtt.ts'
import { type HubRoutesNeeds, openHubRoutes, routeNotices } from './hub-routes.ts'
import type { ConnectionStateEvents } from './hubdevices/connection-events.ts'
import { ConnectionLog } from './hubdevices/connection-log.ts'
import { HubDevices } from './hubdevices/hub-devices.ts'
import { openSequence } from './hubdevices/sequence.ts'
import { createEventsNode } from './hubevents/amqp.ts'
import { type HubEvents, openHubEvents } from './hubevents/hub-events.ts'
import { type Containers, createContainers } from './hubjobs/container.ts'
import { HubJobs } from './hubjobs/hub-jobs.ts'
import { HubRoutes } from './hubroutes/hub-routes.ts'
import type { EndpointHealth } from './hubroutes/pump.ts'
import { type AuthorizeServiceOptions, createAuthorizeService } from './iothub/authenticate.ts'
import { decodeEtag } from './iothub/etag.ts'
import { createIotHubDoor } from './iothub/iothub.ts'
import { decodeMethodCall } from './iothub/methods.ts'
import type { Broker } from './mqtt/broker.ts'
import type { Profile } from './mqtt/limits.ts'
import { importItem } from './registry/bulk.ts'
import { absent } from './registry/encode.ts'
import { HubError, type HubErrorName } from './registry/errors.ts'
import { defaultRegistryLimits } from './registry/limits.ts'
import { HubQuotas } from './registry/quotas.ts'
import { Registries } from './registry/registries.ts'
import type { Registry } from './registry/registry.ts'
import { hubHostName } from './resources/iot-hubs.ts'
import type { Queues, Records, Streams } from './store/store.ts'

/*
 * The IoT hubs that run here: of each its registry, its devices, and a realm of the MQTT broker, opened and closed as the
 * control plane writes hubs; and the door of their service API.
 */

export interface RunningHubs {
  readonly door: Door
  /** Messages to the devices of the hub with that ARM id. */
  devicebound(hubId: string): Promise<Devicebound>
  /** What the control plane tells of a hub. */
  describe(hubId: string): Promise<HubDescription>
  /** Imports and exports of a hub. */
  transfersOf(hubId: string): Promise<Pick<HubJobs, 'createTransfer' | 'transfer' | 'transfers'>>
  /** Who deals with a new connection over AMQP. */
  readonly guestOf: (peer: AmqpPeer) => AmqpGuest
  /** Resolves when every event that is due has been told. */
  settle(): Promise<void>
  /** Cuts jobs, which go on at the next start: before the connections of devices are closed. */
  endJobs(): Promise<void>
  /** Whoever waits for messages is answered. Before the listeners are closed. */
  endWaits(): void
  /** After the broker is closed, and before the store is. */
  close(): Promise<void>
}

export interface HubDescription {
  readonly devices: number
  readonly enabledDevices: number
  readonly devicesMost: number
  readonly messagesToday: number
  readonly messagesPerDay: number
  readonly endpoints: readonly (readonly [name: string, health: EndpointHealth])[]
}

export interface HubsOptions extends Pick<AuthorizeServiceOptions, 'readBearer' | 'permits'> {
  readonly broker: Broker
  readonly hubs: IotHubs
  readonly records: Records
  readonly queues: Queues
  readonly streams: Streams
  readonly transports: HubRoutesNeeds['transports']
  readonly sealer: Sealer
  readonly fanout: Pick<Fanout, 'raise' | 'isHeard'>
  /** Whether clients may call this server by that host name, without its port, in lower case. */
  readonly isOwnHost: (host: string) => boolean
  readonly peerOf: (request: HttpRequest) => Peer
  readonly profile: Profile
  /** Where jobs may read and write blobs, and uploads are looked at. */
  readonly rules: NetworkRules
  readonly connectionStateEvents: ConnectionStateEvents
  /** How storage accounts are reached that devices upload files to. */
  readonly connections: Connections
  readonly limits: HubRoutesNeeds['limits'] & {
    readonly devicesPerHub: number
    readonly requestBytes: number
    readonly hubEventBytes: number
    readonly hubEventReaders: number
  }
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export async function openHubs(needs: HubsOptions): Promise<RunningHubs> {
  const { broker, hubs, streams, isOwnHost, queues, limits, clock, log } = needs
  await ConnectionLog.forgetHubs(queues, (uid) => hubs.get(uid) !== undefined)
  const authorize = createAuthorizeService(needs)
  const running = new Map<string, RunningHub>()
  // A job that runs on would write what has just been removed.
  const registries = await openRegistries(needs, async (uid) => running.get(uid)?.jobs.close())
  const containers = createContainers(needs.rules, clock)
  const blobs = createBlobLook(needs.rules)
  const guests = new Set<HubGuest>()
  /** What of a hub's settings is not asked for each time. */
  const update = (known: RunningHub, hub: IotHub): void => {
    known.routes.update(hub)
    known.events.update(hub.events)
    known.realm.changed(hub)
    for (const guest of guests) guest.hubChanged(known.amqp)
  }
  const follow = async (uid: string): Promise<void> => {
    const hub = hubs.get(uid)
    const known = running.get(uid)
    if (hub && known) update(known, hub)
    else if (hub) running.set(uid, await openHub(hub, needs, registries, { containers, blobs }))
    else if (known) {
      running.delete(uid)
      known.devices.forget()
      await known.jobs.close()
      broker.removeRealm(known.realm, 'The IoT hub is gone.')
      for (const guest of guests) guest.leave(known.amqp)
      await closeHub(known)
      await ConnectionLog.forgetHubs(queues, (each) => hubs.get(each) !== undefined)
      await streams.drop(uid)
      await known.routes.forget()
    }
  }
  // One after the other: what one write opens, the next may close.
  let following: Promise<void> = Promise.resolve()
  hubs.onChange((uid, changed) => {
    // In force when the write is answered.
    const open = changed && running.get(uid)
    if (open) {
      update(open, changed)
      return
    }
    following = following
      .then(() => follow(uid))
      .catch((error: unknown) =>
        log.error({ err: error, hub: uid }, 'What an IoT hub needs could not be opened or closed.'),
      )
  })
  hubs.onAuthoritiesChange((uid) => running.get(uid)?.devices.authoritiesChanged())
  registries.onChange((hub, changes) => {
    const known = running.get(hub.uid)
    if (!known) return undefined
    known.devices.changed(changes)
    for (const { before, after } of changes)
      if (before && !after && before.moduleId === undefined) known.forget(before.deviceId)
    return routeNotices(known.routes, hub, changes, needs)
  })
  registries.presenceOf = (hub, identity) => {
    const known = running.get(hub.uid)
    const presence = known?.devices.presenceOf(identity) ?? absent
    const pendingMessages =
      identity.moduleId === undefined ? (known?.devicebound.pendingOf(identity.deviceId) ?? 0) : 0
    return pendingMessages === 0 ? presence : { ...presence, pendingMessages }
  }
  registries.connectedTo = (hub) => running.get(hub.uid)?.devices.connectedDevices ?? 0
  for (const name of streams.names()) if (!hubs.get(name)) await streams.drop(name)
  await HubRoutes.removeLeft(queues, (uid) => hubs.get(uid) !== undefined)
  for (const { uid } of hubs.all()) await follow(uid)
  const runningOf = async ({ uid }: IotHub): Promise<RunningHub> => {
    const known = running.get(uid)
    // Another hub may be on its way, and take its time.
    if (known) return known
    await following
    const hub = running.get(uid)
    if (hub) return hub
    throw new HubError('ServiceUnavailable', 'The hub does not take connections.')
  }
  const runningBy = (hubId: string): Promise<RunningHub> => {
    const hub = hubs.byId(hubId)
    if (!hub) throw new HubError('IotHubNotFound', `There is no hub '${hubId}'.`)
    return runningOf(hub)
  }
  const endJobs = async () => {
    await following
    for (const { jobs } of running.values()) await jobs.close()
  }
  const amqpOf = (hub: IotHub | undefined) => hub && running.get(hub.uid)?.amqp
  const find = (host: string, path = '') => {
    const own = isOwnHost(host)
      ? (hubs.byHost(hubHostName(path.split('/')[1] ?? '')) ?? hubs.only())
      : undefined
    return amqpOf(hubs.byHost(host) ?? own)
  }
  return {
    guestOf(peer) {
      const guest: HubGuest = new HubGuest(peer, {
        ...{ find, authorize, clock, log, tokensPerConnection: defaultAmqpLimits.tokensPerConnection },
        named: (name) => find(name.includes('.') ? name : hubHostName(name)),
        closed: () => guests.delete(guest),
      })
      guests.add(guest)
      return guest
    },
    door: createIotHubDoor({
      ...{ hubs, registries, isOwnHost, authorize, clock, peerOf: needs.peerOf },
      jobsOf: async (hub) => (await runningOf(hub)).jobs,
      refusal: async (hub, meter) => {
        // One that has just been made may not be open yet.
        if (!running.has(hub.uid)) await following
        return running.get(hub.uid)?.quotas.refusal(meter)
      },
      invoke: async (hub, name, call) => (await runningOf(hub)).devices.invoke(name, call),
      send: async (hub, ...args) => (await runningOf(hub)).devices.send(...args),
      vouch: async (hub, ...args) => (await (await runningOf(hub)).devices.vouch(...args)).identity,
      devicebound: async (hub) => (await runningOf(hub)).devicebound,
      files: async (hub) => (await runningOf(hub)).files,
      eventsOf: async (hub) => (await runningOf(hub)).events,
      bodyBytes: limits.requestBytes,
    }),
    async devicebound(hubId) {
      return (await runningBy(hubId)).devicebound
    },
    async describe(hubId) {
      const { registry, quotas, routes } = await runningBy(hubId)
      const { devices, enabled } = registry.counts()
      const { taken, most } = quotas.messagesOfDay()
      return {
        ...{ devices, enabledDevices: enabled, devicesMost: limits.devicesPerHub },
        ...{ messagesToday: taken, messagesPerDay: most, endpoints: routes.health() },
      }
    },
    async transfersOf(hubId) {
      return (await runningBy(hubId)).jobs
    },
    async settle() {
      await following
      await registries.settle()
      for (const { devices, routes, devicebound, files, realm } of running.values()) {
        await devices.settle()
        await files.settle()
        await devicebound.settle()
        await realm.settle()
        // What has been acknowledged by then is completed.
        await devicebound.settle()
        await routes.settle()
      }
    },
    endJobs,
    endWaits() {
      for (const { events } of running.values()) events.endWaits()
    },
    async close() {
      await endJobs()
      await containers.close()
      await registries.close()
      for (const hub of running.values()) await closeHub(hub)
      await Promise.all(Array.from(running.values(), ({ routes }) => routes.close()))
      await blobs.close()
    },
  }
}

async function closeHub({ devices, devicebound, files, realm, events }: RunningHub): Promise<void> {
  await devices.close()
  await files.settle()
  await realm.settle()
  await devicebound.close()
  events.close()
}

/** Those of hubs that are gone go with them. */
async function openRegistries(
  needs: HubsOptions,
  beforeForget: (uid: string) => Promise<void>,
): Promise<Registries> {
  const { hubs, records, sealer, fanout, limits, clock, log } = needs
  const registries = new Registries({
    ...{ records, sealer, clock, log },
    limits: { ...defaultRegistryLimits, identities: limits.devicesPerHub },
    raise: (sourceId, topicType, events) => fanout.raise(sourceId, topicType, events),
    isHeard: (sourceId, topicType) => fanout.isHeard(sourceId, topicType),
  })
  hubs.onChange((uid, hub) => {
    if (hub) return
    beforeForget(uid)
      .then(() => registries.forget(uid))
      .catch((error: unknown) =>
        log.error({ error, hub: uid }, 'Devices of a hub that is gone are left on disk.'),
      )
  })
  await registries.removeLeft(hubs)
  return registries
}

/** How storage accounts are reached. */
interface Storage {
  readonly containers: Containers
  readonly blobs: BlobLook
}

interface RunningHub {
  readonly registry: Registry
  readonly jobs: HubJobs
  readonly devices: HubDevices
  readonly quotas: HubQuotas
  readonly devicebound: DeviceboundQueues
  readonly files: FileUploads
  readonly routes: HubRoutes
  readonly realm: HubRealm
  /** Of a device that is gone. */
  readonly forget: (deviceId: string) => void
  readonly amqp: AmqpHub
  readonly events: HubEvents
}

async function openHub(
  first: IotHub,
  needs: HubsOptions,
  registries: Registries,
  { containers, blobs }: Storage,
): Promise<RunningHub> {
  const { broker, hubs, records, queues, streams, sealer, fanout, isOwnHost } = needs
  const { profile, connections, limits, clock, log } = needs
  const { uid, hostName } = first
  const hub = () => hubs.get(uid) ?? first
  const host = hostName.toLowerCase()
  const registry = await registries.of(first)
  const quotas = new HubQuotas({ hub, isStrict: profile === 'strict', clock, log })
  const shared = {
    ...{ hubUid: uid, records, clock, log },
    settings: () => hub().messaging,
    refuse: (name: HubErrorName, text: string) => new HubError(name, text),
  }
  const builtIn = await openHubEvents({
    ...{ streams, name: uid, settings: first.events, clock, log },
    limits: { bytes: limits.hubEventBytes, waiting: limits.hubEventReaders },
  }).catch((error: Error) => {
    throw new OperatorError(
      `The messages of the IoT hub '${first.name}' cannot be opened: ${error.message}`,
      error,
    )
  })
  // What was opened is closed again where what follows cannot be.
  await using opening = new AsyncDisposableStack()
  opening.defer(() => builtIn.close())
  const routes = openHubRoutes(first, registry, builtIn, needs)
  opening.defer(() => routes.close())
  const devicebound = await DeviceboundQueues.open({
    ...shared,
    find: (deviceId) => registry.find({ deviceId }),
  })
  opening.defer(() => devicebound.close())
  const files = new FileUploads({
    ...{ ...shared, connections },
    look: (url) => blobs.look(url),
    tell: (deviceId, notice, also) => devicebound.fileNotifications.tell(deviceId, notice, also),
  })
  const devices = new HubDevices({
    ...{ hub, registry, quotas, clock, log },
    nextSequenceNumber: await openSequence(records, uid, clock),
    connectionStateEvents: needs.connectionStateEvents,
    connectionLog: await ConnectionLog.open({ queues, hubUid: uid, clock, log }),
    raise: (sourceId, topicType, events) => fanout.raise(sourceId, topicType, events),
    isHeard: (sourceId, topicType) => fanout.isHeard(sourceId, topicType),
    isRouted: () => routes.takes('Telemetry'),
    areConnectionsRouted: () => routes.takes('deviceConnectionStateEvents'),
    route: (messages) => routes.route(messages),
    authorities: () => hubs.authoritiesOf(hub()),
    // A name of this server stands for the only hub.
    isHubHost: (name) => name === host || (isOwnHost(name) && hubs.only() !== undefined),
    forget: (key) => realm.forget(key),
  })
  const realm = new HubRealm(first, {
    ...{ broker, hubs, devices, devicebound, profile, clock, log },
    identities: limits.devicesPerHub,
  })
  realm.start(broker.addRealm(realm))
  opening.defer(async () => {
    broker.removeRealm(realm, 'The IoT hub could not be opened.')
    await devices.close()
  })
  const jobs = await HubJobs.open({
    ...{ hub, registry, records, sealer, containers, decodeMethodCall, clock, log },
    presenceOf: (identity) => registries.presenceOf(first, identity),
    invoke: (name, call) => devices.invoke(name, call),
    importItem: (into, item) => importItem(into, item, decodeEtag),
  })
  const eventsNode = createEventsNode({
    ...{ events: builtIn, clock, createdAt: first.createdAt },
    name: () => hub().name,
    hasConsumerGroup: (name) => hubs.hasConsumerGroup(hub(), name),
    failed: (error) => log.error({ err: error, hub: first.id }, 'Messages of a hub cannot be read.'),
  })
  const forget = (deviceId: string) => {
    devicebound.forget(deviceId)
    files.forget(deviceId)
  }
  const amqp: AmqpHub = {
    ...{ hub, devices, cloudMessages: cloudMessagesOf(devicebound, log) },
    nodes: [serviceNodeOf(devicebound, log)],
    eventNodes: [eventsNode],
  }
  opening.move()
  return {
    ...{ registry, jobs, devices, routes, quotas, devicebound, files, realm, amqp, forget },
    events: builtIn,
  }
}
