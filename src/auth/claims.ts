import type { JWTPayload } from 'jose'
import { guidOf } from '../base/ids.ts'

/** Claims of a token under the names that resource events have for them; every value is text. */
export type Claims = Readonly<Record<string, string>>

/** Those that come first, in this order. */
const leading = ['aud', 'iss', 'iat', 'nbf', 'exp']

const schemas = 'http://schemas.microsoft.com'
const soap = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims'

/** The names of claims that resource events write differently. */
const longNames = new Map([
  ['acr', `${schemas}/claims/authnclassreference`],
  ['amr', `${schemas}/claims/authnmethodsreferences`],
  ['deviceid', `${schemas}/2012/01/devicecontext/claims/identifier`],
  ['family_name', `${soap}/surname`],
  ['given_name', `${soap}/givenname`],
  ['idp', `${schemas}/identity/claims/identityprovider`],
  ['oid', `${schemas}/identity/claims/objectidentifier`],
  ['scp', `${schemas}/identity/claims/scope`],
  ['sub', `${soap}/nameidentifier`],
  ['tid', `${schemas}/identity/claims/tenantid`],
  ['unique_name', `${soap}/name`],
  ['upn', `${soap}/upn`],
])

/**
 * A verified token's claims as resource events show them. The token itself is not among them, nor what proves it.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-subscriptions, the examples of `claims`
 */
export function encodeClaims(payload: JWTPayload): Claims {
  const names = Object.keys(payload)
  const ordered = [
    ...leading.filter((name) => names.includes(name)),
    ...names.filter((name) => !leading.includes(name)),
  ]
  return Object.fromEntries(
    ordered
      .filter((name) => payload[name] !== undefined && payload[name] !== null)
      .map((name) => [longNames.get(name) ?? name, textOf(payload[name])]),
  )
}

/** Those that stand for a caller who has no token: who it is, and for what, in Entra's shape. */
export function claimsWithoutToken({
  name,
  objectId = guidOf(`caller ${name}`),
  appId,
  tenantId,
}: {
  readonly name: string
  readonly objectId?: string | undefined
  readonly appId?: string | undefined
  readonly tenantId: string
}): Claims {
  return encodeClaims({
    aud: 'https://management.core.windows.net/',
    iss: `https://sts.windows.net/${tenantId}/`,
    appid: appId ?? objectId,
    name,
    oid: objectId,
    sub: objectId,
    tid: tenantId,
    ver: '1.0',
  })
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
