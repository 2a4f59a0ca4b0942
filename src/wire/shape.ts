import { invalidProperty } from './errors.ts'

/*
 * Reads members of a request body. Each function takes one member, checks it, and names its full path in the
 * refusal. `null` counts as absent, names and enum words match in any letter case, unknown members are ignored:
 * that is how Azure's deserialiser behaves and what its clients, which echo whole resources, rely on.
 */

export interface Fields {
  /** Path of the member, for messages. */
  at(name: string): string
  /** The member's value; undefined when absent or null. */
  raw(name: string): unknown
}

export type WireObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is WireObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @param path '' for the body itself */
export function fields(value: unknown, path: string): Fields {
  if (!isObject(value)) throw invalidProperty(path === '' ? 'body' : path, 'an object', value)
  return {
    at: (name) => (path === '' ? name : `${path}.${name}`),
    raw: (name) => value[keyOf(value, name) ?? name] ?? undefined,
  }
}

/** The members of `base`, with those that `patch` has put in their place, whatever letter case it uses. */
export function overlay(base: WireObject, patch: WireObject): WireObject {
  const merged = new Map(Object.entries(base))
  for (const [name, value] of Object.entries(patch)) merged.set(keyOf(base, name) ?? name, value)
  return Object.fromEntries(merged)
}

function keyOf(object: WireObject, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name
  const lower = name.toLowerCase()
  return Object.keys(object).find((key) => key.toLowerCase() === lower)
}

export function readObject(from: Fields, name: string): Fields | undefined {
  const value = from.raw(name)
  return value === undefined ? undefined : fields(value, from.at(name))
}

export function readString(from: Fields, name: string, maxCharacters: number): string | undefined {
  const value = from.raw(name)
  if (value === undefined) return undefined
  return checkString(value, from.at(name), maxCharacters)
}

export function checkString(value: unknown, path: string, maxCharacters: number): string {
  if (typeof value !== 'string') throw invalidProperty(path, 'a string', value)
  if (value.length > maxCharacters)
    throw invalidProperty(path, `at most ${maxCharacters} characters long`, `${value.length} characters`)
  return value
}

export function readBoolean(from: Fields, name: string): boolean | undefined {
  const value = from.raw(name)
  if (value === undefined || typeof value === 'boolean') return value
  throw invalidProperty(from.at(name), 'true or false', value)
}

export function readInteger(from: Fields, name: string, min: number, max: number): number | undefined {
  const value = from.raw(name)
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalidProperty(from.at(name), `an integer from ${min} to ${max}`, value)
}

/** The canonical spelling of the word. */
export function readEnum<Word extends string>(
  from: Fields,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const value = from.raw(name)
  if (value === undefined) return undefined
  const lower = typeof value === 'string' ? value.toLowerCase() : undefined
  const word = words.find((each) => each.toLowerCase() === lower)
  if (word === undefined) throw invalidProperty(from.at(name), `one of ${words.join(', ')}`, value)
  return word
}

export interface Item {
  readonly value: unknown
  readonly path: string
}

export function readArray(from: Fields, name: string, maxItems: number): readonly Item[] | undefined {
  const value = from.raw(name)
  if (value === undefined) return undefined
  const path = from.at(name)
  if (!Array.isArray(value)) throw invalidProperty(path, 'an array', value)
  if (value.length > maxItems)
    throw invalidProperty(path, `an array of at most ${maxItems} items`, `${value.length} items`)
  return value.map((item: unknown, index) => ({ value: item, path: `${path}[${index}]` }))
}
