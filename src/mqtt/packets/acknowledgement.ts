import { noProperties, type ProtocolVersion, type ReasonProperties } from './packet.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { reasonCodes } from './reason-codes.ts'
import { putUint16 } from './writer.ts'

/*
 * What PUBACK, PUBREC, PUBREL and PUBCOMP are, but for their first byte:
 *
 *   +------------+------+-----------+--------------------+--------------------+
 *   | first byte | left | packet id | reason code (5.0)  | properties (5.0)   |
 *   +------------+------+-----------+--------------------+--------------------+
 *                                    left out when 0 and   left out when
 *                                    nothing follows       there are none
 *
 * Source: MQTT Version 5.0, 3.4 to 3.7; MQTT Version 3.1.1, 3.4 to 3.7
 */

export interface AcknowledgementBody {
  readonly packetId: number
  readonly reasonCode: number
  readonly properties: ReasonProperties
}

export const reasonProperties = (of: string) =>
  propertySet<ReasonProperties>(of, ['reasonString', 'userProperties'])

/** How one of the four differs from the others. */
export interface AcknowledgementKind {
  readonly name: string
  readonly reasonCodes: ReadonlySet<number>
  readonly clause: string
}

const properties = reasonProperties('an acknowledgement')

/** PUBACK and PUBREC say whether the message was accepted. */
export const receiptCodes: ReadonlySet<number> = new Set<number>([
  reasonCodes.success,
  reasonCodes.noMatchingSubscribers,
  reasonCodes.unspecifiedError,
  reasonCodes.implementationSpecificError,
  reasonCodes.notAuthorized,
  reasonCodes.topicNameInvalid,
  reasonCodes.packetIdentifierInUse,
  reasonCodes.quotaExceeded,
  reasonCodes.payloadFormatInvalid,
])

/** PUBREL and PUBCOMP only whether the packet id was known. */
export const releaseCodes: ReadonlySet<number> = new Set<number>([
  reasonCodes.success,
  reasonCodes.packetIdentifierNotFound,
])

export function decodeAcknowledgement(reader: Reader, kind: AcknowledgementKind): AcknowledgementBody {
  const packetId = reader.packetId()
  // Without a reason code it is 0x00 (3.4.2.1). 3.1.1 has none at all.
  if (reader.at === reader.end) return { packetId, reasonCode: 0, properties: noProperties }
  if (reader.version === 4) reader.finish(kind.name)
  const reasonCode = reader.byte()
  if (!kind.reasonCodes.has(reasonCode))
    throw reader.protocolError(`0x${reasonCode.toString(16)} is no reason code of ${kind.name}`, kind.clause)
  if (reader.at === reader.end) return { packetId, reasonCode, properties: noProperties }
  return { packetId, reasonCode, properties: decodeProperties(reader, properties) }
}

export function acknowledgementBytes(packet: AcknowledgementBody, version: ProtocolVersion): number {
  if (version === 4) return 2
  const section = propertySectionBytes(properties, packet.properties, version)
  if (section > 1) return 3 + section
  return packet.reasonCode === 0 ? 2 : 3
}

export function putAcknowledgement(
  bytes: Buffer,
  at: number,
  packet: AcknowledgementBody,
  version: ProtocolVersion,
): number {
  const next = putUint16(bytes, at, packet.packetId)
  const count = acknowledgementBytes(packet, version)
  if (count > 2) bytes[next] = packet.reasonCode
  if (count > 3) putPropertySection(bytes, next + 1, properties, packet.properties, version)
  return at + count
}
