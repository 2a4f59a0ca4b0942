import { ExpressionFault } from '../errors.ts'
import type { Environment, Lambda } from './environment.ts'
import type { Node } from './parse.ts'
import { isArray, isObject, type ObjectValue, typeOf, type Value } from './value.ts'

/** How an expression's node becomes a value, given to whoever evaluates arguments. */
export type Evaluate = (node: Node, environment: Environment) => Value

/** What a function was called with. Each reader takes one argument and names it when it is of a wrong type. */
export class Arguments {
  /** The function's name as the template spells it. */
  readonly name: string
  readonly environment: Environment
  readonly #nodes: readonly Node[]
  readonly #evaluate: Evaluate
  readonly #values = new Map<number, Value>()
  readonly #asked = new Set<number>()

  constructor(name: string, nodes: readonly Node[], environment: Environment, evaluate: Evaluate) {
    this.name = name
    this.environment = environment
    this.#nodes = nodes
    this.#evaluate = evaluate
  }

  get count(): number {
    return this.#nodes.length
  }

  isLambda(index: number): boolean {
    const node = this.#nodes[index]
    return node?.kind === 'call' && node.namespace === undefined && node.name.toLowerCase() === 'lambda'
  }

  /** True when the argument has been asked for, whether it had a value or not. */
  wasAsked(index: number): boolean {
    return this.#asked.has(index)
  }

  value(index: number): Value {
    const known = this.#values.get(index)
    if (known !== undefined) return known
    this.#asked.add(index)
    const value = this.#evaluate(this.#nodes[index] as Node, this.environment)
    this.#values.set(index, value)
    return value
  }

  all(): readonly Value[] {
    return this.#nodes.map((_, index) => this.value(index))
  }

  string(index: number): string {
    const value = this.value(index)
    if (typeof value !== 'string') throw this.wrongType(index, 'String', value)
    return value
  }

  /** Undefined when there are fewer arguments. */
  optionalString(index: number): string | undefined {
    return index < this.count ? this.string(index) : undefined
  }

  integer(index: number): number {
    const value = this.value(index)
    if (typeof value !== 'number' || !Number.isInteger(value)) throw this.wrongType(index, 'Integer', value)
    return value
  }

  boolean(index: number): boolean {
    const value = this.value(index)
    if (typeof value !== 'boolean') throw this.wrongType(index, 'Boolean', value)
    return value
  }

  array(index: number): readonly Value[] {
    const value = this.value(index)
    if (!isArray(value)) throw this.wrongType(index, 'Array', value)
    return value
  }

  object(index: number): ObjectValue {
    const value = this.value(index)
    if (!isObject(value)) throw this.wrongType(index, 'Object', value)
    return value
  }

  /** Text of an argument that may be a text, a number or a truth value. */
  text(index: number): string {
    const value = this.value(index)
    if (typeof value === 'string') return value
    if (typeof value === 'number') return String(value)
    if (typeof value === 'boolean') return value ? 'True' : 'False'
    throw this.wrongType(index, 'String, Integer or Boolean', value)
  }

  /**
   * A `lambda(…)`, ready to be called.
   *
   * @param most how many variables it may have
   */
  lambda(index: number, most: number, least = 1): (...values: readonly Value[]) => Value {
    const node = this.#nodes[index]
    if (!this.isLambda(index) || node?.kind !== 'call')
      throw this.fault(
        `argument ${index + 1} must be a lambda, as in lambda('item', lambdaVariables('item'))`,
      )
    const { names, body } = this.#lambda(node)
    if (names.length < least || names.length > most)
      throw this.fault(
        `the lambda must have ${least === most ? least : `from ${least} to ${most}`} variables; it has ${names.length}`,
      )
    return (...values) => {
      const locals = new Map(this.environment.locals)
      for (const [at, name] of names.entries()) locals.set(name, values[at] as Value)
      return this.#evaluate(body, { ...this.environment, locals })
    }
  }

  #lambda(node: Node & { readonly kind: 'call' }): Lambda {
    const body = node.args.at(-1)
    if (!body) throw this.fault('a lambda needs a body')
    const names = node.args.slice(0, -1).map((each) => {
      if (each.kind === 'literal' && typeof each.value === 'string') return each.value.toLowerCase()
      throw this.fault('the variables of a lambda must be written as text between quotes')
    })
    return { names, body }
  }

  wrongType(index: number, expected: string, value: Value): ExpressionFault {
    return this.fault(`argument ${index + 1} must be of type '${expected}'; it is of type '${typeOf(value)}'`)
  }

  fault(what: string): ExpressionFault {
    return new ExpressionFault(
      `Unable to evaluate template language function '${this.name}': ${what}. Please see https://aka.ms/arm-functions for usage details.`,
    )
  }

  /** The function cannot be used where the expression stands. */
  notExpectedHere(): ExpressionFault {
    return new ExpressionFault(
      `The template function '${this.name}' is not expected at this location. Please see https://aka.ms/arm-functions for usage details.`,
    )
  }
}
