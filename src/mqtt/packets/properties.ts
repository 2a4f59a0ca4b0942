import { noProperties, type ProtocolVersion, type UserProperties } from './packet.ts'
import type { Reader } from './reader.ts'
import { reasonCodes } from './reason-codes.ts'
import {
  binaryBytes,
  putBinary,
  putText,
  putUint16,
  putUint32,
  putVarint,
  textBytes,
  varintBytes,
} from './writer.ts'

/*
 * Properties, which MQTT 5.0 alone has:
 *
 *   +------------------+------------+-----------+------------+-----------+----
 *   | length (1..4)    | identifier | value     | identifier | value     | ...
 *   | of what follows  | (varint)   | (by type) |            |           |
 *   +------------------+------------+-----------+------------+-----------+----
 *
 * Every identifier that is assigned fits one byte. A property comes once at most, unless it may repeat.
 *
 * Source: MQTT Version 5.0, 2.2.2 "Properties"
 */

interface PropertyRule {
  readonly id: number
  readonly name: string
  readonly wire:
    | 'flag'
    | 'bit'
    | 'uint16'
    | 'uint32'
    | 'varint'
    | 'text'
    | 'topic'
    | 'binary'
    | 'pair'
    | 'varints'
  /** Zero is no value of this property. */
  readonly notZero?: { readonly reasonCode: number; readonly clause: string }
  readonly clause: string
}

const notZero = (clause: string, reasonCode: number = reasonCodes.protocolError) => ({
  notZero: { reasonCode, clause },
})

/** `flag` is 0 or 1 and a boolean inside; `bit` is 0 or 1 and a number inside. The clause is of the first packet. */
const table = {
  payloadFormatIndicator: { id: 0x01, wire: 'bit', clause: 'MQTT 5.0, 3.3.2.3.2' },
  messageExpiryInterval: { id: 0x02, wire: 'uint32', clause: 'MQTT 5.0, 3.3.2.3.3' },
  contentType: { id: 0x03, wire: 'text', clause: 'MQTT 5.0, 3.3.2.3.9' },
  responseTopic: { id: 0x08, wire: 'topic', clause: 'MQTT-3.3.2-14' },
  correlationData: { id: 0x09, wire: 'binary', clause: 'MQTT 5.0, 3.3.2.3.6' },
  subscriptionIdentifier: {
    id: 0x0b,
    wire: 'varint',
    clause: 'MQTT 5.0, 3.8.2.1.2',
    ...notZero('MQTT 5.0, 3.8.2.1.2'),
  },
  subscriptionIdentifiers: {
    id: 0x0b,
    wire: 'varints',
    clause: 'MQTT 5.0, 3.3.2.3.8',
    ...notZero('MQTT 5.0, 3.3.2.3.8'),
  },
  sessionExpiryInterval: { id: 0x11, wire: 'uint32', clause: 'MQTT 5.0, 3.1.2.11.2' },
  assignedClientIdentifier: { id: 0x12, wire: 'text', clause: 'MQTT 5.0, 3.2.2.3.7' },
  serverKeepAlive: { id: 0x13, wire: 'uint16', clause: 'MQTT 5.0, 3.2.2.3.14' },
  authenticationMethod: { id: 0x15, wire: 'text', clause: 'MQTT 5.0, 3.1.2.11.9' },
  authenticationData: { id: 0x16, wire: 'binary', clause: 'MQTT 5.0, 3.1.2.11.10' },
  requestProblemInformation: { id: 0x17, wire: 'flag', clause: 'MQTT 5.0, 3.1.2.11.7' },
  willDelayInterval: { id: 0x18, wire: 'uint32', clause: 'MQTT 5.0, 3.1.3.2.2' },
  requestResponseInformation: { id: 0x19, wire: 'flag', clause: 'MQTT 5.0, 3.1.2.11.6' },
  responseInformation: { id: 0x1a, wire: 'text', clause: 'MQTT 5.0, 3.2.2.3.15' },
  serverReference: { id: 0x1c, wire: 'text', clause: 'MQTT 5.0, 3.14.2.2.5' },
  reasonString: { id: 0x1f, wire: 'text', clause: 'MQTT 5.0, 3.4.2.2.2' },
  receiveMaximum: {
    id: 0x21,
    wire: 'uint16',
    clause: 'MQTT 5.0, 3.1.2.11.3',
    ...notZero('MQTT 5.0, 3.1.2.11.3'),
  },
  topicAliasMaximum: { id: 0x22, wire: 'uint16', clause: 'MQTT 5.0, 3.1.2.11.5' },
  topicAlias: {
    id: 0x23,
    wire: 'uint16',
    clause: 'MQTT 5.0, 3.3.2.3.4',
    ...notZero('MQTT-3.3.2-8', reasonCodes.topicAliasInvalid),
  },
  maximumQos: { id: 0x24, wire: 'bit', clause: 'MQTT 5.0, 3.2.2.3.4' },
  retainAvailable: { id: 0x25, wire: 'flag', clause: 'MQTT 5.0, 3.2.2.3.5' },
  userProperties: { id: 0x26, wire: 'pair', clause: 'MQTT 5.0, 3.1.2.11.8' },
  maximumPacketSize: {
    id: 0x27,
    wire: 'uint32',
    clause: 'MQTT 5.0, 3.1.2.11.4',
    ...notZero('MQTT 5.0, 3.1.2.11.4'),
  },
  wildcardSubscriptionAvailable: { id: 0x28, wire: 'flag', clause: 'MQTT 5.0, 3.2.2.3.11' },
  subscriptionIdentifiersAvailable: { id: 0x29, wire: 'flag', clause: 'MQTT 5.0, 3.2.2.3.12' },
  sharedSubscriptionAvailable: { id: 0x2a, wire: 'flag', clause: 'MQTT 5.0, 3.2.2.3.13' },
} as const satisfies Record<string, Omit<PropertyRule, 'name'>>

