import type { Arguments } from '../language/arguments.ts'
import type { Loop } from '../language/environment.ts'
import { templateFunction } from '../language/template-function.ts'
import { isArray } from '../language/value.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-numeric
 */

const any = Number.POSITIVE_INFINITY

export const numberFunctions = [
  templateFunction('add', 2, (args) => whole(args, args.integer(0) + args.integer(1)), [['add(5, 3)', 8]]),
  templateFunction('copyIndex', [0, 2], copyIndex, [
    ['copyIndex()', 2],
    ['copyIndex(10)', 12],
    ["copyIndex('OUTER')", 1],
    ["copyIndex('outer', 5)", 6],
  ]),
  templateFunction('div', 2, (args) => whole(args, Math.trunc(args.integer(0) / divisor(args))), [
    ['div(8, 3)', 2],
    ['div(-8, 3)', -2],
  ]),
  templateFunction('float', 1, toFloat, [
    ["float('3.5')", 3.5],
    ['float(3)', 3],
  ]),
  templateFunction('int', 1, toInteger, [
    ["int('4')", 4],
    ["int('-12')", -12],
    ['int(7)', 7],
  ]),
  templateFunction('max', [1, any], (args) => most(args, 1), [
    ['max(createArray(0, 3, 2, 5, 4))', 5],
    ['max(0, 3, 2, 5, 4)', 5],
  ]),
  templateFunction('min', [1, any], (args) => most(args, -1), [
    ['min(createArray(0, 3, 2, 5, 4))', 0],
    ['min(6, 3, 2)', 2],
  ]),
  templateFunction('mod', 2, (args) => whole(args, args.integer(0) % divisor(args)), [
    ['mod(7, 3)', 1],
    ['mod(80, -4)', 0],
  ]),
  templateFunction('mul', 2, (args) => whole(args, args.integer(0) * args.integer(1)), [['mul(5, 3)', 15]]),
  templateFunction('sub', 2, (args) => whole(args, args.integer(0) - args.integer(1)), [['sub(7, 3)', 4]]),
] as const

/** The result, which JSON can carry exactly; `-0` is 0. */
function whole(args: Arguments, result: number): number {
  if (!Number.isSafeInteger(result)) throw args.fault('the result must be an integer of at most 53 bits')
  return result + 0
}

function divisor(args: Arguments): number {
  const by = args.integer(1)
  if (by === 0) throw args.fault('argument 2 must not be 0')
  return by
}

function copyIndex(args: Arguments): number {
  const { loops } = args.environment
  const first = args.count > 0 ? args.value(0) : 0
  const named = typeof first === 'string'
  const offset = named ? (args.count > 1 ? args.integer(1) : 0) : args.count > 0 ? args.integer(0) : 0
  if (!named && args.count > 1) throw args.fault('argument 1 must be the name of a loop when there are two')
  const loop: Loop | undefined = named
    ? loops.findLast((each) => each.name.toLowerCase() === first.toLowerCase())
    : loops.at(-1)
  if (loop) return whole(args, loop.index + offset)
  if (!named) throw args.notExpectedHere()
  throw args.fault(
    `there is no copy loop '${first}' here; there are '${loops.map(({ name }) => name).join(', ')}'`,
  )
}

function toFloat(args: Arguments): number {
  const value = args.value(0)
  if (typeof value === 'number') return value
  const text = args.string(0).trim()
  if (!/^[+-]?\d+(\.\d+)?(e[+-]?\d{1,3})?$/i.test(text)) throw args.fault('argument 1 must be a number')
  return Number(text)
}

function toInteger(args: Arguments): number {
  const value = args.value(0)
  if (typeof value === 'number') return whole(args, Math.trunc(value))
  const text = args.string(0).trim()
  if (!/^[+-]?\d+$/.test(text)) throw args.fault('argument 1 must be an integer')
  return whole(args, Number(text))
}

/** @param sign 1 for the greatest, -1 for the least */
function most(args: Arguments, sign: 1 | -1): number {
  const numbers = isArray(args.value(0)) ? args.array(0) : args.all()
  if (numbers.length === 0) throw args.fault('the array must not be empty')
  let best: number | undefined
  for (const each of numbers) {
    if (typeof each !== 'number' || !Number.isInteger(each))
      throw args.wrongType(0, 'Integer or Array of Integer', each)
    if (best === undefined || (each - best) * sign > 0) best = each
  }
  return best as number
}
