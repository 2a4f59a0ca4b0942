/*
 * The MQTT control packets as the house sees them, for 3.1.1 and 5.0 alike. What 3.1.1 lacks has the value that 5.0
 * gives to its absence, so that nobody asks twice which version is spoken.
 *
 * Source: MQTT Version 5.0, OASIS Standard, 7 March 2019, chapters 2 and 3; MQTT Version 3.1.1, OASIS Standard,
 * 29 October 2014, chapters 2 and 3
 */

/** 4 is MQTT 3.1.1, 5 is MQTT 5.0: the number that CONNECT carries. */
export type ProtocolVersion = 4 | 5

export type QoS = 0 | 1 | 2

/** In the order of the wire; a name may come twice. */
export type UserProperties = readonly (readonly [name: string, value: string])[]

/**
 * The properties of a packet of MQTT 3.1.1, and of one that carries none. Frozen, and one object for all, so that
 * "none" is one comparison.
 */
export const noProperties: Readonly<Record<string, undefined>> = Object.freeze({})

/** Properties that a PUBLISH and a will share: what the receiver learns about the message. */
export interface MessageProperties {
  readonly payloadFormatIndicator?: 0 | 1 | undefined
  /** Seconds. */
  readonly messageExpiryInterval?: number | undefined
  readonly contentType?: string | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Uint8Array | undefined
  readonly userProperties?: UserProperties | undefined
}

export interface ConnectPacket {
  readonly type: 'connect'
  readonly protocolVersion: ProtocolVersion
  readonly clientId: string
  /** Clean Start; cleanSession in 3.1.1. */
  readonly cleanStart: boolean
  /** 0 turns the mechanism off. */
  readonly keepAliveSeconds: number
  readonly userName?: string | undefined
  readonly password?: Uint8Array | undefined
  readonly will?: Will | undefined
  readonly properties: ConnectProperties
}

export interface ConnectProperties {
  /** Seconds; 0xFFFFFFFF never expires. Absent is 0 in 5.0; 3.1.1 has `cleanStart` alone. */
  readonly sessionExpiryInterval?: number | undefined
  readonly receiveMaximum?: number | undefined
  readonly maximumPacketSize?: number | undefined
  readonly topicAliasMaximum?: number | undefined
  readonly requestResponseInformation?: boolean | undefined
  readonly requestProblemInformation?: boolean | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Uint8Array | undefined
  readonly userProperties?: UserProperties | undefined
}

export interface Will {
  readonly topicName: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly properties: WillProperties
}

export interface WillProperties extends MessageProperties {
  /** Seconds. */
  readonly willDelayInterval?: number | undefined
}

export interface ConnackPacket {
  readonly type: 'connack'
  readonly sessionPresent: boolean
  /** A reason code of 5.0; to and from a 3.1.1 client its return code (`connectReturnCode` translates). */
  readonly reasonCode: number
  readonly properties: ConnackProperties
}

export interface ConnackProperties {
  readonly sessionExpiryInterval?: number | undefined
  readonly receiveMaximum?: number | undefined
  readonly maximumQos?: 0 | 1 | undefined
  readonly retainAvailable?: boolean | undefined
  readonly maximumPacketSize?: number | undefined
  readonly assignedClientIdentifier?: string | undefined
  readonly topicAliasMaximum?: number | undefined
  readonly reasonString?: string | undefined
  readonly wildcardSubscriptionAvailable?: boolean | undefined
  readonly subscriptionIdentifiersAvailable?: boolean | undefined
  readonly sharedSubscriptionAvailable?: boolean | undefined
  readonly serverKeepAlive?: number | undefined
  readonly responseInformation?: string | undefined
  readonly serverReference?: string | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Uint8Array | undefined
  readonly userProperties?: UserProperties | undefined
}

