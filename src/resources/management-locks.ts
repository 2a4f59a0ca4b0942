import { invalidProperty } from '../wire/errors.ts'
import { checkString, fields, readArray, readEnum, readString } from '../wire/shape.ts'
import { lockNotFound } from './errors.ts'
import type { Content, ResourceType } from './resource-type.ts'

/** A lock's stored `properties`. */
export interface LockProperties {
  readonly level: 'CanNotDelete' | 'ReadOnly'
  readonly notes: string | null
  readonly owners: readonly { readonly applicationId: string }[] | null
}

const notesCharacters = 512
const ownersPerLock = 100
const idCharacters = 255

function decode(wire: Readonly<Record<string, unknown>>): Content {
  const from = fields(wire, 'properties')
  const level = readEnum(from, 'level', ['CanNotDelete', 'ReadOnly'])
  if (level === undefined)
    throw invalidProperty(from.at('level'), 'one of CanNotDelete, ReadOnly', from.raw('level'))
  const owners = readArray(from, 'owners', ownersPerLock)?.map(({ value, path }) => {
    const owner = fields(value, path)
    const id = owner.raw('applicationId')
    return { applicationId: checkString(id, owner.at('applicationId'), idCharacters) }
  })
  const properties: LockProperties = {
    level,
    notes: readString(from, 'notes', notesCharacters) ?? null,
    owners: owners ?? null,
  }
  return { properties: { ...properties }, secrets: {} }
}

/**
 * Locks, which keep what they stand on and all within it from being deleted, or from being changed at all.
 *
 * Source: learn.microsoft.com/rest/api/resources/management-locks
 */
export const managementLocks: ResourceType = {
  type: 'Microsoft.Authorization/locks',
  childForms: [],
  scope: 'extension',
  extension: { refuses: () => undefined, childOnlyOf: [] },
  tracked: false,
  hasIdentity: false,
  name: {
    pattern: /^[^<>%&:\\?/\p{Cc}]{1,260}$/u,
    rule: '1 to 260 characters without < > % & : \\ ? / and control characters',
  },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 200, update: 200, delete: 200 },
  unique: undefined,
  quota: () => 20,
  companion: undefined,
  decode,
  patch: undefined,
  encode: ({ properties }) => {
    const { level, notes, owners } = properties as unknown as LockProperties
    return { level, ...(notes !== null && { notes }), ...(owners !== null && { owners }) }
  },
  actions: {},
  notFound: lockNotFound,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'keep',
    body: { properties: { level: 'CanNotDelete', notes: 'Orders depend on it.' } },
  },
}
