import type { X509Certificate } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { readEncodedCertificate } from '../resources/ca-certificates.ts'
import { decodeHubAccess, type HubAccess } from '../resources/hub-access.ts'
import type { HubCertificateProperties } from '../resources/hub-certificates.ts'
import { decodeHubMessaging, type HubMessaging } from '../resources/hub-messaging.ts'
import { type HubRouting, routingOf } from '../resources/hub-routing.ts'
import {
  type HubRight,
  type HubSku,
  hubEventsOf,
  hubHostName,
  hubPropertiesOf,
  hubSkuOf,
  hubUnitsOf,
  policiesOf,
} from '../resources/iot-hubs.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'
import { fields, type WireObject } from '../wire/shape.ts'
import { createHubGate, type HubGate } from './hub-gate.ts'

export interface HubPolicy {
  readonly keyName: string
  readonly primaryKey: string
  readonly secondaryKey: string
  readonly rights: ReadonlySet<HubRight>
}

/** An IoT hub as the data plane knows it. */
export interface IotHub {
  /** Canonical ARM id. */
  readonly id: string
  /** Stable for the life of the hub and never used again: names its records. */
  readonly uid: string
  readonly name: string
  readonly createdAt: EpochMs
  /** Such as `contoso.azure-devices.net`. */
  readonly hostName: string
  readonly sku: HubSku
  readonly units: number
  readonly policies: readonly HubPolicy[]
  readonly disableLocalAuth: boolean
  readonly disableDeviceSas: boolean
  readonly disableModuleSas: boolean
  readonly access: HubAccess
  /** Every door asks it of whoever comes. */
  readonly gate: HubGate
  /** Messages to devices, their feedback, and files that devices upload. */
  readonly messaging: HubMessaging
  /** Its built-in endpoint. */
  readonly events: { readonly partitions: number; readonly retentionDays: number }
  readonly routing: HubRouting
}

export function decodeIotHub(
  { id, uid, name, createdAt, topLevel }: StoredResource,
  content: Content,
): IotHub {
  const access = readLeniently(decodeHubAccess, content.properties)
  // As they were given, in whatever letter case.
  const from = fields(content.properties, 'properties')
  return {
    ...{ id, uid, name, createdAt, hostName: hubHostName(name), sku: hubSkuOf(topLevel) },
    units: hubUnitsOf(topLevel),
    disableLocalAuth: from.raw('disableLocalAuth') === true,
    disableDeviceSas: from.raw('disableDeviceSAS') === true,
    disableModuleSas: from.raw('disableModuleSAS') === true,
    ...{ access, gate: createHubGate(access) },
    messaging: readLeniently(decodeHubMessaging, hubPropertiesOf(content)),
    events: hubEventsOf(content.properties),
    routing: routingOf(content),
    policies: policiesOf(content).map(({ rights, ...policy }) => ({
      ...policy,
      rights: new Set(rights.split(', ') as HubRight[]),
    })),
  }
}

/** Of a hub that was stored before these were checked, what cannot be is at its default. */
function readLeniently<Part>(read: (properties: WireObject) => Part, properties: WireObject): Part {
  try {
    return read(properties)
  } catch (error) {
    if (error instanceof RequestError) return read({})
    throw error
  }
}

/** Hears of a hub that is there, or changed, and of one that is gone. */
export type IotHubListener = (uid: string, hub: IotHub | undefined) => void

/** The hubs that there are. */
export class IotHubs {
  /** By uid. */
  readonly #hubs = new Map<string, IotHub>()
  readonly #listeners: IotHubListener[] = []
  /** By id in lower case. */
  readonly #byId = new Map<string, IotHub>()
  /** By host name in lower case. */
  readonly #byHost = new Map<string, IotHub>()
  /** Ids of consumer groups, in lower case. */
  readonly #groups = new Set<string>()

  /** By id of the hub in lower case, and then by name. */
  readonly #authorities = new Map<string, Map<string, X509Certificate>>()
  readonly #authorityListeners: ((uid: string) => void)[] = []

  /** By the host name that clients call it, in any letter case, without a port. */
  byHost(host: string): IotHub | undefined {
    return this.#byHost.get(host.toLowerCase())
  }

  /** The only one; undefined where there is none or more than one. */
  only(): IotHub | undefined {
    return this.#hubs.size === 1 ? this.#hubs.values().next().value : undefined
  }

  /** By ARM id, in any letter case. */
  byId(id: string): IotHub | undefined {
    return this.#byId.get(id.toLowerCase())
  }

  all(): Iterable<IotHub> {
    return this.#hubs.values()
  }

  get(uid: string): IotHub | undefined {
    return this.#hubs.get(uid)
  }

  /** Of a hub's built-in endpoint, by name in any letter case. */
  hasConsumerGroup({ id }: IotHub, name: string): boolean {
    return this.#groups.has(`${id}/eventHubEndpoints/events/ConsumerGroups/${name}`.toLowerCase())
  }

  placeGroup({ id }: StoredResource): void {
    this.#groups.add(id.toLowerCase())
  }

  /** Who still receives in it goes on; nobody else comes. */
  forgetGroup({ id }: StoredResource): void {
    this.#groups.delete(id.toLowerCase())
  }

  onChange(listener: IotHubListener): void {
    this.#listeners.push(listener)
  }

  place(hub: IotHub): void {
    this.#hubs.set(hub.uid, hub)
    this.#byId.set(hub.id.toLowerCase(), hub)
    this.#byHost.set(hub.hostName.toLowerCase(), hub)
    for (const listener of this.#listeners) listener(hub.uid, hub)
  }

  forget(uid: string): void {
    const hub = this.#hubs.get(uid)
    if (!hub) return
    this.#hubs.delete(uid)
    this.#byId.delete(hub.id.toLowerCase())
    this.#byHost.delete(hub.hostName.toLowerCase())
    for (const listener of this.#listeners) listener(uid, undefined)
  }

  // ---------------------------------------------------------------- who signs certificates of devices

  /** The verified CA certificates of a hub. */
  authoritiesOf({ id }: Pick<IotHub, 'id'>): readonly X509Certificate[] {
    return [...(this.#authorities.get(id.toLowerCase())?.values() ?? [])]
  }

  /** Hears of a hub whose authorities have changed. */
  onAuthoritiesChange(listener: (uid: string) => void): void {
    this.#authorityListeners.push(listener)
  }

  placeCertificate({ name, parentId, properties }: StoredResource): void {
    const { certificate, isVerified } = properties as unknown as HubCertificateProperties
    const read = isVerified ? readEncodedCertificate(certificate) : undefined
    const key = parentId.toLowerCase()
    const ofHub = this.#authorities.get(key) ?? new Map<string, X509Certificate>()
    if (read) ofHub.set(name.toLowerCase(), read)
    else ofHub.delete(name.toLowerCase())
    if (ofHub.size > 0) this.#authorities.set(key, ofHub)
    else this.#authorities.delete(key)
    this.#tellAuthorities(key)
  }

  forgetCertificate({ name, parentId }: StoredResource): void {
    const key = parentId.toLowerCase()
    const ofHub = this.#authorities.get(key)
    if (!ofHub?.delete(name.toLowerCase())) return
    if (ofHub.size === 0) this.#authorities.delete(key)
    this.#tellAuthorities(key)
  }

  #tellAuthorities(key: string): void {
    const hub = this.#byId.get(key)
    if (hub) for (const listener of this.#authorityListeners) listener(hub.uid)
  }
}
