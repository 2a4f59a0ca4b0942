import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import type { PartitionFacts, ReadEntry } from '../store/store.ts'
import { type AmqpList, type AmqpMap, AmqpReader, type AmqpValue, AmqpWriter } from './amqp-writer.ts'

/*
 * A message as it lies in the stream of a hub: the sections that go over AMQP, encoded once, when it comes. Most readers
 * are of Event Hubs' protocol, and are sent those bytes as they are; only what the stream itself gives a message, its
 * number, place and time, is written before them. Who reads JSON decodes them, one by one, as they are asked for.
 *
 *   | annotations u16 | bytes of them u32 | annotation ... | section ... |        big-endian, as AMQP is
 *
 * An annotation is a key and its value; the sections are properties, application-properties and data.
 *
 * Source: OASIS AMQP 1.0, part 3, "Message Format"; learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct
 */

const sections = {
  deliveryAnnotations: 0x71,
  annotations: 0x72,
  properties: 0x73,
  applicationProperties: 0x74,
  data: 0x75,
} as const
const headBytes = 6

const propertyNames = [
  'message-id',
  'user-id',
  'to',
  'subject',
  'reply-to',
  'correlation-id',
  'content-type',
  'content-encoding',
  'absolute-expiry-time',
] as const

export function encodeStored(writer: AmqpWriter, message: HubMessage): Buffer {
  const head = writer.gap(headBytes)
  const annotations = writeAnnotations(writer, message)
  writer.patch16(head, annotations)
  writer.patch32(head + 2, writer.bytes - head - headBytes)
  writeProperties(writer, message)
  const properties = Object.entries(message.properties)
  if (properties.length > 0) {
    writer.section(sections.applicationProperties)
    const map = writer.beginMap()
    for (const [name, value] of properties) {
      writer.string(name)
      if (value === null) writer.null()
      else writer.string(value)
    }
    writer.end(map, 2 * properties.length)
  }
  writer.section(sections.data)
  writer.binary(message.payload)
  return writer.take()
}

/** How many keys and values there are. */
function writeAnnotations(writer: AmqpWriter, message: HubMessage): number {
  const { deviceId, moduleId, authMethod, generationId, source, system } = message
  let count = 2
  const write = (key: Buffer, value: string | undefined) => {
    if (value === undefined) return
    writer.encoded(key)
    writer.string(value)
    count += 2
  }
  writer.encoded(keys.enqueuedAt)
  writer.timestamp(message.enqueuedAt)
  write(keys.deviceId, deviceId)
  write(keys.moduleId, moduleId)
  write(keys.authMethod, authMethod)
  write(keys.generationId, generationId)
  write(keys.source, source)
  write(keys.interfaceId, system.interfaceId)
  write(keys.outputName, system.outputName)
  write(keys.component, system.component)
  write(keys.partitionKey, deviceId)
  return count
}

/** Each message has them: they are encoded once. */
const keys = {
  enqueuedAt: encodedSymbol('iothub-enqueuedtime'),
  deviceId: encodedSymbol('iothub-connection-device-id'),
  moduleId: encodedSymbol('iothub-connection-module-id'),
  authMethod: encodedSymbol('iothub-connection-auth-method'),
  generationId: encodedSymbol('iothub-connection-auth-generation-id'),
  source: encodedSymbol('iothub-message-source'),
  interfaceId: encodedSymbol('iothub-interface-id'),
  outputName: encodedSymbol('iothub-outputname'),
  component: encodedSymbol('dt-subject'),
  partitionKey: encodedSymbol('x-opt-partition-key'),
}

function encodedSymbol(name: string): Buffer {
  const writer = new AmqpWriter()
  writer.symbol(name)
  return writer.take()
}

