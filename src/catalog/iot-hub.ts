/** What a shared access policy lets its holder do. */
export type HubRight = 'RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect'

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
  /** Such as `contoso.azure-devices.net`. */
  readonly hostName: string
  readonly policies: readonly HubPolicy[]
  readonly disableLocalAuth: boolean
}

/** The hubs that there are. */
export class IotHubs {
  /** By uid. */
  readonly #hubs = new Map<string, IotHub>()
  /** By host name in lower case. */
  readonly #byHost = new Map<string, IotHub>()

  /** By the host name that clients call it, in any letter case, without a port. */
  byHost(host: string): IotHub | undefined {
    return this.#byHost.get(host.toLowerCase())
  }

  /** The only one; undefined where there is none or more than one. */
  only(): IotHub | undefined {
    return this.#hubs.size === 1 ? this.#hubs.values().next().value : undefined
  }

  all(): Iterable<IotHub> {
    return this.#hubs.values()
  }

  get(uid: string): IotHub | undefined {
    return this.#hubs.get(uid)
  }

  place(hub: IotHub): void {
    this.forget(hub.uid)
    this.#hubs.set(hub.uid, hub)
    this.#byHost.set(hub.hostName.toLowerCase(), hub)
  }

  forget(uid: string): void {
    const hub = this.#hubs.get(uid)
    if (!hub) return
    this.#hubs.delete(uid)
    this.#byHost.delete(hub.hostName.toLowerCase())
  }
}
