import { readCertificate } from '../client/certificate.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  type Item,
  readArray,
  readEnum,
  readObject,
  readString,
} from '../wire/shape.ts'
import { readUserAssignedIdentity } from './event-subscriptions/resource-identity.ts'
import type { DecodeContext } from './resource-type.ts'

/** The fields of a certificate that may name a client that sends no user name. */
export const authenticationNameSources = [
  'ClientCertificateSubject',
  'ClientCertificateDns',
  'ClientCertificateUri',
  'ClientCertificateIp',
  'ClientCertificateEmail',
] as const

export type AuthenticationNameSource = (typeof authenticationNameSources)[number]

/** How a namespace's MQTT clients prove who they are, beside the certificates of registered ones. */
export interface ClientAuthentication {
  readonly alternativeAuthenticationNameSources: readonly AuthenticationNameSource[] | null
  readonly customJwtAuthentication: CustomJwtAuthentication | null
  readonly webhookAuthentication: WebhookAuthentication | null
}

export interface CustomJwtAuthentication {
  readonly tokenIssuer: string
  readonly issuerCertificates:
    | readonly { readonly certificateUrl: string; readonly identity: AuthenticationIdentity | null }[]
    | null
  readonly encodedIssuerCertificates:
    | readonly {
        readonly kid: string
        /** PEM. */
        readonly encodedCertificate: string
      }[]
    | null
}

export interface WebhookAuthentication {
  /** Its query may hold a secret: the whole of it is under `webhookUrlSecret`. */
  readonly endpointUrl: null
  readonly endpointBaseUrl: string
  readonly azureActiveDirectoryTenantId: string
  readonly azureActiveDirectoryApplicationIdOrUri: string
  readonly identity: AuthenticationIdentity | null
}

interface AuthenticationIdentity {
  readonly type: 'SystemAssigned' | 'UserAssigned'
  readonly userAssignedIdentity: string | null
}

/** Under which the webhook's URL is among the namespace's secrets. */
export const webhookUrlSecret = 'webhookAuthentication.endpointUrl'

const textCharacters = 512
const urlCharacters = 2048
/** Certificates of a token's issuer, of each kind. */
const issuerCertificates = 2
const certificateCharacters = 64 * 1024

/**
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-authentication,
 * authenticate-with-custom-json-web-tokens, authenticate-with-custom-webhook
 *
 * @param secrets takes in the webhook's URL
 */
export function decodeClientAuthentication(
  parent: Fields,
  secrets: Record<string, string>,
  context: DecodeContext,
): ClientAuthentication | null {
  const from = readObject(parent, 'clientAuthentication')
  if (!from) return null
  return {
    alternativeAuthenticationNameSources: decodeNameSources(from),
    customJwtAuthentication: decodeCustomJwt(readObject(from, 'customJwtAuthentication')),
    webhookAuthentication: decodeWebhook(readObject(from, 'webhookAuthentication'), secrets, context),
  }
}

function decodeNameSources(from: Fields): readonly AuthenticationNameSource[] | null {
  const name = 'alternativeAuthenticationNameSources'
  const items = readArray(from, name, authenticationNameSources.length)
  if (!items) return null
  const found = items.map(({ value, path }) => {
    const source = readEnum(fields({ value }, ''), 'value', authenticationNameSources)
    if (source === undefined)
      throw invalidProperty(path, `one of ${authenticationNameSources.join(', ')}`, value)
    return source
  })
  if (new Set(found).size < found.length)
    throw invalidProperty(from.at(name), 'an array that names no source twice', found)
  return found
}

function decodeCustomJwt(from: Fields | undefined): CustomJwtAuthentication | null {
  if (!from) return null
  const fetched = readArray(from, 'issuerCertificates', issuerCertificates)
  const encoded = readArray(from, 'encodedIssuerCertificates', issuerCertificates)
  if (!fetched?.length && !encoded?.length)
    throw invalidRequest(
      `One of '${from.at('issuerCertificates')}' and '${from.at('encodedIssuerCertificates')}' must name a certificate.`,
      from.at('issuerCertificates'),
    )
  return {
    tokenIssuer: readText(from, 'tokenIssuer', textCharacters),
    issuerCertificates: fetched?.map(decodeFetched) ?? null,
    encodedIssuerCertificates: encoded?.map(decodeEncoded) ?? null,
  }
}

function decodeFetched({ value, path }: Item) {
  const from = fields(value, path)
  return {
    certificateUrl: checkUrl(from, 'certificateUrl', false),
    identity: decodeIdentity(from),
  }
}

function decodeEncoded({ value, path }: Item) {
  const from = fields(value, path)
  const encodedCertificate = readText(from, 'encodedCertificate', certificateCharacters)
  const at = from.at('encodedCertificate')
  const certificate = readCertificate(encodedCertificate)
  if (!certificate) throw invalidProperty(at, 'an X.509 certificate in PEM', encodedCertificate)
  const { asymmetricKeyType } = certificate.publicKey
  if (asymmetricKeyType !== 'rsa')
    throw invalidProperty(
      at,
      'a certificate with an RSA key, for tokens are signed with RS256',
      asymmetricKeyType,
    )
  return { kid: readText(from, 'kid', textCharacters), encodedCertificate }
}

function decodeWebhook(
  from: Fields | undefined,
  secrets: Record<string, string>,
  { before, patching, capabilities }: DecodeContext,
): WebhookAuthentication | null {
  if (!from) return null
  // Clients read a namespace, where the URL is hidden, and send it back as an update.
  const kept = patching ? before?.secrets[webhookUrlSecret] : undefined
  const isKept =
    kept !== undefined &&
    from.raw('endpointUrl') === undefined &&
    (from.raw('endpointBaseUrl') ?? baseOf(kept)) === baseOf(kept)
  const endpointUrl = isKept ? kept : checkUrl(from, 'endpointUrl', capabilities.allowHttpWebhooks)
  secrets[webhookUrlSecret] = endpointUrl
  return {
    endpointUrl: null,
    endpointBaseUrl: baseOf(endpointUrl),
    azureActiveDirectoryTenantId: readText(from, 'azureActiveDirectoryTenantId', textCharacters),
    azureActiveDirectoryApplicationIdOrUri: readText(
      from,
      'azureActiveDirectoryApplicationIdOrUri',
      textCharacters,
    ),
    identity: decodeIdentity(from),
  }
}

function decodeIdentity(parent: Fields): AuthenticationIdentity | null {
  const from = readObject(parent, 'identity')
  if (!from) return null
  return {
    type: readEnum(from, 'type', ['SystemAssigned', 'UserAssigned']) ?? 'SystemAssigned',
    userAssignedIdentity: readUserAssignedIdentity(from) ?? null,
  }
}

function readText(from: Fields, name: string, characters: number): string {
  const text = checkString(from.raw(name) ?? '', from.at(name), characters)
  if (text.trim() === '') throw invalidProperty(from.at(name), 'given', from.raw(name))
  return text
}

const baseOf = (url: string) => url.replace(/[?#].*$/s, '')

/** The URL is not repeated: its query may hold a secret. */
function checkUrl(from: Fields, name: string, allowHttp: boolean): string {
  const text = readString(from, name, urlCharacters) ?? ''
  const url = URL.parse(text)
  const isKnown = url?.protocol === 'https:' || (allowHttp && url?.protocol === 'http:')
  if (!url || !isKnown || url.username !== '' || url.password !== '')
    throw invalidRequest(
      `The property '${from.at(name)}' must be an HTTPS URL without user name and password.`,
      from.at(name),
    )
  return text
}
