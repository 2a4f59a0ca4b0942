import { createHmac } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'

/** Of the storage services; older emulators take it too. */
const version = '2018-03-28'

/**
 * A shared access signature of one blob, as the query of a URL, without a question mark.
 *
 * Source: learn.microsoft.com/rest/api/storageservices/create-service-sas, "Version 2015-04-05 and later"
 */
export function signBlob(
  { account, key }: { readonly account: string; readonly key: string },
  path: string,
  { permissions, expiresAt }: { readonly permissions: string; readonly expiresAt: EpochMs },
): string {
  const expiry = new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z')
  const [start, identifier, ip, protocol] = ['', '', '', '']
  const answerHeaders = ['', '', '', '', '']
  const lines = [
    ...[permissions, start, expiry, `/blob/${account}/${path}`],
    ...[identifier, ip, protocol, version, ...answerHeaders],
  ]
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(lines.join('\n')).digest('base64')
  const query = { sv: version, sr: 'b', sig: signature, se: expiry, sp: permissions }
  return Object.entries(query)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
}
