import type { Log } from '../base/log.ts'
import type { LockedMessage } from '../devicebound/devicebound.ts'
import type { DeviceboundQueues } from '../devicebound/queues.ts'
import { HubError } from '../registry/errors.ts'
import { deviceboundFilter, deviceboundTopic } from './topics.ts'

/*
 * Messages of the service side, to devices that listen over MQTT: sent as soon as the device takes them, and completed
 * when it has acknowledged them, or when they are sent where it listens at QoS 0. One that is not acknowledged comes
 * again when its lock ends, or when the device comes back to its session.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub, "Receive cloud-to-device messages"
 */

/** The sessions of the hub's devices; a session is called as its device. */
export interface MqttOffers {
  /** Whether the device is connected, has subscribed so, and takes more now. */
  takes(deviceId: string, filter: string): boolean
  /** Undefined: it was not sent. `acknowledged` is called when the device has it. */
  offer(deviceId: string, topicName: string, payload: Buffer, acknowledged: () => void): Offered | undefined
}

export interface Offered {
  /** Its session is gone, and with it what has not been acknowledged. */
  readonly isLost: boolean
  /** It is not sent again when the device comes back to its session. */
  withdraw(): void
}

interface InFlight {
  readonly lockToken: string
  readonly offered: Offered
}

/** [MQTT-1.5.3] */
const topicBytesMost = 65_535

export class MqttDevicebound {
  readonly #devicebound: DeviceboundQueues
  readonly #offers: MqttOffers
  readonly #log: Log
  /** Sent, and neither acknowledged nor given up, by device. */
  readonly #inFlight = new Map<string, Set<InFlight>>()
  /** Devices that are being sent to; true: once more. */
  readonly #sending = new Map<string, boolean>()
  readonly #pending = new Set<Promise<unknown>>()

  constructor(devicebound: DeviceboundQueues, offers: MqttOffers, log: Log) {
    this.#devicebound = devicebound
    this.#offers = offers
    this.#log = log
    devicebound.onReady((deviceId) => this.send(deviceId))
  }

  /** Something may wait for the device, or it may take more, or its session may be gone. */
  send(deviceId: string): void {
    const inFlight = this.#inFlight.get(deviceId)
    if (inFlight) this.#giveUp(deviceId, inFlight)
    if (this.#sending.has(deviceId)) this.#sending.set(deviceId, true)
    else if (this.#takes(deviceId) && this.#devicebound.pendingOf(deviceId) > 0)
      this.#follow(this.#send(deviceId))
  }

  /** Resolves when all that is under way has ended. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
  }

  #takes(deviceId: string): boolean {
    return this.#offers.takes(deviceId, deviceboundFilter({ deviceId }))
  }

  async #send(deviceId: string): Promise<void> {
    try {
      for (;;) {
        this.#sending.set(deviceId, false)
        for (;;) {
          if (!this.#takes(deviceId)) break
          const message = await this.#devicebound.receive(deviceId)
          if (!message) break
          this.#offer(deviceId, message)
        }
        if (this.#sending.get(deviceId) === false) return
      }
    } finally {
      this.#sending.delete(deviceId)
    }
  }

  #offer(deviceId: string, message: LockedMessage): void {
    const { lockToken, payload } = message
    const topicName = topicOf(deviceId, message)
    // Percent-encoded, properties may take more than MQTT has room for.
    if (Buffer.byteLength(topicName) > topicBytesMost) {
      this.#follow(this.#devicebound.reject(deviceId, lockToken))
      return
    }
    let isAcknowledged = false
    let sent: InFlight | undefined
    const acknowledged = () => {
      isAcknowledged = true
      if (sent) this.#landed(deviceId, sent)
      this.#follow(this.#devicebound.complete(deviceId, lockToken))
      this.send(deviceId)
    }
    const offered = this.#offers.offer(deviceId, topicName, payload, acknowledged)
    if (!offered) {
      this.#follow(this.#devicebound.abandon(deviceId, lockToken))
      return
    }
    if (isAcknowledged) return
    sent = { lockToken, offered }
    const inFlight = this.#inFlight.get(deviceId) ?? new Set()
    this.#inFlight.set(deviceId, inFlight.add(sent))
  }

  #landed(deviceId: string, sent: InFlight): void {
    const inFlight = this.#inFlight.get(deviceId)
    inFlight?.delete(sent)
    if (inFlight?.size === 0) this.#inFlight.delete(deviceId)
  }

  /** What is not the device's any more must not be sent to it again under its old name. */
  #giveUp(deviceId: string, inFlight: ReadonlySet<InFlight>): void {
    for (const sent of [...inFlight]) {
      const { lockToken, offered } = sent
      const isHeld = this.#devicebound.holds(deviceId, lockToken)
      if (isHeld && !offered.isLost) continue
      this.#landed(deviceId, sent)
      offered.withdraw()
      if (isHeld) this.#follow(this.#devicebound.abandon(deviceId, lockToken))
    }
  }

  /** That a lock has ended is nothing to tell of: the message comes again. */
  #follow(work: Promise<unknown>): void {
    const followed: Promise<unknown> = work
      .catch((error: unknown) => {
        if (error instanceof HubError && error.code === 'DeviceMessageLockLost') return
        this.#log.error({ err: error }, 'A message to a device could not be sent, or settled.')
      })
      .finally(() => this.#pending.delete(followed))
    this.#pending.add(followed)
  }
}

const topicOf = (deviceId: string, { system, properties, ack, expiresAt }: LockedMessage): string =>
  deviceboundTopic(deviceId, {
    system: {
      ...system,
      to: system.to ?? `/devices/${encodeURIComponent(deviceId)}/messages/devicebound`,
      expiry: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
    },
    properties: { ...properties, ...(ack !== 'none' && { 'iothub-ack': ack }) },
  })
