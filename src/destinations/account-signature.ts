import { createHmac } from 'node:crypto'

/** What a shared access signature of a storage account permits, as the service writes it. */
export interface AccountSignature {
  /** Of `b`, `q`, `t`, `f`. */
  readonly services: string
  /** Of `s`, `c`, `o`. */
  readonly resourceTypes: string
  readonly permissions: string
  /** ISO 8601; '' where it holds at once. */
  readonly start: string
  readonly expiry: string
  /** '' where any address will do. */
  readonly ip: string
  readonly protocol: 'https' | 'https,http'
}

/** Of the storage services; the first whose text to sign has all the fields that are signed here. */
const version = '2020-12-06'

/**
 * The signature as the query of a URL, without a question mark.
 *
 * Source: learn.microsoft.com/rest/api/storageservices/create-account-sas, "Constructing the signature string"
 */
export function signAccount(account: string, key: string, given: AccountSignature): string {
  const { services, resourceTypes, permissions, start, expiry, ip, protocol } = given
  const noScope = ''
  const lines = [
    ...[account, permissions, services, resourceTypes, start, expiry, ip, protocol, version, noScope],
    '',
  ]
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(lines.join('\n')).digest('base64')
  const query = {
    ...{ sv: version, ss: services, srt: resourceTypes, spr: protocol, st: start, se: expiry },
    ...{ sip: ip, sp: permissions, sig: signature },
  }
  const parts = Object.entries(query).filter(([, value]) => value !== '')
  return parts.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
}
