import { suggestion } from '../../base/nearest.ts'
import { ExpressionFault, NotYetKnown } from '../errors.ts'
import { Arguments } from './arguments.ts'
import type { Environment } from './environment.ts'
import type { Node } from './parse.ts'
import type { TemplateFunction } from './template-function.ts'
import { access, isArray, isObject, type Value } from './value.ts'

/**
 * The value of an expression. Throws an `ExpressionFault` when it has none, and `NotYetKnown` when it depends on
 * what is not there yet; by then everything that could be asked for has been asked for.
 */
export function evaluate(node: Node, environment: Environment): Value {
  environment.budget.spend(1)
  return node.kind === 'literal'
    ? node.value
    : environment.budget.within(() => evaluateInner(node, environment))
}

function evaluateInner(node: Exclude<Node, { readonly kind: 'literal' }>, environment: Environment): Value {
  switch (node.kind) {
    case 'access':
      return evaluateAccess(node.of, node.key, environment)
    case 'call':
      return environment.budget.made(
        node.namespace === undefined
          ? callFunction(node, environment)
          : callUserFunction(node.namespace, node, environment),
      )
  }
}

function evaluateAccess(of: Node, key: Node, environment: Environment): Value {
  const [from, by] = evaluateAll([of, key], (each) => evaluate(each, environment)) as [Value, Value]
  // In another letter case the member has to be looked for.
  if (isObject(from) && typeof by === 'string' && !Object.hasOwn(from, by))
    environment.budget.spend(Object.keys(from).length >> 3)
  return access(from, by)
}

/** Every value, even when one is not yet known: so that what the others depend on is asked for at once. */
function evaluateAll<Item>(items: readonly Item[], each: (item: Item) => Value): readonly Value[] {
  let unknown: NotYetKnown | undefined
  const values = items.map((item) => {
    try {
      return each(item)
    } catch (error) {
      if (!(error instanceof NotYetKnown)) throw error
      unknown ??= error
      return null
    }
  })
  if (unknown) throw unknown
  return values
}

type Call = Node & { readonly kind: 'call' }

function callFunction(node: Call, environment: Environment): Value {
  const { name } = node
  const found = environment.functions.find(name)
  if (!found)
    throw new ExpressionFault(
      `The template function '${name}' is not valid. Please see https://aka.ms/arm-functions for usage details.${suggestion(name, environment.functions.names)}`,
    )
  const args = new Arguments(name, node.args, environment, evaluate)
  checkCount(found, args)
  if (found.isLazy) return callLazily(found, args)
  const values = evaluateAll(
    node.args.map((_, index) => index).filter((index) => !args.isLambda(index)),
    (index) => args.value(index),
  )
  for (const value of values) environment.budget.spend(costOfReading(value))
  return found.call(args)
}

function callLazily(found: TemplateFunction, args: Arguments): Value {
  try {
    return found.call(args)
  } catch (error) {
    if (error instanceof NotYetKnown && args.environment.runtime?.isProbing) probeRest(args)
    throw error
  }
}

function costOfReading(value: Value): number {
  if (typeof value === 'string') return value.length >> 6
  return isArray(value) ? value.length >> 3 : 0
}

/** Which of the other arguments will be needed is not known yet: whatever they would ask for is noted. */
function probeRest(args: Arguments): void {
  for (let index = 0; index < args.count; index++) {
    if (args.wasAsked(index) || args.isLambda(index)) continue
    try {
      args.value(index)
    } catch (error) {
      if (!(error instanceof NotYetKnown || error instanceof ExpressionFault)) throw error
    }
  }
}

function checkCount({ least, most }: TemplateFunction, args: Arguments): void {
  const { count } = args
  if (count >= least && count <= most) return
  const expected =
    least === most
      ? `${least}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : `from ${least} to ${most}`
  throw args.fault(`it takes ${expected} argument(s), and was called with ${count}`)
}

function callUserFunction(namespace: string, node: Call, environment: Environment): Value {
  const called = environment.names.userFunction(namespace, node.name)
  const values = evaluateAll(node.args, (each) => evaluate(each, environment))
  return called.call(values, environment)
}
