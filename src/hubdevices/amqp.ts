import { type AmqpCondition, AmqpRefusal } from '../amqp/errors.ts'
import type { AmqpLink, IncomingDelivery, IncomingLink, OutgoingLink } from '../amqp/links.ts'
import { type IncomingMessage, type MessageId, type OutgoingMessage, textOfId } from '../amqp/message.ts'
import { decodeAmqpProperties } from '../hubmessage/amqp.ts'
import { bytesOfMessage } from '../hubmessage/message.ts'
import type { DeviceLinkKind } from './amqp-address.ts'
import { type CloudMessages, pumpCloudMessages } from './amqp-devicebound.ts'
import {
  type Device,
  type DeviceLink,
  type HubDevices,
  messageBytesMost,
  type SentMessage,
  type TwinAnswer,
} from './hub-devices.ts'
import { methodPayloadBytes } from './methods.ts'

/*
 * What a device and its hub say to each other over AMQP: links and messages become what `HubDevices` knows, and the other
 * way about. One of these for each device or module of a connection.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support, "Device client"
 */

/** What sections and annotations may add to a message. */
const overheadBytes = 64 * 1024
/** Messages of a device that may be under way; how many bytes, its connection says. */
const telemetryCredit = 200
const requestCredit = 50
const twinBytes = 128 * 1024
/** Answers and changes that wait for a device to take them. */
const waitingMost = 100

export interface AmqpDeviceOptions {
  readonly devices: HubDevices
  readonly device: Device
  /** Messages from the cloud; undefined: it is a module, which gets none. */
  readonly cloudMessages: CloudMessages | undefined
  /** Its links are over, and it is not connected any more. */
  readonly ended: (error: AmqpCondition) => void
}

export class AmqpDevice implements DeviceLink {
  readonly device: Device
  readonly #options: AmqpDeviceOptions
  readonly #links = new Set<AmqpLink>()
  #methods: OutgoingLink | undefined
  #twin: OutgoingLink | undefined
  #waiting: OutgoingMessage[] = []
  #wantsDesired = false
  #isEnded = false

  constructor(options: AmqpDeviceOptions) {
    this.#options = options
    this.device = options.device
    options.devices.connected(this.device, this)
  }

  // ---------------------------------------------------------------- what the hub says

  get takesMethods(): boolean {
    return this.#methods?.canSend === true
  }

  callMethod(method: string, requestId: string, payload: Buffer): boolean {
    const link = this.#methods
    if (!link?.canSend) return false
    link.send({
      correlationId: requestId,
      applicationProperties: { 'IoThub-methodname': method },
      body: payload,
    })
    return true
  }