export type PropertyName = keyof typeof table

/** Every property's identifier, for who writes a packet by hand. */
export const propertyIds: Readonly<Record<PropertyName, number>> = Object.fromEntries(
  Object.entries(table).map(([name, { id }]) => [name, id]),
) as Record<PropertyName, number>

/** The properties `P` that one kind of packet may carry. */
export interface PropertySet<P> {
  /** For refusals: `CONNECT`, `a will`. */
  readonly of: string
  readonly names: readonly (keyof P & PropertyName)[]
  readonly rules: readonly PropertyRule[]
  readonly byId: readonly (PropertyRule | undefined)[]
}

export function propertySet<P>(of: string, names: PropertySet<P>['names']): PropertySet<P> {
  const rules = names.map((name): PropertyRule => ({ ...table[name], name }))
  const byId = Array.from({ length: highestId + 1 }, (_, id) => rules.find((rule) => rule.id === id))
  return { of, names, rules, byId }
}

const highestId = 0x2a

/** What decoded properties are until the packet's own type names them. */
type Properties = Record<string, unknown>

/**
 * Reads the properties of a packet, which all belong to its set, once each where they may not repeat. A packet without
 * any has `noProperties`.
 */
export function decodeProperties<P>(reader: Reader, set: PropertySet<P>): P {
  const length = reader.varint()
  if (length === 0) return noProperties as P
  const packetEnd = reader.end
  const end = reader.at + length
  if (end > packetEnd)
    throw reader.malformed(`${set.of} ends before its ${length} bytes of properties do`, 'MQTT 5.0, 2.2.2.1')
  const properties: Properties = {}
  reader.end = end
  while (reader.at < end) {
    const id = reader.varint()
    const rule = set.byId[id]
    if (rule === undefined)
      throw reader.malformed(
        `the property 0x${id.toString(16).padStart(2, '0')} has no place in ${set.of}`,
        'MQTT 5.0, 2.2.2.2',
      )
    decodeProperty(reader, rule, set, properties)
  }
  reader.end = packetEnd
  return properties as P
}

function decodeProperty(
  reader: Reader,
  rule: PropertyRule,
  set: PropertySet<never>,
  properties: Properties,
): void {
  const before = properties[rule.name]
  if (rule.wire === 'pair') {
    const pairs = (before ?? []) as [string, string][]
    pairs.push([reader.text(), reader.text()])
    properties[rule.name] = pairs
    return
  }
  if (rule.wire === 'varints') {
    const numbers = (before ?? []) as number[]
    numbers.push(checked(reader, rule, reader.varint()))
    properties[rule.name] = numbers
    return
  }
  if (before !== undefined) throw reader.protocolError(`${rule.name} comes twice in ${set.of}`, rule.clause)
  properties[rule.name] = decodeValue(reader, rule)
}

