import type { ProtocolVersion } from './packet.ts'
import { reasonCodeName } from './reason-codes.ts'

export interface MalformedPacketDetails {
  /** What DISCONNECT or CONNACK says to a 5.0 client: malformedPacket, protocolError, packetTooLarge... */
  readonly reasonCode: number
  /** The normative statement that the bytes break, such as MQTT-3.1.2-3, or the section where none has a number. */
  readonly clause: string
  /**
   * The version in which the sender may be answered; undefined when it never said one that we speak, which means:
   * close without a word.
   */
  readonly answerIn?: ProtocolVersion | undefined
}

/** The bytes break the standard: the connection cannot go on. Nothing that follows them has been decoded. */
export class MalformedPacket extends Error {
  readonly reasonCode: number
  readonly clause: string
  readonly answerIn: ProtocolVersion | undefined

  /** @param problem what was expected and what came */
  constructor(problem: string, details: MalformedPacketDetails) {
    super(`${problem} (${reasonCodeName(details.reasonCode)}, ${details.clause})`)
    this.name = 'MalformedPacket'
    this.reasonCode = details.reasonCode
    this.clause = details.clause
    this.answerIn = details.answerIn
  }
}
