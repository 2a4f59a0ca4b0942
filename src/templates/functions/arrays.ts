import type { Arguments } from '../language/arguments.ts'
import type { Budget } from '../language/environment.ts'
import { templateFunction } from '../language/template-function.ts'
import { isArray, isObject, isSame, keyOf, type Value } from '../language/value.ts'
import { checkItems } from './strings.ts'

/*
 * Functions of arrays, and those that take an array, a text or an object alike.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-array
 */

const any = Number.POSITIVE_INFINITY

export const arrayFunctions = [
  templateFunction('array', 1, (args) => (isArray(args.value(0)) ? args.value(0) : [args.value(0)]), [
    ["array('a')", ['a']],
    ['array(createArray(1))', [1]],
  ]),
  templateFunction('contains', 2, contains, [
    ["contains('OneTwoThree', 'Two')", true],
    ["contains('OneTwoThree', 'two')", false],
    ["contains(createObject('one', 'a'), 'ONE')", true],
    ["contains(createArray('one', 'two'), 'three')", false],
    ['contains(createArray(createArray(1)), createArray(1))', true],
  ]),
  templateFunction('createArray', [0, any], (args) => args.all(), [
    ["createArray(1, 'a', createArray())", [1, 'a', []]],
  ]),
  templateFunction('empty', 1, (args) => args.value(0) === null || lengthOf(args) === 0, [
    ["empty('')", true],
    ['empty(createArray(1))', false],
    ['empty(createObject())', true],
    ['empty(null())', true],
  ]),
  templateFunction('first', 1, (args) => endOf(args, 0), [
    ["first('One Two')", 'O'],
    ["first(createArray('one', 'two'))", 'one'],
  ]),
  templateFunction('flatten', 1, flatten, [
    ["flatten(createArray(createArray('one', 'two'), createArray('three')))", ['one', 'two', 'three']],
  ]),
  templateFunction('indexOf', 2, (args) => indexOf(args, false), [
    ["indexOf('test', 't')", 0],
    ["indexOf('abcdef', 'CD')", 2],
    ["indexOf('abcdef', 'z')", -1],
    ["indexOf(createArray('one', 'two', 'one'), 'one')", 0],
  ]),
  templateFunction('last', 1, (args) => endOf(args, -1), [
    ["last('One Two')", 'o'],
    ["last(createArray('one', 'two'))", 'two'],
  ]),
  templateFunction('lastIndexOf', 2, (args) => indexOf(args, true), [
    ["lastIndexOf('test', 't')", 3],
    ["lastIndexOf('abcdef', 'AB')", 0],
    ["lastIndexOf(createArray('one', 'two', 'one'), 'one')", 2],
  ]),
  templateFunction('length', 1, lengthOf, [
    ["length('One Two Three')", 13],
    ['length(createArray(1, 2, 3))', 3],
    ["length(createObject('a', 1))", 1],
  ]),
  templateFunction('range', 2, range, [['range(5, 3)', [5, 6, 7]]]),
  templateFunction('skip', 2, (args) => slice(args, Math.max(args.integer(1), 0), any), [
    ["skip(createArray('one', 'two', 'three'), 2)", ['three']],
    ["skip('one two three', 4)", 'two three'],
    ["skip('one', -1)", 'one'],
  ]),
  templateFunction('take', 2, (args) => slice(args, 0, Math.max(args.integer(1), 0)), [
    ["take(createArray('one', 'two', 'three'), 2)", ['one', 'two']],
    ["take('one two', 3)", 'one'],
    ["take('one', 9)", 'one'],
  ]),
] as const

function contains(args: Arguments): boolean {
  const container = args.value(0)
  if (isArray(container)) return container.some((item) => isSame(item, args.value(1), spender(args)))
  if (isObject(container)) return keyOf(container, args.text(1)) !== undefined
  if (typeof container === 'string') return container.includes(args.text(1))
  throw args.wrongType(0, 'Array, Object or String', container)
}

const spender = ({ environment: { budget } }: Arguments) => spendOf(budget)
export const spendOf = (budget: Budget) => (steps: number) => budget.spend(steps)

function lengthOf(args: Arguments): number {
  const value = args.value(0)
  if (isArray(value) || typeof value === 'string') return value.length
  if (isObject(value)) return Object.keys(value).length
  throw args.wrongType(0, 'Array, Object or String', value)
}

function endOf(args: Arguments, at: 0 | -1): Value {
  const value = args.value(0)
  if (typeof value === 'string') return value.at(at) ?? ''
  return args.array(0).at(at) ?? null
}

function flatten(args: Arguments): Value {
  const arrays = args.array(0)
  let items = 0
  for (const each of arrays) {
    if (!isArray(each)) throw args.wrongType(0, 'Array of Array', each)
    items += each.length
    checkItems(items)
  }
  return arrays.flat(1)
}

function indexOf(args: Arguments, isLast: boolean): number {
  const value = args.value(0)
  if (isArray(value)) {
    const matches = (item: Value) => isSame(item, args.value(1), spender(args))
    return isLast ? value.findLastIndex(matches) : value.findIndex(matches)
  }
  const [text, part] = [args.string(0).toLowerCase(), args.string(1).toLowerCase()]
  return isLast ? text.lastIndexOf(part) : text.indexOf(part)
}

function range(args: Arguments): Value {
  const [start, count] = [args.integer(0), args.integer(1)]
  if (count < 0) throw args.fault('argument 2 must not be negative')
  checkItems(count)
  if (!Number.isSafeInteger(start + count))
    throw args.fault('the sum of the arguments must be at most 53 bits')
  return Array.from({ length: count }, (_, index) => start + index)
}

function slice(args: Arguments, from: number, to: number): Value {
  const value = args.value(0)
  return typeof value === 'string' ? value.slice(from, to) : args.array(0).slice(from, to)
}