function writeProperties(writer: AmqpWriter, { deviceId, moduleId, system }: HubMessage): void {
  const { messageId, userId, correlationId, contentType, contentEncoding, expiry } = system
  const expiresAt = expiry === undefined ? NaN : Date.parse(expiry)
  const sender = moduleId === undefined ? `/devices/${deviceId}` : `/devices/${deviceId}/modules/${moduleId}`
  writer.section(sections.properties)
  const list = writer.beginList()
  text(writer, messageId)
  if (userId === undefined) writer.null()
  else writer.binary(Buffer.from(userId))
  text(writer, system.to ?? `${sender}/messages/events`)
  writer.null()
  writer.null()
  text(writer, correlationId)
  symbol(writer, contentType)
  symbol(writer, contentEncoding)
  if (Number.isNaN(expiresAt)) writer.null()
  else writer.timestamp(expiresAt)
  writer.end(list, propertyNames.length)
}

function text(writer: AmqpWriter, value: string | undefined): void {
  if (value === undefined) writer.null()
  else writer.string(value)
}

function symbol(writer: AmqpWriter, value: string | undefined): void {
  if (value === undefined) writer.null()
  else writer.symbol(value)
}

// ---------------------------------------------------------------- over AMQP

/** The whole message as a receiver of Event Hubs' protocol takes it. */
export function encodeReceived(
  writer: AmqpWriter,
  { sequence, offset, at, bytes }: ReadEntry,
  runtime?: RuntimeFacts,
): Buffer {
  if (runtime) writeRuntime(writer, runtime)
  writer.section(sections.annotations)
  const map = writer.beginMap()
  writer.symbol('x-opt-sequence-number')
  writer.long(sequence)
  writer.symbol('x-opt-offset')
  writer.string(String(offset))
  writer.symbol('x-opt-enqueued-time')
  writer.timestamp(at)
  // The map goes on with what is stored.
  writer.end(map, 6 + bytes.readUInt16BE(0), bytes.readUInt32BE(2))
  return Buffer.concat([writer.take(), bytes.subarray(headBytes)])
}

/** How far the partition is, for receivers that ask to be told with each message. */
export interface RuntimeFacts {
  readonly last: PartitionFacts
  readonly now: EpochMs
}

function writeRuntime(writer: AmqpWriter, { last: { nextSequence, last }, now }: RuntimeFacts): void {
  writer.section(sections.deliveryAnnotations)
  const map = writer.beginMap()
  writer.symbol('last_enqueued_sequence_number')
  writer.long(nextSequence - 1)
  writer.symbol('last_enqueued_offset')
  writer.string(String(last?.offset ?? -1))
  writer.symbol('last_enqueued_time_utc')
  writer.timestamp(last?.at ?? 0)
  writer.symbol('runtime_info_retrieval_time_utc')
  writer.timestamp(now)
  writer.end(map, 8)
}

// ---------------------------------------------------------------- as JSON

export interface ReadMessage {
  readonly body: Buffer
  readonly properties: Readonly<Record<string, string | null>>
  /** Under the names that Event Hubs' clients know. */
  readonly systemProperties: Readonly<Record<string, string>>
}

export function decodeStored(bytes: Buffer): ReadMessage {
  const reader = new AmqpReader(bytes, headBytes)
  const system: Record<string, string> = {}
  for (const [name, value] of reader.pairs(bytes.readUInt16BE(0)))
    if (name !== 'x-opt-partition-key') system[name] = textOf(value)
  let properties: Readonly<Record<string, string | null>> = {}
  let body: Buffer = Buffer.alloc(0)
  while (!reader.isAtEnd) {
    const section = reader.section()
    const value = reader.value()
    if (section === sections.data) body = value as Buffer
    else if (section === sections.applicationProperties)
      properties = Object.fromEntries(value as AmqpMap) as Record<string, string | null>
    else if (section === sections.properties)
      for (const [n, each] of (value as AmqpList).entries())
        if (each !== null) system[propertyNames[n] as string] = textOf(each)
  }
  return { body, properties, systemProperties: system }
}

function textOf(value: AmqpValue): string {
  if (value instanceof Date) return encodeMoment(value.getTime())
  return Buffer.isBuffer(value) ? value.toString() : (value as string)
}
