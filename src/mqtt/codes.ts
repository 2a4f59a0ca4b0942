import { reasonCodes } from './packets/reason-codes.ts'

/**
 * What a 3.1.1 client is told; undefined: nothing, the connection is closed.
 *
 * Source: MQTT Version 3.1.1, 3.2.2.3
 */
export function returnCodeOf(reasonCode: number): number | undefined {
  switch (reasonCode) {
    case reasonCodes.unsupportedProtocolVersion:
      return 1
    case reasonCodes.clientIdentifierNotValid:
      return 2
    case reasonCodes.serverUnavailable:
    case reasonCodes.serverBusy:
    case reasonCodes.quotaExceeded:
    case reasonCodes.connectionRateExceeded:
      return 3
    case reasonCodes.badUserNameOrPassword:
      return 4
    case reasonCodes.notAuthorized:
    case reasonCodes.banned:
    case reasonCodes.badAuthenticationMethod:
      return 5
    default:
      return undefined
  }
}

export const hex = (code: number): string => `0x${code.toString(16).padStart(2, '0').toUpperCase()}`
