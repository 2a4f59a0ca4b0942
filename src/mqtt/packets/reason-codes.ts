/*
 * Source: MQTT Version 5.0, 2.4 "Reason Code"; MQTT Version 3.1.1, table 3.1 "Connect Return code values"
 */

/** Reason codes of MQTT 5.0 by name. From 0x80 on they say that something failed. */
export const reasonCodes = {
  success: 0x00,
  normalDisconnection: 0x00,
  grantedQos0: 0x00,
  grantedQos1: 0x01,
  grantedQos2: 0x02,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  continueAuthentication: 0x18,
  reauthenticate: 0x19,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecificError: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdentifierNotValid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierInUse: 0x91,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  serverMoved: 0x9d,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  maximumConnectTime: 0xa0,
  subscriptionIdentifiersNotSupported: 0xa1,
  wildcardSubscriptionsNotSupported: 0xa2,
} as const

export type ReasonCodeName = keyof typeof reasonCodes

/** CONNACK's return codes in MQTT 3.1.1. */
export const returnCodes = {
  accepted: 0,
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const

/** The one code of a filter that a 3.1.1 SUBACK refuses. */
export const subackFailure = 0x80

/**
 * The 3.1.1 return code that says what a reason code of CONNACK says, or undefined where 3.1.1 has no word for it and
 * the connection is closed without an answer [MQTT-3.2.2-6].
 */
export function connectReturnCode(reasonCode: number): number | undefined {
  return returnCodeOf.get(reasonCode)
}

const returnCodeOf: ReadonlyMap<number, number> = new Map([
  [reasonCodes.success, returnCodes.accepted],
  [reasonCodes.unsupportedProtocolVersion, returnCodes.unacceptableProtocolVersion],
  [reasonCodes.clientIdentifierNotValid, returnCodes.identifierRejected],
  [reasonCodes.serverUnavailable, returnCodes.serverUnavailable],
  [reasonCodes.serverBusy, returnCodes.serverUnavailable],
  [reasonCodes.quotaExceeded, returnCodes.serverUnavailable],
  [reasonCodes.connectionRateExceeded, returnCodes.serverUnavailable],
  [reasonCodes.badUserNameOrPassword, returnCodes.badUserNameOrPassword],
  [reasonCodes.notAuthorized, returnCodes.notAuthorized],
  [reasonCodes.banned, returnCodes.notAuthorized],
  [reasonCodes.badAuthenticationMethod, returnCodes.notAuthorized],
])

/** `notAuthorized` for 0x87; the first name where the standard has several for one code. */
export function reasonCodeName(reasonCode: number): string {
  return names.get(reasonCode) ?? `0x${reasonCode.toString(16).padStart(2, '0')}`
}

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(reasonCodes)
    .toReversed()
    .map(([name, code]) => [code, name]),
)
