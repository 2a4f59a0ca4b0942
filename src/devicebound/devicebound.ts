import type { EpochMs } from '../base/clock.ts'
import { bytesOfMessage, type MessageProperties } from '../hubmessage/message.ts'

/*
 * Messages from the service side to the devices of one hub, and what the service side is told of them. In come messages,
 * which wait for their device, each under a lock while the device has it; out go what became of them, where the sender
 * has asked, and notices of files that devices have uploaded. It promises that a message is durable when its sender is
 * answered, that what became of one is durable when the device is answered, that messages of a device keep their order,
 * and that memory grows with what waits, and by its bodies not at all: they stay in the records. See `queues.ts`.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d
 */

/** Messages from the service side to the devices of one hub. */
export interface Devicebound {
  /**
   * Resolves when durable; rejects with the hub's DeviceNotFound, DeviceMaximumQueueDepthExceeded, IotHubQuotaExceeded,
   * MessageTooLarge, InvalidMessageExpiryTime or ArgumentInvalid.
   */
  send(deviceId: string, message: CloudMessage): Promise<void>
  /** Locks the oldest message that waits; undefined where none does. */
  receive(deviceId: string): Promise<LockedMessage | undefined>
  /** Each resolves when durable; rejects with the hub's DeviceMessageLockLost where the lock has ended. */
  complete(deviceId: string, lockToken: string): Promise<void>
  reject(deviceId: string, lockToken: string): Promise<void>
  abandon(deviceId: string, lockToken: string): Promise<void>
  /** How many were removed. */
  purge(deviceId: string): Promise<number>
  pendingOf(deviceId: string): number
  /** Called when a message of that device may have become available. */
  onReady(listener: (deviceId: string) => void): void
  readonly feedback: ServiceQueue
  readonly fileNotifications: ServiceQueue
  settle(): Promise<void>
  close(): Promise<void>
}

export const acks = ['none', 'positive', 'negative', 'full'] as const
/** Of what becomes of a message its sender wants to know. */
export type Ack = (typeof acks)[number]

export interface CloudMessage extends MessageProperties {
  readonly payload: Buffer
  readonly ack: Ack
  /** Undefined: as the hub says. */
  readonly expiresAt: EpochMs | undefined
}

export interface LockedMessage extends CloudMessage {
  readonly lockToken: string
  readonly sequenceNumber: number
  readonly enqueuedAt: EpochMs
  /** How often it was delivered before, in vain. */
  readonly deliveryCount: number
}

/** What the hub tells the service side: feedback in batches, file notifications one by one. */
export interface ServiceQueue {
  receive(): Promise<LockedNotice | undefined>
  complete(lockToken: string): Promise<void>
  abandon(lockToken: string): Promise<void>
  onReady(listener: () => void): void
}

export interface LockedNotice {
  readonly lockToken: string
  /** JSON as the wire has it. */
  readonly body: Buffer
  readonly contentType: string
  readonly enqueuedAt: EpochMs
  readonly deliveryCount: number
  readonly messageId: string
}

/** The hub's refusal of that name. */
export type Refuse = (
  name:
    | 'DeviceNotFound'
    | 'DeviceMaximumQueueDepthExceeded'
    | 'DeviceMessageLockLost'
    | 'IotHubQuotaExceeded'
    | 'MessageTooLarge'
    | 'InvalidMessageExpiryTime'
    | 'ArgumentInvalid',
  text: string,
) => Error

/** With its properties. Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
export const cloudMessageBytesMost = 64 * 1024
export const pendingPerDeviceMost = 50
/** Over all devices of a hub: each takes some hundred bytes of memory. */
export const pendingPerHubMost = 1_000_000
export const messageLockMs = 60_000
export const messageTtlMsMost = 48 * 3_600_000
const messageIdMost = 128

/** Throws where no hub would take it, whatever waits there. */
export function checkMessage({ payload, ack, ...said }: CloudMessage, refuse: Refuse): void {
  if (!acks.includes(ack))
    throw refuse('ArgumentInvalid', `iothub-ack must be one of ${acks.join(', ')}; got '${ack as string}'.`)
  const { messageId = '' } = said.system
  if (messageId.length > messageIdMost)
    throw refuse('ArgumentInvalid', `A message id has at most ${messageIdMost} characters.`)
  const bytes = bytesOfMessage(payload, said)
  if (bytes > cloudMessageBytesMost)
    throw refuse(
      'MessageTooLarge',
      `A message to a device has at most ${cloudMessageBytesMost} bytes: ${bytes} came.`,
    )
}
