import { signAccount } from '../destinations/account-signature.ts'
import { invalidProperty } from '../wire/errors.ts'
import { type Fields, fields, readEnum, readString } from '../wire/shape.ts'

/**
 * The answer to `listAccountSas` of a storage account, signed with the key of its connection.
 *
 * Source: learn.microsoft.com/rest/api/storagerp/storage-accounts/list-account-sas
 *
 * @param account name and key, as the connection has them
 */
export function accountSas(
  body: unknown,
  { account, key }: { readonly account: string; readonly key: string },
): { readonly accountSasToken: string } {
  const from = fields(body ?? {}, '')
  readEnum(from, 'keyToSign', ['key1', 'key2'])
  return {
    accountSasToken: signAccount(account, key, {
      services: letters(from, 'signedServices', 'bqtf'),
      resourceTypes: letters(from, 'signedResourceTypes', 'sco'),
      permissions: letters(from, 'signedPermission', 'rdwlacupyxtfi'),
      start: moment(from, 'signedStart') ?? '',
      expiry:
        moment(from, 'signedExpiry') ?? missing(from, 'signedExpiry', 'the moment until which it holds'),
      ip: readString(from, 'signedIp', 64) ?? '',
      protocol: readEnum(from, 'signedProtocol', ['https,http', 'https']) ?? 'https,http',
    }),
  }
}

function letters(from: Fields, name: string, known: string): string {
  const text = readString(from, name, known.length)?.toLowerCase() ?? ''
  const isKnown = new RegExp(`^(?:([${known}])(?!.*\\1))+$`).test(text)
  return text !== '' && isKnown ? text : missing(from, name, `some of the letters ${known}, each once`)
}

function moment(from: Fields, name: string): string | undefined {
  const text = readString(from, name, 64)
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw invalidProperty(from.at(name), 'a moment in ISO 8601', text)
  return new Date(at).toISOString().replace('.000Z', 'Z')
}

function missing(from: Fields, name: string, expected: string): never {
  throw invalidProperty(from.at(name), expected, from.raw(name))
}
