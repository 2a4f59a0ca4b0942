import type { Clock, Timer } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { GridEvent } from '../event/event.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { encodeNotice } from '../hubmessage/notice.ts'
import { hubTopicType } from '../registry/registries.ts'
import type { IdentityName } from '../registry/registry.ts'
import { buildEvent } from '../sources/build-event.ts'
import { devices } from '../sources/devices.ts'
import { clientIdOf } from './user-name.ts'

/** `immediate`: each connection and each end of one; `snapshot`: once in a minute the state of whoever has changed. */
export type ConnectionStateEvents = 'immediate' | 'snapshot'

export interface ConnectionEventsOptions {
  /** As it is now. */
  readonly hub: () => IotHub
  readonly nextSequenceNumber: () => string
  readonly raise: (sourceId: string, topicType: string, events: readonly GridEvent[]) => Promise<void>
  readonly isHeard: (sourceId: string, topicType: string) => boolean
  /** Whether routes of the hub take them too; costs next to nothing. */
  readonly areConnectionsRouted: () => boolean
  readonly route: (messages: readonly HubMessage[]) => Promise<void>
  readonly when: ConnectionStateEvents
  readonly clock: Clock
  /** Takes what nobody waits for. */
  readonly follow: (work: Promise<unknown>) => void
}

interface NumberedChange extends Change {
  readonly sequenceNumber: string
}

interface Change {
  readonly name: IdentityName
  readonly isConnected: boolean
  /** Called when the event is durable. */
  readonly told: (() => void)[]
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-event-grid, "Limitations for device connection state events" */
const snapshotMs = 60_000
/** Raised at a time. */
const batchEvents = 1_000

/**
 * DeviceConnected and DeviceDisconnected. The events of a device carry numbers that grow in the order in which it came
 * and went.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-iot-hub
 */
export class ConnectionEvents {
  readonly #options: ConnectionEventsOptions
  /** Of the identities that have come or gone since the last snapshot, by key. */
  readonly #changed = new Map<string, Change>()
  #timer: Timer | undefined

  constructor(options: ConnectionEventsOptions) {
    this.#options = options
  }

  /** @param told called when it is durable for whoever listens, or nobody does; never when it could not be stored */
  tell(name: IdentityName, isConnected: boolean, told?: () => void): void {
    const { when, clock } = this.#options
    if (when === 'immediate') {
      this.#raise([{ name, isConnected, told: told ? [told] : [] }])
      return
    }
    const key = clientIdOf(name)
    const before = this.#changed.get(key)?.told ?? []
    this.#changed.set(key, { name, isConnected, told: told ? [...before, told] : before })
    this.#timer ??= clock.at(clock.after(snapshotMs), () => this.flush())
  }

  /** What is told next of the identity comes behind this. */
  hurry(key: string): void {
    const change = this.#changed.get(key)
    if (!change) return
    this.#changed.delete(key)
    this.#raise([change])
  }

  /** Tells of all that have changed. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const changes = [...this.#changed.values()]
    this.#changed.clear()
    for (let at = 0; at < changes.length; at += batchEvents) this.#raise(changes.slice(at, at + batchEvents))
  }

  /** Nothing more is told. */
  close(): void {
    this.#timer?.cancel()
    this.#changed.clear()
  }

  /** Now, and not at the end of the turn: what follows of the device is told behind it. */
  #raise(changes: readonly Change[]): void {
    const { hub, raise, isHeard, areConnectionsRouted, route, nextSequenceNumber, follow } = this.#options
    const { id } = hub()
    const numbered = changes.map((change) => ({ ...change, sequenceNumber: nextSequenceNumber() }))
    const telling: Promise<void>[] = []
    if (isHeard(id, hubTopicType))
      telling.push(
        raise(
          id,
          hubTopicType,
          numbered.map((change) => this.#encode(change)),
        ),
      )
    if (areConnectionsRouted()) telling.push(route(numbered.map((change) => this.#encodeNotice(change))))
    const tellAll = () => {
      for (const { told } of changes) for (const each of told) each()
    }
    if (telling.length > 0) follow(Promise.all(telling).then(tellAll))
    else tellAll()
  }

  #encode({ name: { deviceId, moduleId }, isConnected, sequenceNumber }: NumberedChange): GridEvent {
    const { hub, clock } = this.#options
    const { id, name } = hub()
    return buildEvent(devices, `Microsoft.Devices.Device${isConnected ? 'Connected' : 'Disconnected'}`, {
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
  }
  #encodeNotice({ name: { deviceId, moduleId }, isConnected, sequenceNumber }: NumberedChange): HubMessage {
    const { hub, clock } = this.#options
    return encodeNotice({
      ...{ hubName: hub().name, deviceId, moduleId, at: clock.now(), body: { sequenceNumber } },
      source: 'deviceConnectionStateEvents',
      opType: isConnected ? 'deviceConnected' : 'deviceDisconnected',
    })
  }
}
