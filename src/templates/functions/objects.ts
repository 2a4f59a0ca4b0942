import type { Arguments } from '../language/arguments.ts'
import { templateFunction } from '../language/template-function.ts'
import {
  isArray,
  isObject,
  isSame,
  keyOf,
  memberOf,
  type ObjectValue,
  type Value,
} from '../language/value.ts'
import { spendOf } from './arrays.ts'
import { objectOf } from './strings.ts'

/*
 * Functions of objects, and of sets, which are objects or arrays.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-object
 */

const any = Number.POSITIVE_INFINITY

export const objectFunctions = [
  templateFunction('createObject', [0, any], createObject, [
    ["createObject('intProp', 1, 'arrayProp', createArray('a'))", { intProp: 1, arrayProp: ['a'] }],
  ]),
  templateFunction('intersection', [2, any], intersection, [
    [
      "intersection(createObject('one', 'a', 'two', 'b', 'three', 'c'), createObject('one', 'a', 'two', 'z', 'three', 'c'))",
      { one: 'a', three: 'c' },
    ],
    ["intersection(createArray('one', 'two', 'three'), createArray('two', 'three'))", ['two', 'three']],
  ]),
  templateFunction('items', 1, items, [
    [
      "items(createObject('b', 2, 'a', 1))",
      [
        { key: 'a', value: 1 },
        { key: 'b', value: 2 },
      ],
    ],
  ]),
  templateFunction('objectKeys', 1, (args) => Object.keys(args.object(0)), [
    ["objectKeys(createObject('a', 1, 'b', 2))", ['a', 'b']],
  ]),
  templateFunction('shallowMerge', 1, shallowMerge, [
    [
      "shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2), 'b', 3)))",
      { a: { y: 2 }, b: 3 },
    ],
  ]),
  templateFunction('tryGet', [2, any], tryGet, [
    ["tryGet(createObject('a', createArray(1, 2)), 'a', 1)", 2],
    ["tryGet(createObject('a', 1), 'b')", null],
    ['tryGet(null(), 0)', null],
  ]),
  templateFunction('union', [1, any], union, [
    [
      "union(createObject('one', 'a', 'three', createObject('x', 1)), createObject('three', createObject('y', 2), 'four', 'd'))",
      { one: 'a', three: { x: 1, y: 2 }, four: 'd' },
    ],
    ["union(createArray('one', 'two'), createArray('two', 'three'))", ['one', 'two', 'three']],
  ]),
] as const

function createObject(args: Arguments): Value {
  if (args.count % 2 !== 0) throw args.fault('each name must be followed by a value')
  const entries: [string, Value][] = []
  for (let at = 0; at < args.count; at += 2) entries.push([args.string(at), args.value(at + 1)])
  return objectOf(entries)
}

function intersection(args: Arguments): Value {
  const spend = spendOf(args.environment.budget)
  const rest = args.all().slice(1)
  if (isArray(args.value(0))) {
    const others = rest.map((_, index) => args.array(index + 1))
    const common = args
      .array(0)
      .filter((item) => others.every((other) => other.some((each) => isSame(each, item, spend))))
    return distinct(common, spend)
  }
  const others = rest.map((_, index) => args.object(index + 1))
  const isCommon = ([name, value]: [string, Value]) =>
    others.every((other) => {
      const member = memberOf(other, name)
      return member !== undefined && isSame(member, value, spend)
    })
  return objectOf(Object.entries(args.object(0)).filter(isCommon))
}

function items(args: Arguments): Value {
  return Object.entries(args.object(0))
    .toSorted(([one], [other]) => (one.toLowerCase() < other.toLowerCase() ? -1 : 1))
    .map(([key, value]) => ({ key, value }))
}

function shallowMerge(args: Arguments): Value {
  const merged = new Map<string, readonly [string, Value]>()
  for (const each of args.array(0)) {
    if (!isObject(each)) throw args.wrongType(0, 'Array of Object', each)
    for (const [name, value] of Object.entries(each)) {
      const lower = name.toLowerCase()
      merged.set(lower, [merged.get(lower)?.[0] ?? name, value])
    }
  }
  return objectOf(merged.values())
}

/** What lies along a path, or null where the path leads nowhere. */
function tryGet(args: Arguments): Value {
  let value: Value | undefined = args.value(0)
  for (let at = 1; at < args.count && value !== undefined && value !== null; at++) {
    const key = args.value(at)
    if (isArray(value) && typeof key === 'number') value = key < 0 ? undefined : value[key]
    else if (isObject(value) && typeof key === 'string') value = memberOf(value, key)
    else throw args.wrongType(at, isArray(value) ? 'Integer' : 'String', key)
  }
  return value ?? null
}

function union(args: Arguments): Value {
  const spend = spendOf(args.environment.budget)
  if (isArray(args.value(0))) {
    const arrays = args.all().map((_, index) => args.array(index))
    return distinct(arrays.flat(1), spend)
  }
  return args.all().reduce<ObjectValue>((merged, _, index) => merge(merged, args.object(index), spend), {})
}

/** Objects in both become one object; anything else is what the second has. */
function merge(one: ObjectValue, other: ObjectValue, spend: (steps: number) => void): ObjectValue {
  const merged = new Map(Object.entries(one))
  for (const [name, value] of Object.entries(other)) {
    spend(1)
    const key = keyOf(one, name) ?? name
    const before = merged.get(key)
    merged.set(key, isObject(before) && isObject(value) ? merge(before, value, spend) : value)
  }
  return objectOf(merged)
}

function distinct(values: readonly Value[], spend: (steps: number) => void): readonly Value[] {
  const seen = new Set<Value>()
  const found: Value[] = []
  for (const value of values) {
    const isComposite = typeof value === 'object' && value !== null
    if (isComposite ? found.some((each) => isSame(each, value, spend)) : seen.has(value)) continue
    seen.add(value)
    found.push(value)
  }
  return found
}
