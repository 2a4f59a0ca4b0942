import { randomBytes } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import { newAccessKey } from '../base/ids.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { invalid } from './errors.ts'
import { newTwin, type Twin } from './twin.ts'

/*
 * A device, or a module of one: who it is and how it proves it, and its twin.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-identity-registry
 */

export type AuthenticationType = 'sas' | 'selfSigned' | 'certificateAuthority' | 'none'

export interface Authentication {
  readonly type: AuthenticationType
  /** Primary and secondary, base64. */
  readonly keys: readonly [string, string]
  /** Of certificates: primary and secondary, in upper-case hexadecimal digits. */
  readonly thumbprints: readonly [string | null, string | null]
}

/** As it is stored, less the keys, which are sealed. */
export interface StoredIdentity {
  readonly deviceId: string
  /** Of a module. */
  readonly moduleId?: string
  /** Ticks of its creation: another one when a deleted id is registered again. */
  readonly generationId: string
  readonly etag: number
  readonly status: 'enabled' | 'disabled'
  readonly statusReason: string | null
  readonly statusUpdatedAt?: EpochMs
  readonly createdAt: EpochMs
  readonly authenticationType: AuthenticationType
  readonly thumbprints: Authentication['thumbprints']
  readonly sealedKeys: string
  readonly isEdge: boolean
  readonly deviceScope?: string
  readonly parentScopes?: readonly string[]
  readonly managedBy?: string | null
  readonly lastActivityAt?: EpochMs
  readonly connectionChangedAt?: EpochMs
  readonly twin: Twin
  /** What configurations that match it have come to, by their ids. */
  readonly configurations?: Readonly<Record<string, { readonly status: 'Targeted' | 'Applied' }>>
}

/** What a request says of an identity, checked. Undefined: it says nothing. */
export interface IdentityRequest {
  readonly status: 'enabled' | 'disabled' | undefined
  readonly statusReason: string | null | undefined
  readonly authentication: AuthenticationRequest | undefined
  readonly isEdge: boolean | undefined
  readonly deviceScope: string | undefined
  readonly parentScopes: readonly string[] | undefined
  readonly managedBy: string | null | undefined
}

export interface AuthenticationRequest {
  readonly type: AuthenticationType
  /** Empty: to be made up. */
  readonly keys: readonly [string, string]
  readonly thumbprints: Authentication['thumbprints']
}

const idCharacters = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/

export function checkId(id: string, what: 'deviceId' | 'moduleId'): string {
  if (idCharacters.test(id)) return id
  throw invalid(what, "1 to 128 letters, digits and characters of - : . + % _ # * ? ! ( ) , = @ ; $ '", id)
}

/** Unknown members, and those that the hub alone says, are passed over: clients send back what they got. */
export function decodeIdentity(body: unknown): IdentityRequest {
  if (!isObject(body)) throw invalid('The body', 'an object', body)
  return {
    status: word(body.status, 'status', ['enabled', 'disabled'] as const),
    statusReason: body.statusReason === null ? null : text(body.statusReason, 'statusReason', 128),
    authentication: body.authentication == null ? undefined : decodeAuthentication(body.authentication),
    isEdge: isObject(body.capabilities) ? body.capabilities.iotEdge === true : undefined,
    deviceScope: text(body.deviceScope ?? undefined, 'deviceScope', 256),
    parentScopes: Array.isArray(body.parentScopes)
      ? body.parentScopes.slice(0, 1).map((scope) => text(scope, 'parentScopes', 256) ?? '')
      : undefined,
    managedBy: body.managedBy === null ? null : text(body.managedBy, 'managedBy', 128),
  }
}

function decodeAuthentication(value: unknown): AuthenticationRequest {
  if (!isObject(value)) throw invalid('authentication', 'an object', value)
  const keys = isObject(value.symmetricKey) ? value.symmetricKey : {}
  const thumbprints = isObject(value.x509Thumbprint) ? value.x509Thumbprint : {}
  const primary = decodeThumbprint(thumbprints.primaryThumbprint, 'primaryThumbprint')
  const secondary = decodeThumbprint(thumbprints.secondaryThumbprint, 'secondaryThumbprint')
  const types = ['sas', 'selfSigned', 'certificateAuthority', 'none'] as const
  const given = word(value.type ?? undefined, 'authentication.type', types)
  const hasThumbprint = primary !== null || secondary !== null
  // Clients that are older than the type tell it by what they give.
  const type = given ?? (hasThumbprint ? 'selfSigned' : 'sas')
  if (type === 'selfSigned' && !hasThumbprint)
    throw invalid('authentication.x509Thumbprint', 'given for a self-signed certificate', undefined)
  return {
    type,
    keys: [decodeKey(keys.primaryKey, 'primaryKey'), decodeKey(keys.secondaryKey, 'secondaryKey')],
    thumbprints: [primary, secondary],
  }
}

function decodeKey(value: unknown, name: string): string {
  const key = text(value ?? undefined, `authentication.symmetricKey.${name}`, 128) ?? ''
  if (key === '') return ''
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length >= 16 && bytes.length <= 64 && /^[A-Za-z0-9+/]+={0,2}$/.test(key)) return key
  // The key itself is nobody's to read.
  throw invalid(`authentication.symmetricKey.${name}`, 'base64 of 16 to 64 bytes', 'something else')
}