  tellDesired(version: number, patch: Buffer): void {
    if (!this.#wantsDesired) return
    this.#tell({
      annotations: { resource: '/properties/desired', version: BigInt(version) },
      body: patch,
    })
  }

  end(text: string): void {
    this.endWith({ condition: 'amqp:link:detach-forced', description: text })
  }

  endWith(error: AmqpCondition): void {
    if (this.#isEnded) return
    this.disconnected()
    for (const link of this.#links) link.close(error)
    this.#options.ended(error)
  }

  /** The connection is over. */
  disconnected(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#waiting = []
    this.#options.devices.disconnected(this.device)
  }

  // ---------------------------------------------------------------- links

  attach(link: AmqpLink, kind: DeviceLinkKind): void {
    if (this.#isEnded)
      throw new AmqpRefusal('amqp:unauthorized-access', 'The device is not connected any more.')
    if (link.kind === 'incoming') this.#incoming(link, kind)
    else this.#outgoing(link, kind)
    this.#links.add(link)
    const { onClosed } = link
    link.onClosed = () => {
      this.#links.delete(link)
      onClosed()
    }
  }

  #incoming(link: IncomingLink, kind: DeviceLinkKind): void {
    switch (kind) {
      case 'events':
        link.open({
          ...{ credit: telemetryCredit, messageBytes: messageBytesMost + overheadBytes },
          received: (messages, delivery) => this.#telemetry(link, messages, delivery),
        })
        return
      case 'methods':
        link.open({
          ...{ credit: requestCredit, messageBytes: methodPayloadBytes + overheadBytes },
          received: ([message], delivery) => this.#methodAnswered(message, delivery),
        })
        return
      case 'twin':
        link.open({
          ...{ credit: requestCredit, messageBytes: twinBytes + overheadBytes },
          received: ([message], delivery) => this.#twinRequested(message, delivery),
        })
        return
      default:
        throw new AmqpRefusal('amqp:not-allowed', `A device receives from '${link.address}'.`)
    }
  }

  #outgoing(link: OutgoingLink, kind: DeviceLinkKind): void {
    const { device, devices, cloudMessages } = { ...this.#options }
    switch (kind) {
      case 'methods':
        link.open(() => devices.listening(device))
        this.#methods = link
        link.onClosed = () => {
          if (this.#methods === link) this.#methods = undefined
        }
        return
      case 'twin':
        link.open(() => this.#tellWaiting())
        this.#twin = link
        link.onClosed = () => {
          if (this.#twin !== link) return
          this.#twin = undefined
          this.#wantsDesired = false
        }
        return
      case 'devicebound':
        if (!cloudMessages)
          throw new AmqpRefusal(
            'amqp:not-allowed',
            'Messages from the cloud are sent to devices, and not to modules.',
          )
        pumpCloudMessages(link, device.name.deviceId, cloudMessages)
        return
      default:
        if (device.name.moduleId === undefined)
          throw new AmqpRefusal('amqp:not-allowed', `A device sends to '${link.address}'.`)
        // The inputs of a module: what is routed from module to module is the business of an edge device, and not of the hub.
        link.open()
    }
  }

  // ---------------------------------------------------------------- telemetry

  #telemetry(link: IncomingLink, messages: readonly IncomingMessage[], delivery: IncomingDelivery): void {
    const { devices } = this.#options
    const sent: SentMessage[] = []
    let bytes = 0
    for (const message of messages) {
      const { body } = message
      if (!body && message.value !== undefined && message.value !== null) {
        delivery.reject({
          condition: 'amqp:not-implemented',
          description: 'The body of a message is data: a value, or a sequence, came.',
        })
        return
      }
      const each = { payload: body ?? Buffer.alloc(0), ...decodeAmqpProperties(message) }
      bytes += bytesOfMessage(each.payload, each)
      sent.push(each)
    }
    if (bytes > messageBytesMost) {
      link.close({
        condition: 'amqp:link:message-size-exceeded',
        description: `A message has at most ${messageBytesMost} bytes: one of ${bytes} came.`,
      })
      return
    }
    let durable: Promise<void> | undefined
    for (const each of sent) durable = devices.telemetry(this.device, each, true) ?? durable
    if (!durable) delivery.accept()
    else
      durable.then(
        () => delivery.accept(),
        () =>
          delivery.reject({ condition: 'amqp:internal-error', description: 'The message was not taken.' }),
      )
  }

  // ---------------------------------------------------------------- direct methods

  #methodAnswered(message: IncomingMessage | undefined, delivery: IncomingDelivery): void {
    const requestId = textOfId(message?.correlationId)
    const status = message?.applicationProperties.get('IoThub-status')
    if (!message || requestId === undefined || typeof status !== 'number') {
      delivery.reject({
        condition: 'amqp:invalid-field',
        description: 'An answer has a correlation-id, and a number as IoThub-status.',
      })
      return
    }
    this.#options.devices.methodAnswered(this.device, requestId, status, message.body ?? Buffer.alloc(0))
    delivery.accept()
  }

  // ---------------------------------------------------------------- twin

  #twinRequested(message: IncomingMessage | undefined, delivery: IncomingDelivery): void {
    const { devices } = this.#options
    const said = (name: string) => {
      const value = message?.annotations.get(name)
      return typeof value === 'string' ? value : ''
    }
    const [operation, resource] = [said('operation'), said('resource')]
    const correlationId = message?.correlationId
    const answer = (answered: TwinAnswer) => this.#answer(correlationId, answered)
    // It is answered by a message.
    delivery.accept()
    switch (`${operation} ${resource}`) {
      case 'GET ':
        devices.twin(this.device, { kind: 'get' }, answer)
        return
      case 'PATCH /properties/reported':
        devices.twin(this.device, { kind: 'report', patch: message?.body ?? Buffer.alloc(0) }, answer)
        return
      case `PUT ${desiredNotifications}`:
      case `DELETE ${desiredNotifications}`:
        devices.noteActivity(this.device)
        this.#wantsDesired = operation === 'PUT'
        answer({ status: 200, body: Buffer.alloc(0) })
        return
      default: {
        const text = `There is no operation '${operation}' on '${resource}' of a twin.`
        answer({ status: 400, body: Buffer.from(JSON.stringify({ errorCode: 400004, message: text })) })
      }
    }
  }

  /** What MQTT calls 204 is 200 here. */
  #answer(correlationId: MessageId | undefined, { status, version, body }: TwinAnswer): void {
    this.#tell({
      ...(correlationId !== undefined && { correlationId }),
      annotations: {
        status: status === 204 ? 200 : status,
        ...(version !== undefined && { version: BigInt(version) }),
      },
      body,
    })
  }

  /** In the order in which it is said. A device that takes none of it loses its link. */
  #tell(message: OutgoingMessage): void {
    const link = this.#twin
    if (!link) return
    if (this.#waiting.length >= waitingMost) {
      this.#waiting = []
      link.close({
        condition: 'amqp:resource-limit-exceeded',
        description: `At most ${waitingMost} messages wait for the device to take them.`,
      })
      return
    }
    this.#waiting.push(message)
    this.#tellWaiting()
  }

  #tellWaiting(): void {
    while (this.#waiting.length > 0 && this.#twin?.canSend) {
      const message = this.#waiting.shift()
      if (message) this.#twin.send(message)
    }
  }
}

const desiredNotifications = '/notifications/twin/properties/desired'
