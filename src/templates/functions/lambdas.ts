import type { Arguments } from '../language/arguments.ts'
import { templateFunction } from '../language/template-function.ts'
import type { Value } from '../language/value.ts'
import { objectOf } from './strings.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-lambda
 */

const dogs = `createArray(createObject('name', 'Evie', 'age', 5), createObject('name', 'Casper', 'age', 3))`

export const lambdaFunctions = [
  templateFunction('filter', 2, filter, [
    [
      `filter(${dogs}, lambda('dog', greaterOrEquals(lambdaVariables('dog').age, 5)))`,
      [{ name: 'Evie', age: 5 }],
    ],
    ["filter(range(0, 5), lambda('item', 'index', less(lambdaVariables('index'), 2)))", [0, 1]],
  ]),
  templateFunction('groupBy', 2, groupBy, [
    [
      "groupBy(createArray('foo', 'bar', 'baz'), lambda('x', substring(lambdaVariables('x'), 0, 1)))",
      { f: ['foo'], b: ['bar', 'baz'] },
    ],
  ]),
  templateFunction(
    'lambda',
    [1, 4],
    (args) => {
      throw args.notExpectedHere()
    },
    [["map(createArray(1), lambda('x', lambdaVariables('x')))", [1]]],
    true,
  ),
  templateFunction('lambdaVariables', 1, lambdaVariables, [
    [
      "map(createArray(1, 2), lambda('x', map(createArray(10), lambda('y', add(lambdaVariables('X'), lambdaVariables('y'))))))",
      [[11], [12]],
    ],
  ]),
  templateFunction('map', 2, map, [
    [`map(${dogs}, lambda('dog', lambdaVariables('dog').name))`, ['Evie', 'Casper']],
    [
      "map(createArray('a', 'b'), lambda('x', 'i', concat(lambdaVariables('x'), lambdaVariables('i'))))",
      ['a0', 'b1'],
    ],
  ]),
  templateFunction('mapValues', 2, mapValues, [
    ["mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))", { a: 2 }],
  ]),
  templateFunction('reduce', 3, reduce, [
    [
      "reduce(createArray(5, 3, 2), 1, lambda('cur', 'next', add(lambdaVariables('cur'), lambdaVariables('next'))))",
      11,
    ],
    [
      "reduce(createArray('a', 'b'), '', lambda('cur', 'next', 'i', concat(lambdaVariables('cur'), lambdaVariables('next'), lambdaVariables('i'))))",
      'a0b1',
    ],
  ]),
  templateFunction('sort', 2, sort, [
    [
      "sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))",
      [1, 2, 3],
    ],
  ]),
  templateFunction('toObject', [2, 3], toObject, [
    [
      `toObject(${dogs}, lambda('dog', lambdaVariables('dog').name), lambda('dog', lambdaVariables('dog').age))`,
      { Evie: 5, Casper: 3 },
    ],
    ["toObject(createArray('a'), lambda('x', lambdaVariables('x')))", { a: 'a' }],
  ]),
] as const

function lambdaVariables(args: Arguments): Value {
  const name = args.string(0)
  const value = args.environment.locals.get(name.toLowerCase())
  if (value === undefined)
    throw args.fault(
      `there is no lambda variable '${name.slice(0, 100)}' here; there are '${[...args.environment.locals.keys()].join(', ')}'`,
    )
  return value
}

function map(args: Arguments): Value {
  const make = args.lambda(1, 2)
  return args.array(0).map((item, index) => make(item, index))
}

function filter(args: Arguments): Value {
  const keeps = args.lambda(1, 2)
  return args.array(0).filter((item, index) => booleanOf(args, keeps(item, index)))
}

function reduce(args: Arguments): Value {
  const join = args.lambda(2, 3, 2)
  return args.array(0).reduce((joined, item, index) => join(joined, item, index), args.value(1))
}

function sort(args: Arguments): Value {
  const comesFirst = args.lambda(1, 2, 2)
  const isBefore = (one: Value, other: Value) => booleanOf(args, comesFirst(one, other))
  return args.array(0).toSorted((one, other) => (isBefore(one, other) ? -1 : isBefore(other, one) ? 1 : 0))
}

function toObject(args: Arguments): Value {
  const nameOf = args.lambda(1, 1)
  const valueOf = args.count > 2 ? args.lambda(2, 1) : (item: Value) => item
  return objectOf(args.array(0).map((item) => [stringOf(args, nameOf(item)), valueOf(item)] as const))
}

function groupBy(args: Arguments): Value {
  const nameOf = args.lambda(1, 1)
  const groups = new Map<string, Value[]>()
  for (const item of args.array(0)) {
    const name = stringOf(args, nameOf(item))
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return objectOf(groups)
}

function mapValues(args: Arguments): Value {
  const make = args.lambda(1, 1)
  return objectOf(Object.entries(args.object(0)).map(([name, value]) => [name, make(value)] as const))
}

function booleanOf(args: Arguments, value: Value): boolean {
  if (typeof value === 'boolean') return value
  throw args.fault('the lambda must answer with a Boolean')
}

function stringOf(args: Arguments, value: Value): string {
  if (typeof value === 'string') return value
  throw args.fault('the lambda of keys must answer with a String')
}
