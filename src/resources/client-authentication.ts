import { isTenantName } from '../auth/webhook-tokens.ts'
import { type NameSource, nameSources, readCertificate } from '../client/certificate.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  readArray,
  readEnum,
  readObject,
  readString,
} from '../wire/shape.ts'
import type { DecodeContext } from './resource-type.ts'

/*
 * `clientAuthentication` of a namespace: how MQTT clients may prove who they are beside the certificates of registered
 * ones.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-authentication
 */

export interface ClientAuthentication {
  readonly alternativeAuthenticationNameSources: readonly NameSource[] | null
  readonly customJwtAuthentication: CustomJwt | null
  readonly webhookAuthentication: WebhookAuthentication | null
}

interface CustomJwt {
  readonly tokenIssuer: string
  readonly issuerCertificates:
    | readonly { readonly certificateUrl: string; readonly identity: NamespaceIdentity | null }[]
    | null
  readonly encodedIssuerCertificates:
    | readonly { readonly kid: string; readonly encodedCertificate: string }[]
    | null
}

interface WebhookAuthentication {
  readonly identity: NamespaceIdentity
  /** The URL itself is a secret: its query may hold one. */
  readonly endpointBaseUrl: string
  readonly azureActiveDirectoryApplicationIdOrUri: string
  readonly azureActiveDirectoryTenantId: string
}

interface NamespaceIdentity {
  readonly type: 'SystemAssigned' | 'UserAssigned'
  readonly userAssignedIdentity: string | null
}

/** Source: learn.microsoft.com/azure/event-grid/authenticate-with-custom-json-web-token: at most two certificates. */
const certificatesOfIssuer = 2
const urlCharacters = 2_048
const issuerCharacters = 2_048
const kidCharacters = 256
const idCharacters = 1_024
const certificateCharacters = 65_536

/** Under which the URL of the webhook is sealed. */
export const webhookUrlSecret = 'webhookAuthenticationUrl'

/**
 * @param parent `topicSpacesConfiguration`
 * @param secrets gets what is not to be shown
 */
export function decodeClientAuthentication(
  parent: Fields,
  secrets: Record<string, string>,
  { capabilities: { allowHttpWebhooks }, before }: Pick<DecodeContext, 'capabilities' | 'before'>,
): ClientAuthentication | null {
  const from = readObject(parent, 'clientAuthentication')
  if (!from) return null
  return {
    alternativeAuthenticationNameSources: decodeNameSources(from),
    customJwtAuthentication: decodeCustomJwt(from, allowHttpWebhooks),
    webhookAuthentication: decodeWebhook(from, allowHttpWebhooks, secrets, before),
  }
}

function decodeNameSources(from: Fields): readonly NameSource[] | null {
  const items = readArray(from, 'alternativeAuthenticationNameSources', nameSources.length)
  if (!items) return null
  const sources = items.map(({ value, path }) => {
    const holder: Fields = { at: () => path, raw: () => value ?? undefined }
    const source = readEnum(holder, path, nameSources)
    if (source === undefined) throw invalidProperty(path, `one of ${nameSources.join(', ')}`, value)
    return source
  })
  const again = sources.find((source, index) => sources.indexOf(source) !== index)
  if (again !== undefined)
    throw invalidProperty(
      from.at('alternativeAuthenticationNameSources'),
      'an array that names each source once',
      again,
    )
  return sources
}

function decodeCustomJwt(parent: Fields, allowHttp: boolean): CustomJwt | null {
  const from = readObject(parent, 'customJwtAuthentication')
  if (!from) return null
  const tokenIssuer = required(
    from,
    'tokenIssuer',
    issuerCharacters,
    'the issuer of the tokens, as in their claim iss',
  )
  const byUrl = readArray(from, 'issuerCertificates', certificatesOfIssuer)?.map(({ value, path }) => {
    const item = fields(value, path)
    return { certificateUrl: readUrl(item, 'certificateUrl', allowHttp), identity: decodeIdentity(item) }
  })
  const encoded = readArray(from, 'encodedIssuerCertificates', certificatesOfIssuer)?.map(
    ({ value, path }) => {
      const item = fields(value, path)
      return {
        kid: required(item, 'kid', kidCharacters, 'the key id, as in the header kid of tokens'),
        encodedCertificate: readIssuerCertificate(item),
      }
    },
  )
  if (!byUrl?.length && !encoded?.length)
    throw invalidRequest(
      `The property '${from.at('encodedIssuerCertificates')}' or '${from.at('issuerCertificates')}' must name 1 or ${certificatesOfIssuer} certificates of the issuer.`,
      from.at('encodedIssuerCertificates'),
    )
  return { tokenIssuer, issuerCertificates: byUrl ?? null, encodedIssuerCertificates: encoded ?? null }
}

