import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import { invalidProperty } from '../wire/errors.ts'
import { fields, readEnum, type WireObject } from '../wire/shape.ts'
import { decodeTags, tagLimits } from './envelope.ts'
import { gatewayError } from './errors.ts'
import type { ProviderBlock } from './path.ts'
import type { Subscription } from './subscriptions.ts'

/*
 * Tags as a resource of their own on whatever has tags, and the names of tags that a subscription uses.
 *
 * Source: learn.microsoft.com/rest/api/resources/tags
 */

export type Tags = Readonly<Record<string, string>>

/** Whether a path ends with `Microsoft.Resources/tags/default`. */
export const isTags = ({ namespace, types, names }: ProviderBlock): boolean =>
  namespace.toLowerCase() === 'microsoft.resources' &&
  types.length === 1 &&
  types[0]?.toLowerCase() === 'tags' &&
  names[0]?.toLowerCase() === 'default'

export const tagsId = (scope: string) => `${scope}/providers/Microsoft.Resources/tags/default`

export const encodeTags = (scope: string, tags: Tags) => ({
  id: tagsId(scope),
  name: 'default',
  type: 'Microsoft.Resources/tags',
  properties: { tags },
})

/** What a PUT makes the tags, or a PATCH of the tags that are there. */
export function decodeTagsBody(body: WireObject, method: string, before: Tags): Tags {
  const properties = fields(fields(body, '').raw('properties') ?? {}, 'properties')
  const given = decodeTags(properties) ?? {}
  if (method === 'PUT') return given
  const from = fields(body, '')
  const operation = readEnum(from, 'operation', ['Merge', 'Replace', 'Delete'])
  if (operation === undefined)
    throw invalidProperty('operation', 'one of Merge, Replace, Delete', from.raw('operation'))
  if (operation === 'Replace') return given
  const kept = Object.entries(before).filter(([name, value]) => {
    const known = lookUp(given, name)
    return operation === 'Merge' ? known === undefined : known !== value
  })
  const tags = operation === 'Merge' ? [...kept, ...Object.entries(given)] : kept
  if (tags.length > tagLimits.tags)
    throw gatewayError(
      400,
      'TooManyTags',
      `A resource has at most ${tagLimits.tags} tags; got ${tags.length}.`,
    )
  return Object.fromEntries(tags)
}

/** By name, whose letter case does not matter. */
function lookUp(tags: Tags, name: string): string | undefined {
  const lower = name.toLowerCase()
  return Object.entries(tags).find(([known]) => known.toLowerCase() === lower)?.[1]
}

/** Every name of a tag that is used in the subscription or was made in it, with its values and their counts. */
export function tagNamesOf(
  catalog: StoredCatalog,
  { id, tags, tagNames }: Subscription,
): readonly ReturnType<typeof encodeTagName>[] {
  const scope = `/subscriptions/${id}`
  const counts = new Map<string, { name: string; values: Map<string, { value: string; count: number }> }>()
  const take = (name: string, value: string | undefined, count: number) => {
    const key = name.toLowerCase()
    let known = counts.get(key)
    if (!known) counts.set(key, (known = { name, values: new Map() }))
    if (value === undefined) return
    const same = known.values.get(value.toLowerCase()) ?? { value, count: 0 }
    known.values.set(value.toLowerCase(), { ...same, count: same.count + count })
  }
  for (const [name, values] of Object.entries(tagNames))
    for (const value of [undefined, ...values]) take(name, value, 0)
  for (const [name, value] of Object.entries(tags)) take(name, value, 1)
  for (const type of catalog.types())
    for (const { resource } of catalog.below(type, `${scope}/`))
      for (const [name, value] of Object.entries(resource.tags ?? {})) take(name, value, 1)
  return [...counts.values()].map(({ name, values }) => encodeTagName(scope, name, [...values.values()]))
}

function encodeTagName(scope: string, name: string, values: readonly { value: string; count: number }[]) {
  const id = `${scope}/tagNames/${name}`
  const total = values.reduce((sum, { count }) => sum + count, 0)
  return {
    id,
    tagName: name,
    count: { type: 'Total', value: total },
    values: values.map(({ value, count }) => ({
      id: `${id}/tagValues/${value}`,
      tagValue: value,
      count: { type: 'Total', value: count },
    })),
  }
}

/** Names that were made without a resource, per subscription, and values of one of them; our own bound. */
const tagNamesKept = 1_000

/** A PUT or DELETE of `tagNames/{name}` or of `tagNames/{name}/tagValues/{value}`. */
export interface TagNameChange {
  readonly name: string
  readonly value: string | undefined
  readonly method: 'PUT' | 'DELETE'
}

/** @returns what is kept from then on; undefined where that is what is kept already */
export function changedTagNames(
  { tagNames }: Subscription,
  { name, value, method }: TagNameChange,
): Subscription['tagNames'] | undefined {
  const lower = name.toLowerCase()
  const [known = name, values] = Object.entries(tagNames).find(([each]) => each.toLowerCase() === lower) ?? []
  const others = Object.fromEntries(Object.entries(tagNames).filter(([each]) => each !== known))
  if (method === 'DELETE') {
    if (!values) return undefined
    if (value === undefined) return others
    const left = values.filter((each) => each.toLowerCase() !== value.toLowerCase())
    return left.length === values.length ? undefined : { ...others, [known]: left }
  }
  if (value === undefined) {
    if (values) return undefined
    decodeTags(fields({ tags: { [name]: '' } }, ''))
    checkRoom('names of tags', Object.keys(tagNames).length)
    return { ...tagNames, [name]: [] }
  }
  if (!values)
    throw gatewayError(404, 'TagNotFound', `The tag name '${name}' was not made; PUT it before its values.`)
  if (values.some((each) => each.toLowerCase() === value.toLowerCase())) return undefined
  decodeTags(fields({ tags: { [name]: value } }, ''))
  checkRoom(`values of the tag '${name}'`, values.length)
  return { ...others, [known]: [...values, value] }
}

function checkRoom(what: string, count: number): void {
  if (count >= tagNamesKept)
    throw gatewayError(409, 'Conflict', `There are ${tagNamesKept} ${what} already, and no more can be kept.`)
}

/** Whether a tag of that name, or with that value, is on something; such a name is not taken away. */
export function isTagUsed(
  catalog: StoredCatalog,
  { id, tags }: Subscription,
  { name, value }: TagNameChange,
): boolean {
  const isMeant = (given: Tags = {}) => {
    const found = lookUp(given, name)
    return found !== undefined && (value === undefined || found.toLowerCase() === value.toLowerCase())
  }
  if (isMeant(tags)) return true
  for (const type of catalog.types())
    for (const { resource } of catalog.below(type, `/subscriptions/${id}/`))
      if (isMeant(resource.tags)) return true
  return false
}

export const tagInUse = (name: string) =>
  gatewayError(409, 'TagNameInUse', `The tag '${name}' is on resources; it goes when they have it no more.`)
