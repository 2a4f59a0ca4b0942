import { AmqpRefusal } from '../amqp/errors.ts'
import type { OutgoingLink } from '../amqp/links.ts'
import { pumpLocked } from '../amqp/pump-locked.ts'
import type { LockedMessage } from '../devicebound/devicebound.ts'
import { encodeAmqpProperties } from '../hubmessage/amqp.ts'

/*
 * Messages from the cloud, as a device receives them over AMQP: what it accepts is complete, what it rejects is rejected,
 * and whatever else becomes of one lets it be sent again.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d
 */

/** What of the queue of a device is needed here. */
export interface CloudMessages {
  /** Locks the next one; undefined: none is there. */
  receive(deviceId: string): Promise<LockedMessage | undefined>
  complete(deviceId: string, lockToken: string): Promise<void>
  reject(deviceId: string, lockToken: string): Promise<void>
  abandon(deviceId: string, lockToken: string): Promise<void>
  /** Calls `listener` whenever a message may be there for that device, until what is returned is called. */
  follow(deviceId: string, listener: () => void): () => void
  /** What could not be settled: the lock is lost, and the message is sent again. */
  lost(deviceId: string, error: unknown): void
}

export function pumpCloudMessages(link: OutgoingLink, deviceId: string, messages: CloudMessages): void {
  pumpLocked(link, {
    receive: () => messages.receive(deviceId),
    encode: (message) => encode(deviceId, message),
    settle({ lockToken }, outcome) {
      const act = outcome === 'accepted' ? 'complete' : outcome === 'rejected' ? 'reject' : 'abandon'
      messages[act](deviceId, lockToken).catch((error: unknown) => messages.lost(deviceId, error))
    },
    follow: (listener) => messages.follow(deviceId, listener),
    failed(error) {
      messages.lost(deviceId, error)
      return new AmqpRefusal('amqp:internal-error', 'The messages of the device could not be read.')
    },
  })
}

function encode(deviceId: string, message: LockedMessage) {
  const { payload, ack, expiresAt, lockToken, sequenceNumber, enqueuedAt, deliveryCount } = message
  const properties = encodeAmqpProperties(message)
  return {
    ...properties,
    to: message.system.to ?? `/devices/${encodeURIComponent(deviceId)}/messages/devicebound`,
    ...(expiresAt !== undefined && { expiresAt }),
    deliveryCount,
    annotations: {
      'x-opt-sequence-number': BigInt(sequenceNumber),
      'x-opt-enqueued-time': new Date(enqueuedAt),
      'x-opt-lock-token': lockToken,
    },
    applicationProperties: {
      ...properties.applicationProperties,
      ...(ack !== 'none' && { 'iothub-ack': ack }),
    },
    body: payload,
  }
}
