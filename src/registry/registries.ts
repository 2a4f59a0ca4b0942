import type { Clock } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { encodeMoment } from '../base/moment.ts'
import type { Sealer } from '../base/sealer.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { GridEvent } from '../event/event.ts'
import { buildEvent } from '../sources/build-event.ts'
import { devices } from '../sources/devices.ts'
import type { EventSource } from '../sources/event-source.ts'
import type { Records } from '../store/store.ts'
import { absent, encodeEventTwin, type Presence } from './encode.ts'
import type { StoredIdentity } from './identity.ts'
import type { RegistryLimits } from './limits.ts'
import { type IdentityChange, Registry } from './registry.ts'

/** The topic type of IoT hubs. */
export const hubTopicType = (devices as EventSource & { readonly topicType: string }).topicType

export interface RegistriesOptions {
  readonly records: Records
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly limits: RegistryLimits
  /** As an Azure service raises events; see `Fanout`. */
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly isHeard: (sourceId: string, topicType: string) => boolean
}

/** Called for every change, after it is durable; what it promises is awaited before the change is answered. */
export type HubListener = (hub: IotHub, changes: readonly IdentityChange[]) => Promise<void> | void

/**
 * The registry of each hub, opened when it is first asked for. Devices that come and go are told of as events of the hub:
 * they are durable when the request that made or removed the device is answered.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-event-grid
 */
export class Registries {
  readonly #options: RegistriesOptions
  readonly #opened = new Map<string, Promise<Registry>>()
  readonly #listeners: HubListener[] = []
  /** Who is connected; set by whoever speaks with devices. */
  presenceOf: (hub: IotHub, identity: StoredIdentity) => Presence = () => absent
  /** How many devices of a hub are connected; set likewise. */
  connectedTo: (hub: IotHub) => number = () => 0

  constructor(options: RegistriesOptions) {
    this.#options = options
  }

  of(hub: IotHub): Promise<Registry> {
    let opened = this.#opened.get(hub.uid)
    if (!opened) {
      const { records, sealer, clock, log, limits } = this.#options
      const onChange = (changes: readonly IdentityChange[]) => this.#changed(hub, changes)
      opened = Registry.open({ hubUid: hub.uid, records, sealer, clock, log, limits, onChange })
      this.#opened.set(hub.uid, opened)
    }
    return opened
  }

  onChange(listener: HubListener): void {
    this.#listeners.push(listener)
  }

  /** Removes what a hub that is gone has left. */
  async forget(hubUid: string): Promise<void> {
    const opened = this.#opened.get(hubUid)
    this.#opened.delete(hubUid)
    await (await opened)?.configurations.close()
    await Registry.forget(this.#options.records, hubUid)
  }

  /** Resolves when nothing is being applied. */
  async settle(): Promise<void> {
    for (const opened of this.#opened.values()) await (await opened).configurations.settle()
  }

  /** Before the store is closed: what is being applied goes on at the next start. */
  async close(): Promise<void> {
    for (const opened of this.#opened.values()) await (await opened).configurations.close()
  }

  /** A crash between the delete of a hub and that of its devices leaves them behind. */
  async removeLeft(hubs: { get(uid: string): IotHub | undefined }): Promise<void> {
    const { records } = this.#options
    let after: string | undefined
    for (;;) {
      const [record] = await records.page('hub/', after, 1)
      if (!record) return
      const uid = record.key.split('/')[1] as string
      if (!hubs.get(uid)) await this.forget(uid)
      // Behind every key of that hub: the digit 0 comes after the slash.
      after = `hub/${uid}0`
    }
  }

  async #changed(hub: IotHub, changes: readonly IdentityChange[]): Promise<void> {
    const told = this.#listeners.map((listener) => listener(hub, changes))
    await Promise.all([...told, this.#raise(hub, changes)])
  }

  async #raise(hub: IotHub, changes: readonly IdentityChange[]): Promise<void> {
    const { raise, isHeard, clock, log } = this.#options
    if (!isHeard(hub.id, hubTopicType)) return
    const events: GridEvent[] = []
    for (const { before, after } of changes) {
      const identity = (after ?? before) as StoredIdentity
      // Of modules, and of what stays, nothing is told.
      if (identity.moduleId !== undefined || (before && after)) continue
      events.push(
        buildEvent(devices, `Microsoft.Devices.Device${after ? 'Created' : 'Deleted'}`, {
          sourceId: hub.id,
          subject: `devices/${identity.deviceId}`,
          data: {
            twin: encodeEventTwin(identity, after ? absent : this.presenceOf(hub, identity)),
            hubName: hub.name,
            deviceId: identity.deviceId,
          },
          id: newGuid(),
          eventTime: encodeMoment(clock.now()),
        }),
      )
    }
    if (events.length === 0) return
    try {
      await raise(hub.id, hubTopicType, events)
    } catch (error) {
      // The device is registered, or gone, all the same.
      log.error({ error, hub: hub.id, count: events.length }, 'Events of devices could not be stored.')
    }
  }
}
