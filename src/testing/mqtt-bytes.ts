import { Buffer } from 'node:buffer'
import { type PropertyName, propertyIds } from '../mqtt/packets/properties.ts'
import { putVarint } from '../mqtt/packets/writer.ts'

/* Packets written by hand, byte for byte: what no encoder would make. */

type Part = number | Uint8Array | readonly Part[]

export function bytes(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'number' ? Buffer.of(part) : part instanceof Uint8Array ? part : bytes(...part),
    ),
  )
}

/** The first byte, the right Remaining Length, and the body. */
export function packet(first: number, ...body: readonly Part[]): Buffer {
  const rest = bytes(...body)
  return bytes(first, varint(rest.length), rest)
}

export const uint16 = (value: number) => Buffer.of(value >> 8, value & 0xff)

export const uint32 = (value: number) => bytes(uint16(value >>> 16), uint16(value & 0xffff))

export function varint(value: number): Buffer {
  const room = Buffer.alloc(4)
  return room.subarray(0, putVarint(room, 0, value))
}

/** Two bytes of length and the text, or bytes that are no text. */
export function text(value: string | readonly number[]): Buffer {
  const content = Buffer.from(value as string)
  return bytes(uint16(content.length), content)
}

/** The length, then the properties; `[]` for 5.0 and nothing at all for 3.1.1. */
export function properties(...parts: readonly Part[]): Buffer {
  const rest = bytes(...parts)
  return bytes(varint(rest.length), rest)
}

/** A property with a value of its type that is allowed. */
export function property(name: PropertyName): Buffer {
  return bytes(propertyIds[name], sampleOf(name))
}

function sampleOf(name: PropertyName): Buffer {
  switch (name) {
    case 'messageExpiryInterval':
    case 'sessionExpiryInterval':
    case 'willDelayInterval':
    case 'maximumPacketSize':
      return uint32(1000)
    case 'serverKeepAlive':
    case 'receiveMaximum':
    case 'topicAliasMaximum':
    case 'topicAlias':
      return uint16(1)
    case 'userProperties':
      return bytes(text('a'), text('b'))
    case 'payloadFormatIndicator':
    case 'requestProblemInformation':
    case 'requestResponseInformation':
    case 'maximumQos':
    case 'retainAvailable':
    case 'wildcardSubscriptionAvailable':
    case 'subscriptionIdentifiersAvailable':
    case 'sharedSubscriptionAvailable':
    case 'subscriptionIdentifier':
    case 'subscriptionIdentifiers':
      return Buffer.of(1)
    default:
      return text('a')
  }
}