export interface PublishPacket {
  readonly type: 'publish'
  readonly dup: boolean
  readonly qos: QoS
  readonly retain: boolean
  /** Empty only in 5.0, beside a topic alias. */
  readonly topicName: string
  /** 0 at QoS 0, which has none. */
  readonly packetId: number
  readonly properties: PublishProperties
  /** A view of the bytes that came in: see `Decoder.push` for how long it is good. */
  readonly payload: Uint8Array
}

export interface PublishProperties extends MessageProperties {
  /** 1 to 65,535: the decoder refuses 0. */
  readonly topicAlias?: number | undefined
  /** Only from a server to a client, one for each subscription that the message matched. */
  readonly subscriptionIdentifiers?: readonly number[] | undefined
}

/** What the answers to a PUBLISH, a PUBREC and a PUBREL have in common. In 3.1.1 the reason code is always 0. */
interface Acknowledgement {
  readonly packetId: number
  readonly reasonCode: number
  readonly properties: ReasonProperties
}

export interface PubackPacket extends Acknowledgement {
  readonly type: 'puback'
}

export interface PubrecPacket extends Acknowledgement {
  readonly type: 'pubrec'
}

export interface PubrelPacket extends Acknowledgement {
  readonly type: 'pubrel'
}

export interface PubcompPacket extends Acknowledgement {
  readonly type: 'pubcomp'
}

export interface ReasonProperties {
  readonly reasonString?: string | undefined
  readonly userProperties?: UserProperties | undefined
}

export interface SubscribePacket {
  readonly type: 'subscribe'
  readonly packetId: number
  /** At least one. */
  readonly subscriptions: readonly RequestedSubscription[]
  readonly properties: SubscribeProperties
}

/** One filter of a SUBSCRIBE with its options; 3.1.1 knows `qos` alone. */
export interface RequestedSubscription {
  /** Not empty, and nothing else is sure: `topicFilterFault` judges where wildcards stand. */
  readonly topicFilter: string
  readonly qos: QoS
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** 0: send retained messages; 1: only when the subscription is new; 2: do not. */
  readonly retainHandling: 0 | 1 | 2
}

export interface SubscribeProperties {
  readonly subscriptionIdentifier?: number | undefined
  readonly userProperties?: UserProperties | undefined
}

export interface SubackPacket {
  readonly type: 'suback'
  readonly packetId: number
  /** One for each filter of the SUBSCRIBE, in its order. */
  readonly reasonCodes: readonly number[]
  readonly properties: ReasonProperties
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe'
  readonly packetId: number
  /** At least one, none empty. */
  readonly topicFilters: readonly string[]
  readonly properties: UnsubscribeProperties
}

export interface UnsubscribeProperties {
  readonly userProperties?: UserProperties | undefined
}

export interface UnsubackPacket {
  readonly type: 'unsuback'
  readonly packetId: number
  /** One for each filter of the UNSUBSCRIBE, in its order; none in 3.1.1. */
  readonly reasonCodes: readonly number[]
  readonly properties: ReasonProperties
}

export interface PingreqPacket {
  readonly type: 'pingreq'
}

export interface PingrespPacket {
  readonly type: 'pingresp'
}

export interface DisconnectPacket {
  readonly type: 'disconnect'
  readonly reasonCode: number
  readonly properties: DisconnectProperties
}

export interface DisconnectProperties {
  readonly sessionExpiryInterval?: number | undefined
  readonly reasonString?: string | undefined
  readonly serverReference?: string | undefined
  readonly userProperties?: UserProperties | undefined
}

/** 5.0 alone. */
export interface AuthPacket {
  readonly type: 'auth'
  readonly reasonCode: number
  readonly properties: AuthProperties
}

export interface AuthProperties {
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Uint8Array | undefined
  readonly reasonString?: string | undefined
  readonly userProperties?: UserProperties | undefined
}

export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | PubackPacket
  | PubrecPacket
  | PubrelPacket
  | PubcompPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket

export type PacketType = Packet['type']

export type PacketOf<T extends PacketType> = Extract<Packet, { readonly type: T }>
