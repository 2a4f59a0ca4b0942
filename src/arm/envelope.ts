import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import { suggestion } from '../base/nearest.ts'
import { normalizeLocation, regions } from '../base/regions.ts'
import { guidsOfIdentity } from '../resources/neighbours/user-assigned-identities.ts'
import type { EncodeContext, Identity, ResourceType, StoredResource } from '../resources/resource-type.ts'
import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty } from '../wire/errors.ts'
import { type Fields, fields, isObject, readEnum, type WireObject } from '../wire/shape.ts'
import { gatewayError, locationNotAvailable, locationRequired } from './errors.ts'

/*
 * What surrounds a resource's own properties: location, tags, identity, systemData.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/management/tag-resources, "Limitations"
 */

export const tagLimits = { tags: 50, nameCharacters: 512, valueCharacters: 256 }

/** @returns the normalised location of a tracked resource's body, or the one that its type has by default */
export function decodeLocation(
  body: Fields,
  { type, defaultLocation }: Pick<ResourceType, 'type' | 'defaultLocation'>,
): string {
  const given = body.raw('location') ?? defaultLocation
  if (given === undefined || given === '') throw locationRequired(type)
  const location = typeof given === 'string' ? normalizeLocation(given) : ''
  if (!/^[a-z0-9]{1,64}$/.test(location))
    throw invalidProperty('location', 'the name of a location, such as westus2', given)
  return location
}

const regionNames = new Set(regions.map(({ name }) => name))

/**
 * Throws where nothing of that type can be made.
 *
 * @param own the locations that the configuration names
 */
export function checkLocation(
  location: string,
  { type, mayBeGlobal }: ResourceType,
  own: readonly string[] = [],
): void {
  if (regionNames.has(location) || own.includes(location) || (mayBeGlobal && location === 'global')) return
  const available = [...own, ...(mayBeGlobal ? ['global'] : []), ...regionNames]
  throw locationNotAvailable(location, type, available, suggestion(location, available))
}

/** Undefined when the body has none, which leaves them as they are on PATCH and removes them on PUT. */
export function decodeTags(body: Fields): Readonly<Record<string, string>> | undefined {
  const tags = body.raw('tags')
  if (tags === undefined) return undefined
  if (!isObject(tags)) throw invalidProperty('tags', 'an object of strings', tags)
  const entries = Object.entries(tags)
  if (entries.length > tagLimits.tags)
    throw gatewayError(
      400,
      'TooManyTags',
      `A resource has at most ${tagLimits.tags} tags; got ${entries.length}.`,
    )
  const seen = new Set<string>()
  for (const [name, value] of entries) {
    const path = `tags.${name.slice(0, 40)}`
    if (name.trim() === '' || name.length > tagLimits.nameCharacters || /[<>%&\\?/]/.test(name))
      throw invalidProperty(
        path,
        `a name of 1 to ${tagLimits.nameCharacters} characters without < > % & \\ ? /`,
        name,
      )
    if (typeof value !== 'string') throw invalidProperty(path, 'a string', value)
    if (value.length > tagLimits.valueCharacters)
      throw invalidProperty(
        path,
        `at most ${tagLimits.valueCharacters} characters long`,
        `${value.length} characters`,
      )
    const lower = name.toLowerCase()
    if (seen.has(lower)) throw invalidProperty(path, 'given once, for letter case does not matter', name)
    seen.add(lower)
  }
  return Object.fromEntries(entries) as Record<string, string>
}

/** How many user-assigned identities one resource may have; our own bound. */
const userAssignedPerResource = 100
export const identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

interface IdentityRules {
  readonly tenantId: string
  /** User-assigned identities are laid over those that are there, and null takes one away. */
  readonly patching: boolean
  /** The properties of a user-assigned identity that is stored here. */
  readonly known: (id: string) => WireObject | undefined
}

/**
 * A system-assigned identity keeps its guids for as long as the resource has one; a user-assigned one has the same
 * guids wherever it is assigned.
 */
