import { type AttributeValue, attributeKey, type ClientAttributes } from '../client/attributes.ts'
import { normalizeThumbprint, type ValidationScheme, validationSchemes } from '../client/certificate.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  isObject,
  readArray,
  readEnum,
  readObject,
  readString,
} from '../wire/shape.ts'
import { authenticationNameTaken, propertyChangeNotAllowed } from './errors.ts'
import { namespaceChild, readDescription } from './namespace-parts.ts'
import { capacityIn } from './namespaces.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

/** A client's stored `properties`. */
export interface ClientProperties {
  readonly authenticationName: string
  readonly clientCertificateAuthentication: {
    readonly validationScheme: ValidationScheme
    /** As they were given; empty unless the scheme is ThumbprintMatch. */
    readonly allowedThumbprints: readonly string[]
  }
  readonly state: 'Enabled' | 'Disabled'
  readonly attributes: ClientAttributes
  readonly description: string | null
}

/** Source: learn.microsoft.com/azure/event-grid/mqtt-clients */
export const clientLimits = {
  authenticationNameCharacters: 128,
  thumbprints: 2,
  /** Of all attributes, as JSON. */
  attributeBytes: 4_096,
} as const

const thumbprintCharacters = 128

function decode(wire: Readonly<Record<string, unknown>>, { before, name }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const old = before?.properties as unknown as ClientProperties | undefined
  const given = readString(from, 'authenticationName', clientLimits.authenticationNameCharacters)
  const at = from.at('authenticationName')
  if (given === '')
    throw invalidProperty(at, `1 to ${clientLimits.authenticationNameCharacters} characters long`, given)
  const authenticationName = given ?? old?.authenticationName ?? name
  if (old && old.authenticationName !== authenticationName)
    throw propertyChangeNotAllowed(at, old.authenticationName, authenticationName)
  const properties: ClientProperties = {
    authenticationName,
    clientCertificateAuthentication: decodeCertificateAuthentication(from),
    state: readEnum(from, 'state', ['Enabled', 'Disabled']) ?? 'Enabled',
    attributes: decodeAttributes(from),
    description: readDescription(from),
  }
  return { properties: { ...properties }, secrets: {} }
}

function decodeCertificateAuthentication(
  parent: Fields,
): ClientProperties['clientCertificateAuthentication'] {
  const from =
    readObject(parent, 'clientCertificateAuthentication') ??
    fields({}, parent.at('clientCertificateAuthentication'))
  const validationScheme =
    readEnum(from, 'validationScheme', validationSchemes) ?? 'SubjectMatchesAuthenticationName'
  const allowedThumbprints = (readArray(from, 'allowedThumbprints', clientLimits.thumbprints) ?? []).map(
    ({ value, path }) => {
      const text = checkString(value, path, thumbprintCharacters)
      if (normalizeThumbprint(text) === undefined)
        throw invalidProperty(path, 'a SHA-1 or SHA-256 thumbprint of 40 or 64 hexadecimal digits', text)
      return text
    },
  )
  const at = from.at('allowedThumbprints')
  const isByThumbprint = validationScheme === 'ThumbprintMatch'
  if (isByThumbprint && allowedThumbprints.length === 0)
    throw invalidProperty(
      at,
      `1 or ${clientLimits.thumbprints} thumbprints with the scheme ThumbprintMatch`,
      [],
    )
  if (!isByThumbprint && allowedThumbprints.length > 0)
    throw invalidRequest(
      `The property '${at}' goes with the validation scheme ThumbprintMatch only; the scheme is ${validationScheme}.`,
      at,
    )
  return { validationScheme, allowedThumbprints }
}

function decodeAttributes(from: Fields): ClientAttributes {
  const value = from.raw('attributes') ?? {}
  const at = from.at('attributes')
  if (!isObject(value)) throw invalidProperty(at, 'an object', value)
  const attributes: Record<string, AttributeValue> = {}
  for (const [key, item] of Object.entries(value)) {
    if (!attributeKey.test(key))
      throw invalidProperty(`${at}.${key}`, 'named with letters, digits and underscores', key)
    if (!isAttributeValue(item))
      throw invalidProperty(`${at}.${key}`, 'a string, an integer, true, false or an array of strings', item)
    attributes[key] = item
  }
  const bytes = Buffer.byteLength(JSON.stringify(attributes))
  if (bytes > clientLimits.attributeBytes)
    throw invalidProperty(at, `at most ${clientLimits.attributeBytes} bytes long as JSON`, `${bytes} bytes`)
  return attributes
}

function isAttributeValue(value: unknown): value is AttributeValue {
  if (typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isSafeInteger(value)
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/**
 * A client of the MQTT broker that shows a certificate. Those that come with a token or are let in by a webhook need
 * no such resource.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-clients
 */
export const namespaceClients: ResourceType = {
  ...namespaceChild,
  type: 'Microsoft.EventGrid/namespaces/clients',
  name: {
    pattern: /^[-a-zA-Z0-9:._]{1,128}$/,
    rule: '1 to 128 letters, digits, hyphens, colons, dots or underscores',
  },
  unique: ({ parentId, properties }) => {
    const { authenticationName } = properties as unknown as ClientProperties
    return {
      key: `${parentId} client ${authenticationName}`.toLowerCase(),
      taken: () => authenticationNameTaken(authenticationName),
    }
  },
  quota: ({ mqttQuotas }, parent) => mqttQuotas.clients * capacityIn(parent?.topLevel),
  decode,
  example: {
    name: 'machine-1',
    body: {
      properties: {
        authenticationName: 'machine1.example.org',
        clientCertificateAuthentication: { validationScheme: 'DnsMatchesAuthenticationName' },
        state: 'Enabled',
        attributes: { area: 'north', floor: 5, sensors: ['motion', 'light'] },
        description: 'The first machine of the northern hall.',
      },
    },
  },
}
