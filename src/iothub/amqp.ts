import { AmqpRefusal } from '../amqp/errors.ts'
import type { AmqpNode } from '../amqp/guest.ts'
import type { IncomingDelivery, OutgoingLink } from '../amqp/links.ts'
import type { IncomingMessage } from '../amqp/message.ts'
import { pumpLocked } from '../amqp/pump-locked.ts'
import { acks, type CloudMessage, type LockedNotice } from '../devicebound/devicebound.ts'
import { decodeAmqpProperties } from '../hubmessage/amqp.ts'
import { HubError } from '../registry/errors.ts'
import { hubActions } from './data-action.ts'

/*
 * What service clients do over AMQP: send messages to devices, and receive what became of them, and of files that devices
 * have uploaded.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support, "Service client"
 */

export interface NoticeQueue {
  /** Locks the next one; undefined: none is there. */
  receive(): Promise<LockedNotice | undefined>
  complete(lockToken: string): Promise<void>
  abandon(lockToken: string): Promise<void>
  /** Calls `listener` whenever one may be there, until what is returned is called. */
  follow(listener: () => void): () => void
}

export interface ServiceNodeOptions {
  /** Resolves when the message is durable; rejects with a `HubError`. */
  readonly send: (deviceId: string, message: CloudMessage) => Promise<void>
  readonly feedback: NoticeQueue
  readonly fileNotifications: NoticeQueue
  /** What could not be read or settled. */
  readonly failed: (error: unknown) => void
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d; larger ones are refused by the queue. */
const messageBytes = 256 * 1024
const credit = 100

export function createServiceNode(options: ServiceNodeOptions): AmqpNode {
  return {
    attach(link, caller) {
      const address = link.address.toLowerCase().replace(/^\/?/, '/').replace(/\/$/, '')
      if (address === '/messages/devicebound') {
        caller.require(link, 'ServiceConnect', address, [hubActions.send])
        if (link.kind !== 'incoming')
          throw new AmqpRefusal('amqp:not-allowed', `'${link.address}' is sent to.`)
        link.open({
          ...{ credit, messageBytes },
          received: ([message], delivery) => {
            void sendToDevice(options, message, delivery)
          },
        })
        return true
      }
      const queue = queueOf(address, options)
      if (!queue) return false
      const action = queue === options.feedback ? hubActions.feedback : hubActions.fileNotifications
      caller.require(link, 'ServiceConnect', address, [action])
      if (link.kind !== 'outgoing')
        throw new AmqpRefusal('amqp:not-allowed', `'${link.address}' is received from.`)
      pumpNotices(link, queue, options.failed)
      return true
    },
  }
}

function queueOf(
  address: string,
  { feedback, fileNotifications }: ServiceNodeOptions,
): NoticeQueue | undefined {
  switch (address) {
    case '/messages/servicebound/feedback':
      return feedback
    case '/messages/servicebound/filenotifications':
    case '/messages/servicebound/fileuploadnotifications':
      return fileNotifications
    default:
      return undefined
  }
}

async function sendToDevice(
  { send, failed }: ServiceNodeOptions,
  message: IncomingMessage | undefined,
  delivery: IncomingDelivery,
): Promise<void> {
  try {
    if (!message) throw new HubError('ArgumentInvalid', 'A message came that is none.')
    const deviceId = deviceOf(message.to)
    const said = message.applicationProperties.get('iothub-ack') ?? 'none'
    const ack = acks.find((each) => each === said)
    if (!ack) throw new HubError('ArgumentInvalid', `iothub-ack must be one of ${acks.join(', ')}.`)
    if (!message.body && message.value !== undefined && message.value !== null)
      throw new HubError('ArgumentInvalid', 'The body of a message is data: a value, or a sequence, came.')
    await send(deviceId, {
      ...decodeAmqpProperties(message),
      ...{ payload: message.body ?? Buffer.alloc(0), ack, expiresAt: message.expiresAt },
    })
    delivery.accept()
  } catch (error) {
    if (!(error instanceof HubError)) failed(error)
    delivery.reject(refusalOf(error))
  }
}

function deviceOf(to: string | undefined): string {
  const match = /^\/?devices\/([^/]+)\/messages\/devicebound\/?$/i.exec(to ?? '')
  try {
    if (match) return decodeURIComponent(match[1] as string)
  } catch {
    // Said below.
  }
  throw new HubError(
    'ArgumentInvalid',
    `'to' must be /devices/{deviceId}/messages/devicebound; got '${to ?? ''}'.`,
  )
}

/** Source: learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes */
const conditions: Readonly<Partial<Record<string, string>>> = {
  DeviceNotFound: 'amqp:not-found',
  ModuleNotFound: 'amqp:not-found',
  DeviceMaximumQueueDepthExceeded: 'amqp:resource-limit-exceeded',
  MessageTooLarge: 'amqp:link:message-size-exceeded',
  IotHubQuotaExceeded: 'com.microsoft:quota-exceeded',
  IotHubUnauthorizedAccess: 'amqp:unauthorized-access',
  DeviceMessageLockLost: 'com.microsoft:message-lock-lost',
  PreconditionFailed: 'com.microsoft:precondition-failed',
  ThrottlingException: 'com.microsoft:device-container-throttled',
  ArgumentInvalid: 'com.microsoft:argument-error',
  ArgumentNull: 'com.microsoft:argument-error',
  InvalidMessageExpiryTime: 'com.microsoft:argument-error',
  ServiceUnavailable: 'com.microsoft:timeout',
}

/** A refusal of the hub in the words of AMQP. */
export function refusalOf(error: unknown): AmqpRefusal {
  if (error instanceof AmqpRefusal) return error
  if (!(error instanceof HubError)) return new AmqpRefusal('amqp:internal-error', 'It could not be done.')
  return new AmqpRefusal(conditions[error.code] ?? 'amqp:not-allowed', error.message)
}

function pumpNotices(link: OutgoingLink, queue: NoticeQueue, failed: (error: unknown) => void): void {
  pumpLocked(link, {
    receive: () => queue.receive(),
    encode,
    settle({ lockToken }, outcome) {
      const act = outcome === 'accepted' || outcome === 'rejected' ? 'complete' : 'abandon'
      queue[act](lockToken).catch(failed)
    },
    follow: (listener) => queue.follow(listener),
    failed(error) {
      failed(error)
      return refusalOf(error)
    },
  })
}

const encode = ({ body, contentType, enqueuedAt, deliveryCount, messageId, lockToken }: LockedNotice) => ({
  ...{ messageId, contentType, body },
  deliveryCount,
  annotations: {
    'iothub-enqueuedtime': new Date(enqueuedAt),
    'x-opt-enqueued-time': new Date(enqueuedAt),
    'x-opt-lock-token': lockToken,
  },
})
