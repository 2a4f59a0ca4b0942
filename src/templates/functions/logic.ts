import { ExpressionFault } from '../errors.ts'
import type { Arguments } from '../language/arguments.ts'
import { templateFunction } from '../language/template-function.ts'
import { isSame } from '../language/value.ts'
import { spendOf } from './arrays.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-logical,
 * template-functions-comparison
 */

const any = Number.POSITIVE_INFINITY
const isLazy = true

export const logicFunctions = [
  templateFunction(
    'and',
    [2, any],
    (args) => indexes(args).every((index) => args.boolean(index)),
    [
      ['and(true(), true(), false())', false],
      ["and(false(), bool(fail('not asked')))", false],
    ],
    isLazy,
  ),
  templateFunction('bool', 1, toBoolean, [
    ["bool('TRUE')", true],
    ['bool(0)', false],
    ['bool(true())', true],
  ]),
  templateFunction(
    'coalesce',
    [1, any],
    (args) => {
      const index = indexes(args).find((each) => args.value(each) !== null)
      return index === undefined ? null : args.value(index)
    },
    [
      ["coalesce(null(), 'default')", 'default'],
      ["coalesce('a', fail('not asked'))", 'a'],
      ['coalesce(null(), null())', null],
    ],
    isLazy,
  ),
  templateFunction(
    'equals',
    2,
    (args) => isSame(args.value(0), args.value(1), spendOf(args.environment.budget)),
    [
      ['equals(1, 1)', true],
      ["equals('a', 'A')", false],
      ['equals(createArray(1, 2), createArray(1, 2))', true],
      ["equals(createObject('a', 1), createObject('a', 2))", false],
    ],
  ),
  templateFunction(
    'fail',
    1,
    (args) => {
      throw new ExpressionFault(args.string(0).slice(0, 1_000))
    },
    [["if(true(), 'not asked', fail('why'))", 'not asked']],
  ),
  templateFunction('false', 0, () => false, [['false()', false]]),
  templateFunction('greater', 2, (args) => order(args) > 0, [
    ['greater(1, 2)', false],
    ["greater('b', 'a')", true],
  ]),
  templateFunction('greaterOrEquals', 2, (args) => order(args) >= 0, [['greaterOrEquals(2, 2)', true]]),
  templateFunction(
    'if',
    3,
    (args) => args.value(args.boolean(0) ? 1 : 2),
    [
      ["if(equals('a', 'a'), 'yes', fail('not asked'))", 'yes'],
      ["if(false(), fail('not asked'), createArray(1))", [1]],
    ],
    isLazy,
  ),
  templateFunction('less', 2, (args) => order(args) < 0, [
    ['less(1, 2)', true],
    ["less('b', 'a')", false],
  ]),
  templateFunction('lessOrEquals', 2, (args) => order(args) <= 0, [['lessOrEquals(2, 2)', true]]),
  templateFunction('not', 1, (args) => !args.boolean(0), [['not(true())', false]]),
  templateFunction('null', 0, () => null, [['null()', null]]),
  templateFunction(
    'or',
    [2, any],
    (args) => indexes(args).some((index) => args.boolean(index)),
    [
      ['or(false(), false(), true())', true],
      ["or(true(), bool(fail('not asked')))", true],
    ],
    isLazy,
  ),
  templateFunction('true', 0, () => true, [['true()', true]]),
] as const

const indexes = (args: Arguments) => Array.from({ length: args.count }, (_, index) => index)

function toBoolean(args: Arguments): boolean {
  const value = args.value(0)
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0
  const word = args.string(0).toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  throw args.fault("argument 1 must be 'true' or 'false'")
}

/** Negative, 0 or positive: numbers by size, texts by their characters. */
function order(args: Arguments): number {
  const one = args.value(0)
  if (typeof one === 'number') {
    const other = args.value(1)
    if (typeof other !== 'number') throw args.wrongType(1, 'Integer', other)
    return one - other
  }
  const [text, other] = [args.string(0), args.string(1)]
  return text < other ? -1 : text > other ? 1 : 0
}
