import { isArray, isObject, isSame, keyOf, memberOf, type ObjectValue, type Value } from './language/value.ts'

/*
 * What a deployment would change.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/deploy-what-if
 */

export type ChangeType = 'Create' | 'Delete' | 'Ignore' | 'Deploy' | 'NoChange' | 'Modify' | 'Unsupported'
export type PropertyChangeType = 'Create' | 'Delete' | 'Modify' | 'Array' | 'NoEffect'

export interface ResourceChange {
  readonly changeType: ChangeType
  readonly before?: ObjectValue
  readonly after?: ObjectValue
  readonly delta?: readonly PropertyChange[]
}

export interface PropertyChange {
  /** From the resource, such as `properties.publicNetworkAccess`; within an array from the item, or its index. */
  readonly path: string
  readonly propertyChangeType: PropertyChangeType
  readonly before: Value
  readonly after: Value
  readonly children?: readonly PropertyChange[]
}

export interface Comparison {
  /** True for a property that only the server writes: it is never deleted, and setting it has no effect. */
  isReadOnly(path: string): boolean
  /**
   * What the server puts in place of a property that is not given; undefined when it puts nothing. A property that
   * only one side has, with that value, has not changed.
   */
  defaultOf(path: string): Value | undefined
  /** True when all that the template omits will be deleted: mode Complete. */
  readonly deletesOmitted: boolean
  /** True when only ids are asked for: nothing is compared, what would be written is a `Deploy`. */
  readonly isIdsOnly: boolean
}

/**
 * What becomes of one resource.
 *
 * @param before the resource as it is, undefined when there is none
 * @param after the resource as the template has it, undefined when the template omits it
 */
export function compareResource(
  before: ObjectValue | undefined,
  after: ObjectValue | undefined,
  comparison: Comparison,
): ResourceChange {
  if (!after) {
    const changeType = comparison.deletesOmitted ? 'Delete' : 'Ignore'
    return before && !comparison.isIdsOnly ? { changeType, before } : { changeType }
  }
  if (comparison.isIdsOnly) return { changeType: 'Deploy' }
  if (!before) return { changeType: 'Create', after }
  const delta = compareObjects(before, after, '', { paths: comparison, at: '' })
  const isChanged = delta.some(({ propertyChangeType }) => propertyChangeType !== 'NoEffect')
  return { changeType: isChanged ? 'Modify' : 'NoChange', before, after, delta }
}

/** The paths that a change is reported under, and the whole one that rules go by. */
interface Where {
  readonly paths: Comparison
  /** The whole path of the object; items of arrays have `[*]` in it. */
  readonly at: string
}

const below = (path: string, name: string) => (path === '' ? name : `${path}.${name}`)

function compareObjects(
  before: ObjectValue,
  after: ObjectValue,
  path: string,
  where: Where,
): readonly PropertyChange[] {
  const names = [
    ...Object.keys(before),
    ...Object.keys(after).filter((name) => keyOf(before, name) === undefined),
  ]
  return names.flatMap((name) => {
    const inside = { ...where, at: below(where.at, name) }
    return compareMember(memberOf(before, name), memberOf(after, name), below(path, name), inside)
  })
}

function compareMember(
  before: Value | undefined,
  after: Value | undefined,
  path: string,
  where: Where,
): readonly PropertyChange[] {
  const { paths, at } = where
  if (paths.isReadOnly(at)) {
    const isSet = after !== undefined && !isAlike(before, after)
    return isSet ? [{ path, propertyChangeType: 'NoEffect', before: before ?? null, after }] : []
  }
  if (before === undefined || after === undefined || before === null || after === null)
    return compareWithNothing(before ?? undefined, after ?? undefined, path, where)
  if (isObject(before) && isObject(after)) return compareObjects(before, after, path, where)
  if (isArray(before) && isArray(after)) {
    const children = compareArrays(before, after, where)
    return children.length === 0 ? [] : [{ path, propertyChangeType: 'Array', before, after, children }]
  }
  return isAlike(before, after) ? [] : [{ path, propertyChangeType: 'Modify', before, after }]
}

/** Null and absent are alike, and so are absent and the default; of an object each member is asked for itself. */
function compareWithNothing(
  before: Value | undefined,
  after: Value | undefined,
  path: string,
  where: Where,
): readonly PropertyChange[] {
  const value = before ?? after
  if (value === undefined) return []
  const preset = where.paths.defaultOf(where.at)
  if (preset !== undefined && isAlike(preset, value)) return []
  if (isObject(value) && hasOwnRules(value, where))
    return before === undefined
      ? compareObjects({}, value, path, where)
      : compareObjects(value, {}, path, where)
  return before === undefined
    ? [{ path, propertyChangeType: 'Create', before: null, after: value }]
    : [{ path, propertyChangeType: 'Delete', before: value, after: null }]
}

/** True when something in the object is read-only or has a default, so that it does not count as a whole. */
function hasOwnRules(value: ObjectValue, { paths, at }: Where): boolean {
  return Object.entries(value).some(([name, member]) => {
    const inside = below(at, name)
    if (paths.isReadOnly(inside) || paths.defaultOf(inside) !== undefined) return true
    return isObject(member) && hasOwnRules(member, { paths, at: inside })
  })
}

interface Pair {
  readonly before: Value | undefined
  readonly after: Value | undefined
  /** Where it is in the array as it will be, or as it was. */
  readonly index: number
}

function compareArrays(
  before: readonly Value[],
  after: readonly Value[],
  where: Where,
): readonly PropertyChange[] {
  const inside = { ...where, at: `${where.at}[*]` }
  return pairs(before, after).flatMap((pair) => {
    const path = String(pair.index)
    const { before: old, after: made } = pair
    if (isObject(old) && isObject(made)) {
      const children = compareObjects(old, made, '', inside)
      return children.length === 0
        ? []
        : [{ path, propertyChangeType: 'Modify' as const, before: null, after: null, children }]
    }
    return compareMember(old, made, path, inside)
  })
}

/**
 * Which item of one array is which of the other: those that are alike; of objects with names, those of one name; of
 * the rest, those in the same order. That items have changed places is no change.
 */
function pairs(before: readonly Value[], after: readonly Value[]): readonly Pair[] {
  const left = new Map(before.entries())
  const made = new Map<number, number>()
  const pairUp = (isPair: (old: Value, each: Value) => boolean) => {
    for (const [index, each] of after.entries()) {
      if (made.has(index)) continue
      for (const [oldIndex, old] of left) {
        if (!isPair(old, each)) continue
        made.set(index, oldIndex)
        left.delete(oldIndex)
        break
      }
    }
  }
  pairUp(isAlike)
  pairUp((old, each) => nameOf(old) !== undefined && nameOf(old) === nameOf(each))
  pairUp(
    (old, each) => isObject(old) && isObject(each) && nameOf(old) === undefined && nameOf(each) === undefined,
  )
  const found = after.map((each, index) => {
    const oldIndex = made.get(index)
    return { index, after: each, before: oldIndex === undefined ? undefined : before[oldIndex] }
  })
  const gone = [...left].map(([index, each]) => ({ index, before: each, after: undefined }))
  return [...gone, ...found]
}

/** What tells an item from its neighbours. */
function nameOf(value: Value): string | undefined {
  if (!isObject(value)) return undefined
  const name = memberOf(value, 'name') ?? memberOf(value, 'id')
  return typeof name === 'string' ? name.toLowerCase() : undefined
}

const isAlike = (one: Value | undefined, other: Value | undefined) =>
  one !== undefined && other !== undefined && isSame(one, other, () => {})