function readIssuerCertificate(from: Fields): string {
  const at = from.at('encodedCertificate')
  const text = readString(from, 'encodedCertificate', certificateCharacters) ?? ''
  const certificate = readCertificate(text)
  if (!certificate) throw invalidProperty(at, 'an X.509 certificate in PEM', text)
  if (certificate.publicKey.asymmetricKeyType !== 'rsa')
    throw invalidProperty(
      at,
      'a certificate with an RSA key, for tokens are signed with RS256',
      String(certificate.publicKey.asymmetricKeyType),
    )
  return text
}

function decodeWebhook(
  parent: Fields,
  allowHttp: boolean,
  secrets: Record<string, string>,
  before: DecodeContext['before'],
): WebhookAuthentication | null {
  const from = readObject(parent, 'webhookAuthentication')
  if (!from) return null
  // What clients read has no URL; what they send back means the one that is there.
  const kept = from.raw('endpointUrl') === undefined ? before?.secrets[webhookUrlSecret] : undefined
  const endpointUrl = kept ?? readUrl(from, 'endpointUrl', allowHttp)
  secrets[webhookUrlSecret] = endpointUrl
  const tenant = 'azureActiveDirectoryTenantId'
  const application = 'azureActiveDirectoryApplicationIdOrUri'
  const azureActiveDirectoryTenantId = required(from, tenant, idCharacters, 'the id of a tenant')
  if (!isTenantName(azureActiveDirectoryTenantId))
    throw invalidProperty(from.at(tenant), 'the id or a domain of a tenant', azureActiveDirectoryTenantId)
  const identity = decodeIdentity(from)
  if (!identity) throw invalidProperty(from.at('identity'), 'an identity of the namespace', undefined)
  return {
    identity,
    endpointBaseUrl: endpointUrl.replace(/[?#].*$/s, ''),
    azureActiveDirectoryApplicationIdOrUri: required(
      from,
      application,
      idCharacters,
      'the id or URI of an application',
    ),
    azureActiveDirectoryTenantId,
  }
}

function decodeIdentity(parent: Fields): NamespaceIdentity | null {
  const from = readObject(parent, 'identity')
  if (!from) return null
  const type = readEnum(from, 'type', ['SystemAssigned', 'UserAssigned'])
  if (type === undefined)
    throw invalidProperty(from.at('type'), 'one of SystemAssigned, UserAssigned', undefined)
  const given = readString(from, 'userAssignedIdentity', idCharacters) ?? null
  const at = from.at('userAssignedIdentity')
  if (type === 'UserAssigned' && given === null)
    throw invalidProperty(at, 'the ARM id of a user-assigned identity', undefined)
  if (type === 'SystemAssigned' && given !== null)
    throw invalidProperty(at, 'left out where the type is SystemAssigned', given)
  return { type, userAssignedIdentity: given }
}

function required(from: Fields, name: string, maxCharacters: number, what: string): string {
  const value = checkString(from.raw(name) ?? '', from.at(name), maxCharacters)
  if (value === '') throw invalidProperty(from.at(name), what, undefined)
  return value
}

/** The URL is not repeated, for its query may hold a secret. */
function readUrl(from: Fields, name: string, allowHttp: boolean): string {
  const text = readString(from, name, urlCharacters) ?? ''
  const url = URL.parse(text)
  const protocols = allowHttp ? ['https:', 'http:'] : ['https:']
  if (!url || !protocols.includes(url.protocol) || url.username !== '' || url.password !== '')
    throw invalidRequest(
      `The property '${from.at(name)}' must be an HTTPS URL without user name and password.`,
      from.at(name),
    )
  return text
}