function decodeThumbprint(value: unknown, name: string): string | null {
  const given = text(value ?? undefined, `authentication.x509Thumbprint.${name}`, 200)
  if (given === undefined || given === '') return null
  const digits = given.replace(/[:\s]/g, '').toUpperCase()
  if (/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(digits)) return digits
  throw invalid(`authentication.x509Thumbprint.${name}`, 'the SHA-1 or SHA-256 of a certificate', given)
}

function word<Word extends string>(value: unknown, name: string, words: readonly Word[]): Word | undefined {
  if (value === undefined || value === null) return undefined
  const lower = typeof value === 'string' ? value.toLowerCase() : undefined
  const found = words.find((each) => each.toLowerCase() === lower)
  if (found === undefined) throw invalid(name, `one of ${words.join(', ')}`, value)
  return found
}

function text(value: unknown, name: string, most: number): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value.length > most)
    throw invalid(name, `a string of at most ${most} characters`, value)
  return value
}

export interface Keys {
  seal(keys: readonly [string, string], purpose: string): string
  /** Primary and secondary. */
  of(identity: StoredIdentity): readonly [string, string]
}

/** What keys are sealed for: they open for this identity of this generation and no other. */
export const keyPurpose = (
  hubUid: string,
  { deviceId, moduleId = '', generationId }: Pick<StoredIdentity, 'deviceId' | 'moduleId' | 'generationId'>,
): string => `${hubUid}/${deviceId}/${moduleId}/${generationId}`

/** Hundreds of nanoseconds since the year 1. */
export const ticksOf = (moment: EpochMs): string =>
  String(BigInt(moment) * 10_000n + 621_355_968_000_000_000n)

export function newIdentity(
  hubUid: string,
  { deviceId, moduleId }: { readonly deviceId: string; readonly moduleId?: string | undefined },
  request: IdentityRequest,
  now: EpochMs,
  keyring: Keys,
): StoredIdentity {
  const { authentication, isEdge = false } = request
  const { type = 'sas', keys = ['', ''], thumbprints = [null, null] } = authentication ?? {}
  const generationId = ticksOf(now)
  const named = { deviceId, ...(moduleId !== undefined && { moduleId }), generationId }
  const ownScope = isEdge ? `ms-azure-iot-edge://${deviceId}-${generationId}` : undefined
  const scope = ownScope ?? request.deviceScope
  return {
    ...named,
    // Begins anywhere, so that an old one is as good as never that of a new device.
    etag: randomBytes(4).readUInt32BE(),
    status: request.status ?? 'enabled',
    statusReason: request.statusReason ?? null,
    createdAt: now,
    authenticationType: type,
    thumbprints,
    sealedKeys: keyring.seal(type === 'sas' ? made(keys) : keys, keyPurpose(hubUid, named)),
    isEdge,
    ...(scope !== undefined && { deviceScope: scope }),
    parentScopes: request.parentScopes ?? (request.deviceScope ? [request.deviceScope] : []),
    ...(moduleId !== undefined && { managedBy: request.managedBy ?? null }),
    twin: newTwin(now),
  }
}

/** What a request changes of an identity; what it does not say stays. */
export function updatedIdentity(
  hubUid: string,
  before: StoredIdentity,
  request: IdentityRequest,
  now: EpochMs,
  keys: Keys,
): StoredIdentity {
  const { authentication, status = before.status, isEdge = before.isEdge } = request
  return {
    ...before,
    etag: before.etag + 1,
    status,
    statusReason: request.statusReason === undefined ? before.statusReason : request.statusReason,
    ...(status !== before.status && { statusUpdatedAt: now }),
    ...(authentication && {
      authenticationType: authentication.type,
      thumbprints: authentication.thumbprints,
      sealedKeys: sealedAgain(hubUid, before, authentication, keys),
    }),
    isEdge,
    ...(request.deviceScope !== undefined && { deviceScope: request.deviceScope }),
    ...(request.parentScopes !== undefined && { parentScopes: request.parentScopes }),
    ...(request.managedBy !== undefined && { managedBy: request.managedBy }),
  }
}

/** Keys that a request leaves empty stay: clients send empty ones when they change something else. */
function sealedAgain(
  hubUid: string,
  before: StoredIdentity,
  { type, keys: [primary, secondary] }: AuthenticationRequest,
  keys: Keys,
): string {
  const [first, second] = keys.of(before)
  const next = [primary === '' ? first : primary, secondary === '' ? second : secondary] as const
  return keys.seal(type === 'sas' ? made(next) : next, keyPurpose(hubUid, before))
}

const made = ([primary, secondary]: readonly [string, string]): readonly [string, string] => [
  primary === '' ? newAccessKey() : primary,
  secondary === '' ? newAccessKey() : secondary,
]

/** Reads what the service's form of a twin wants changed. */
export function decodeTwinChange(
  body: unknown,
  check: (value: unknown, path: string) => WireObject,
): { readonly tags: WireObject | undefined; readonly desired: WireObject | undefined } {
  if (!isObject(body)) throw invalid('The body', 'an object', body)
  const { tags, properties } = body
  const desired = isObject(properties) ? properties.desired : undefined
  return {
    tags: tags == null ? undefined : check(tags, 'tags'),
    desired: desired == null ? undefined : check(desired, 'properties.desired'),
  }
}