function decodeValue(reader: Reader, rule: PropertyRule): unknown {
  switch (rule.wire) {
    case 'flag':
      return bit(reader, rule) === 1
    case 'bit':
      return bit(reader, rule)
    case 'uint16':
      return checked(reader, rule, reader.uint16())
    case 'uint32':
      return checked(reader, rule, reader.uint32())
    case 'varint':
      return checked(reader, rule, reader.varint())
    case 'topic':
      return responseTopic(reader, rule)
    case 'binary':
      return reader.binary()
    default:
      return reader.text()
  }
}

function bit(reader: Reader, rule: PropertyRule): number {
  const value = reader.byte()
  if (value > 1) throw reader.protocolError(`${rule.name} is ${value}: it is 0 or 1`, rule.clause)
  return value
}

function checked(reader: Reader, rule: PropertyRule, value: number): number {
  if (value === 0 && rule.notZero !== undefined)
    throw reader.refusal(rule.notZero.reasonCode, `${rule.name} is 0`, rule.notZero.clause)
  return value
}

/** A topic name [MQTT-3.3.2-14], so no wildcards and not empty [MQTT-4.7.3-1]. */
function responseTopic(reader: Reader, rule: PropertyRule): string {
  const name = reader.text()
  if (name === '') throw reader.protocolError('the response topic is empty', 'MQTT-4.7.3-1')
  if (name.includes('#') || name.includes('+'))
    throw reader.protocolError('the response topic contains a wildcard', rule.clause)
  return name
}

/** Of a packet's properties with the length before them: nothing in 3.1.1. */
export function propertySectionBytes(
  set: PropertySet<never>,
  properties: object,
  version: ProtocolVersion,
): number {
  if (version === 4) return 0
  const bytes = propertiesBytes(set, properties)
  return varintBytes(bytes) + bytes
}

/** Of the properties alone. */
export function propertiesBytes(set: PropertySet<never>, properties: object): number {
  if (properties === noProperties) return 0
  let bytes = 0
  for (const rule of set.rules) {
    const value = (properties as Properties)[rule.name]
    if (value !== undefined) bytes += valueBytes(rule, value)
  }
  return bytes
}

function valueBytes(rule: PropertyRule, value: unknown): number {
  switch (rule.wire) {
    case 'flag':
    case 'bit':
      return 2
    case 'uint16':
      return 3
    case 'uint32':
      return 5
    case 'varint':
      return 1 + varintBytes(value as number)
    case 'binary':
      return 1 + binaryBytes(value as Uint8Array)
    case 'pair':
      return (value as UserProperties).reduce(
        (bytes, [name, text]) => bytes + 1 + textBytes(name) + textBytes(text),
        0,
      )
    case 'varints':
      return (value as readonly number[]).reduce((bytes, number) => bytes + 1 + varintBytes(number), 0)
    default:
      return 1 + textBytes(value as string)
  }
}

/** Writes the length and the properties: as many bytes as `propertySectionBytes` says. */
export function putPropertySection(
  bytes: Buffer,
  at: number,
  set: PropertySet<never>,
  properties: object,
  version: ProtocolVersion,
): number {
  if (version === 4) return at
  let next = putVarint(bytes, at, propertiesBytes(set, properties))
  if (properties === noProperties) return next
  for (const rule of set.rules) {
    const value = (properties as Properties)[rule.name]
    if (value !== undefined) next = putValue(bytes, next, rule, value)
  }
  return next
}

function putValue(bytes: Buffer, at: number, rule: PropertyRule, value: unknown): number {
  const { id } = rule
  switch (rule.wire) {
    case 'pair': {
      let next = at
      for (const [name, text] of value as UserProperties) {
        bytes[next] = id
        next = putText(bytes, putText(bytes, next + 1, name), text)
      }
      return next
    }
    case 'varints': {
      let next = at
      for (const number of value as readonly number[]) {
        bytes[next] = id
        next = putVarint(bytes, next + 1, number)
      }
      return next
    }
    default:
      bytes[at] = id
      return putOne(bytes, at + 1, rule, value)
  }
}

function putOne(bytes: Buffer, at: number, rule: PropertyRule, value: unknown): number {
  switch (rule.wire) {
    case 'flag':
    case 'bit':
      bytes[at] = Number(value)
      return at + 1
    case 'uint16':
      return putUint16(bytes, at, value as number)
    case 'uint32':
      return putUint32(bytes, at, value as number)
    case 'varint':
      return putVarint(bytes, at, value as number)
    case 'binary':
      return putBinary(bytes, at, value as Uint8Array)
    default:
      return putText(bytes, at, value as string)
  }
}
