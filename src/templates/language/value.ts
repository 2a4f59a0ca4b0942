import { suggestion } from '../../base/nearest.ts'
import { ExpressionFault } from '../errors.ts'
import { templateLimits } from '../limits.ts'

/** What an expression can be: JSON. Objects are never changed once made, so values share their parts. */
export type Value = null | boolean | number | string | readonly Value[] | ObjectValue
export interface ObjectValue {
  readonly [name: string]: Value
}

export const isArray = (value: Value | undefined): value is readonly Value[] => Array.isArray(value)
export const isObject = (value: Value | undefined): value is ObjectValue =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The type of a value, in the words of Resource Manager's messages. */
export function typeOf(value: Value): string {
  if (value === null) return 'Null'
  if (isArray(value)) return 'Array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'Integer' : 'Float'
  return { boolean: 'Boolean', string: 'String', object: 'Object' }[
    typeof value as 'boolean' | 'string' | 'object'
  ]
}

/** The object's own spelling of a member's name: names match in any letter case. */
export function keyOf(object: ObjectValue, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name
  const lower = name.toLowerCase()
  return Object.keys(object).find((key) => key.toLowerCase() === lower)
}

export function memberOf(object: ObjectValue, name: string): Value | undefined {
  const key = keyOf(object, name)
  return key === undefined ? undefined : object[key]
}

/** What `.name` or `[key]` of a value is. Throws when there is no such member. */
export function access(value: Value, key: Value): Value {
  if (isArray(value)) {
    if (typeof key !== 'number' || !Number.isInteger(key))
      throw new ExpressionFault(
        `The language expression property array index must be an Integer; it is of type '${typeOf(key)}'.`,
      )
    const item = value[key]
    if (key < 0 || item === undefined)
      throw new ExpressionFault(
        `The language expression property array index '${key}' is out of bounds: the array has ${value.length} items.`,
      )
    return item
  }
  if (!isObject(value))
    throw new ExpressionFault(
      `The language expression property '${shownKey(key)}' can't be evaluated: its target is of type '${typeOf(value)}', not Object or Array.`,
    )
  if (typeof key !== 'string')
    throw new ExpressionFault(
      `The language expression property name must be a String; it is of type '${typeOf(key)}'.`,
    )
  const member = memberOf(value, key)
  if (member !== undefined) return member
  const names = Object.keys(value)
  const shown = names.slice(0, 20).join(', ') + (names.length > 20 ? ', …' : '')
  throw new ExpressionFault(
    `The language expression property '${key.slice(0, 100)}' doesn't exist, available properties are '${shown}'.${suggestion(key.slice(0, 100), names.slice(0, 200))}`,
  )
}

const shownKey = (key: Value) => (typeof key === 'string' ? key.slice(0, 100) : JSON.stringify(key))

/** Whether two values are alike, member by member. @param spend told how much has been compared */
export function isSame(one: Value, other: Value, spend: (steps: number) => void): boolean {
  spend(1)
  if (typeof one === 'string' && typeof other === 'string') {
    if (one.length === other.length) spend(one.length >> 6)
    return one === other
  }
  if (one === other) return true
  if (isArray(one) && isArray(other))
    return (
      one.length === other.length && one.every((item, index) => isSame(item, other[index] as Value, spend))
    )
  if (!isObject(one) || !isObject(other)) return false
  const names = Object.keys(one)
  if (names.length !== Object.keys(other).length) return false
  return names.every((name) => {
    const member = memberOf(other, name)
    return member !== undefined && isSame(one[name] as Value, member, spend)
  })
}

interface Measure {
  readonly size: number
  readonly depth: number
}

/**
 * Sizes of objects and arrays, each counted once: a value may hold another one many times, so that what is small
 * in memory could be endless when it is written out. Every value is measured when it is made.
 */
export class Measures {
  readonly #known = new WeakMap<object, Measure>()

  /** The size of what is new in the value. Throws when the value is larger than a value may be. */
  check(value: Value): number {
    if (typeof value === 'string') {
      if (value.length > templateLimits.stringCharacters)
        throw tooLarge('A string', templateLimits.stringCharacters, 'characters')
      return value.length
    }
    if (typeof value !== 'object' || value === null || this.#known.has(value)) return 1
    return this.#measure(value, 0).added
  }

  #measure(value: Value, above: number): Measure & { readonly added: number } {
    if (above > templateLimits.nesting)
      throw tooLarge('A value', templateLimits.nesting, 'objects and arrays in one another')
    if (typeof value === 'string') return { size: value.length + 1, depth: 0, added: 1 }
    if (typeof value !== 'object' || value === null) return { size: 1, depth: 0, added: 1 }
    const known = this.#known.get(value)
    if (known) return { ...known, added: 1 }
    const children = isArray(value) ? value : Object.values(value)
    if (children.length > templateLimits.arrayItems)
      throw tooLarge('An array or object', templateLimits.arrayItems, 'items')
    let size = 1
    let depth = 0
    let added = 1
    if (!isArray(value)) for (const name of Object.keys(value)) size += name.length
    for (const child of children) {
      const measure = this.#measure(child, above + 1)
      size += measure.size
      added += measure.added
      depth = Math.max(depth, measure.depth)
      if (size > templateLimits.valueSize)
        throw tooLarge('A value', templateLimits.valueSize, 'characters and members')
    }
    depth += 1
    if (depth > templateLimits.nesting)
      throw tooLarge('A value', templateLimits.nesting, 'objects and arrays in one another')
    this.#known.set(value, { size, depth })
    return { size, depth, added }
  }
}

export const tooLarge = (what: string, limit: number, unit: string) =>
  new ExpressionFault(`${what} in a template may have at most ${limit} ${unit}.`)