export function decodeIdentity(
  body: Fields,
  before: Identity | undefined,
  { tenantId, patching, known }: IdentityRules,
): Identity | undefined {
  const given = body.raw('identity')
  if (given === undefined) return undefined
  const from = fields(given, 'identity')
  const types = ['None', 'SystemAssigned', 'UserAssigned', 'SystemAssigned, UserAssigned'] as const
  // The comma may come without its space.
  const word = readEnum(from, 'type', [...types, 'SystemAssigned,UserAssigned'])
  if (word === undefined) throw invalidProperty('identity.type', `one of ${types.join('; ')}`, undefined)
  if (word === 'None') return undefined
  const type = word === 'SystemAssigned,UserAssigned' ? types[3] : word
  const isSystems = type !== 'UserAssigned'
  return {
    type,
    principalId: isSystems ? (before?.principalId ?? newGuid()) : null,
    tenantId: isSystems ? tenantId : null,
    userAssignedIdentities:
      type === 'SystemAssigned' ? undefined : decodeUserAssigned(from, patching ? before : undefined, known),
  }
}

function decodeUserAssigned(
  from: Fields,
  before: Identity | undefined,
  known: IdentityRules['known'],
): NonNullable<Identity['userAssignedIdentities']> {
  const path = from.at('userAssignedIdentities')
  const given = from.raw('userAssignedIdentities') ?? {}
  if (!isObject(given)) throw invalidProperty(path, 'an object whose members are ARM ids', given)
  const ids = new Map(Object.keys(before?.userAssignedIdentities ?? {}).map((id) => [id.toLowerCase(), id]))
  for (const [id, value] of Object.entries(given)) {
    if (!isResourceId(id, identityType)) throw invalidProperty(path, `ARM ids of '${identityType}'`, id)
    if (value === null && before) ids.delete(id.toLowerCase())
    else ids.set(id.toLowerCase(), id)
  }
  if (ids.size === 0) throw invalidProperty(path, 'an object with an identity at least', given)
  if (ids.size > userAssignedPerResource)
    throw invalidProperty(path, `of at most ${userAssignedPerResource} identities`, `${ids.size} identities`)
  return Object.fromEntries(
    [...ids.values()].map((id) => {
      const { principalId, clientId } = { ...guidsOfIdentity(id), ...known(id) }
      return [id, { principalId, clientId }]
    }),
  )
}

const noIdentity: Identity = { type: 'None', principalId: null, tenantId: null }

/** A form under which a resource is reached: its id and type are printed in the form of the request. */
export interface PrintedForm {
  readonly type: string
  readonly id: string
}

/** The resource as clients see it. */
export function encodeResource(
  resource: StoredResource,
  type: ResourceType,
  form: PrintedForm,
  context: EncodeContext,
): Record<string, unknown> {
  const isGroup = type.scope === 'subscription'
  return {
    properties: type.encode(resource, context),
    ...(type.hasIdentity &&
      (resource.identity || !type.generic) && {
        identity: { userAssignedIdentities: null, ...(resource.identity ?? noIdentity) },
      }),
    ...resource.topLevel,
    ...type.envelope?.encode(context.apiVersion?.toLowerCase(), resource),
    ...(!isGroup && !type.withoutSystemData && { systemData: encodeSystemData(resource) }),
    ...(type.tracked && { location: resource.location, tags: resource.tags ?? absentTags(type) }),
    id: form.id,
    name: resource.name,
    type: form.type,
  }
}

/** Event Grid prints null where there are none, and others nothing or an empty object. */
function absentTags({ scope, generic }: ResourceType): WireObject | null | undefined {
  if (generic) return {}
  return scope === 'subscription' ? undefined : null
}

const encodeSystemData = ({ createdAt, createdBy, changedAt, changedBy }: StoredResource) => ({
  createdBy,
  createdByType: 'User',
  createdAt: encodeMoment(createdAt),
  lastModifiedBy: changedBy,
  lastModifiedByType: 'User',
  lastModifiedAt: encodeMoment(changedAt),
})

/** An entity tag of fixed length, so that one cannot be part of another. */
export const etagOf = (version: number): string => `"${version.toString(16).padStart(16, '0')}"`
