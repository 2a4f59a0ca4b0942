import { ExpressionFault } from '../errors.ts'
import { templateLimits } from '../limits.ts'
import type { Deployment, Surroundings } from '../surroundings.ts'
import type { ExpressionReader, Node } from './parse.ts'
import type { TemplateFunction } from './template-function.ts'
import { Measures, type Value } from './value.ts'

/** What the names in a template's expressions mean. Each throws when there is no such thing. */
export interface Names {
  parameter(name: string): Value
  variable(name: string): Value
  userFunction(namespace: string, name: string): UserFunction
}

export interface UserFunction {
  /** Calls it; what it is given has been checked by nobody yet. */
  call(args: readonly Value[], caller: Environment): Value
}

/**
 * The deployed resources, as far as they are known. Both functions return what is known, or note that it is wanted
 * and throw `NotYetKnown`.
 */
export interface RuntimeLookup {
  /** True while a plan is made: what might be wanted is to be noted, even from a branch that may not be taken. */
  readonly isProbing: boolean
  /** @param target a resource id, a symbolic name, or the name of a resource of the template */
  reference(target: string, apiVersion: string | undefined, isFull: boolean): Value
  /** All instances of a copy loop, by its symbolic name. */
  references(target: string, apiVersion: string | undefined, isFull: boolean): Value
  list(functionName: string, target: string, apiVersion: string, body: Value | undefined): Value
}

/** How far copy loops have come, the innermost last. */
export interface Loop {
  readonly name: string
  readonly index: number
}

/** Everything that the value of an expression depends on. */
export interface Environment {
  readonly names: Names
  readonly functions: FunctionLookup
  readonly reader: ExpressionReader
  readonly budget: Budget
  readonly surroundings: Surroundings
  readonly deployment: Deployment
  /** Undefined where a template may not ask for deployed resources, such as in a name. */
  readonly runtime: RuntimeLookup | undefined
  /** True in a parameter's default, the only place for `newGuid` and `utcNow`. */
  readonly isParameterDefault: boolean
  readonly loops: readonly Loop[]
  /** Variables of the lambdas around, under their lower-case names. */
  readonly locals: ReadonlyMap<string, Value>
  /** User functions that called one another to come here. */
  readonly calls: number
}

export interface FunctionLookup {
  find(name: string): TemplateFunction | undefined
  readonly names: readonly string[]
}

/** What one evaluation may still do. */
export class Budget {
  readonly #measures = new Measures()
  #left: number = templateLimits.steps
  #depth = 0

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0)
      throw new ExpressionFault(`A template may take at most ${templateLimits.steps} steps to evaluate.`)
  }

  /** Runs what lies one level deeper: an argument of a call, the value of a variable. */
  within<Result>(evaluate: () => Result): Result {
    if (this.#depth >= templateLimits.evaluationDepth)
      throw new ExpressionFault(
        `What a template evaluates may lie at most ${templateLimits.evaluationDepth} deep in one another.`,
      )
    this.#depth++
    try {
      return evaluate()
    } finally {
      this.#depth--
    }
  }

  /** Accounts for a value that was made. Throws when it is too large. */
  made(value: Value): Value {
    const size = this.#measures.check(value)
    this.spend(typeof value === 'string' ? Math.ceil(size / 64) : size)
    return value
  }
}

/** The body of a `lambda(…)`, with the environment around it. */
export interface Lambda {
  readonly names: readonly string[]
  readonly body: Node
}
