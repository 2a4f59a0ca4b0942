import { ExpressionFault, NotYetKnown } from './errors.ts'
import type { Environment } from './language/environment.ts'
import { evaluate } from './language/evaluate.ts'
import { isArray, isObject, memberOf, type ObjectValue, typeOf, type Value } from './language/value.ts'
import { templateLimits } from './limits.ts'

/** An expression fault, and where in the template it happened. */
export class FaultAt extends ExpressionFault {
  readonly path: string

  constructor(path: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.path = path
  }
}

/**
 * What to do with an expression whose value is not yet known: `keep` its text in its place, or `collect`: evaluate
 * everything else, so that all that is wanted is asked for at once, and then throw `NotYetKnown`.
 */
export type Unknowns = 'keep' | 'collect'

/**
 * A part of a template with every expression replaced by its value, and every `copy` by what it repeats.
 * Throws a `FaultAt`.
 *
 * @param path where the part stands in the template, for messages
 */
export function evaluateTree(
  value: Value,
  path: string,
  environment: Environment,
  unknowns: Unknowns,
): Value {
  const walk = new Walk()
  const made = walk.value(value, path, environment)
  if (walk.unknown && unknowns === 'collect') throw walk.unknown
  return environment.budget.made(made)
}

/** The value of one string of a template, which must be known. */
export function evaluateText(text: string, path: string, environment: Environment): Value {
  return evaluateTree(text, path, environment, 'collect')
}

class Walk {
  unknown: NotYetKnown | undefined

  value(value: Value, path: string, environment: Environment): Value {
    environment.budget.spend(1)
    if (typeof value === 'string') return this.#string(value, path, environment)
    if (typeof value !== 'object' || value === null) return value
    return environment.budget.within(() =>
      isArray(value)
        ? value.map((item, index) => this.value(item, `${path}[${index}]`, environment))
        : this.#object(value, path, environment),
    )
  }

  #string(text: string, path: string, environment: Environment): Value {
    return this.#known(text, path, () => {
      const read = environment.reader.read(text)
      return read.kind === 'text' ? read.text : evaluate(read.node, environment)
    })
  }

  /** What is made, or `otherwise` when that is not yet known. */
  #known(otherwise: Value, path: string, make: () => Value): Value {
    try {
      return make()
    } catch (error) {
      if (error instanceof NotYetKnown) {
        this.unknown ??= error
        return otherwise
      }
      if (error instanceof ExpressionFault && !(error instanceof FaultAt))
        throw new FaultAt(path, error.message, error)
      throw error
    }
  }

  #object(object: ObjectValue, path: string, environment: Environment): Value {
    const entries: (readonly [string, Value])[] = []
    for (const [name, member] of Object.entries(object)) {
      const loops = name.toLowerCase() === 'copy' ? propertyLoops(member) : undefined
      if (loops) {
        for (const [index, loop] of loops.entries())
          entries.push([loop.name, this.#loop(loop, `${path}.copy[${index}]`, environment)])
        continue
      }
      const key = this.#string(name, `${path}.${name}`, environment)
      if (typeof key !== 'string')
        throw new FaultAt(
          `${path}.${name}`,
          `A property name must be a String; it is of type '${typeOf(key)}'.`,
        )
      entries.push([key, this.value(member, `${path}.${key}`, environment)])
    }
    return Object.fromEntries(entries)
  }

  #loop(loop: PropertyLoop, path: string, environment: Environment): Value {
    const kept: Value = { count: loop.count, input: loop.input }
    return this.#known(kept, path, () => {
      const count = loopCount(this.#count(loop.count, path, environment), `${path}.count`)
      return repeat(loop.name, count, environment, (index, inside) =>
        this.value(loop.input, `${path}.input[${index}]`, inside),
      )
    })
  }

  /** Not through `value`: a count that is not yet known leaves the whole loop unknown, not its count. */
  #count(count: Value, path: string, environment: Environment): Value {
    if (typeof count !== 'string') return count
    try {
      const read = environment.reader.read(count)
      return read.kind === 'text' ? read.text : evaluate(read.node, environment)
    } catch (error) {
      if (error instanceof ExpressionFault) throw new FaultAt(`${path}.count`, error.message, error)
      throw error
    }
  }
}

/** One item for each iteration, evaluated with the loop's index. */
export function repeat<Item>(
  name: string,
  count: number,
  environment: Environment,
  make: (index: number, inside: Environment) => Item,
): readonly Item[] {
  return Array.from({ length: count }, (_, index) =>
    make(index, { ...environment, loops: [...environment.loops, { name, index }] }),
  )
}

/** The count of a `copy`, checked. */
export function loopCount(value: Value, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > templateLimits.copies)
    throw new FaultAt(
      path,
      `The count of a copy must be an Integer from 0 to ${templateLimits.copies}; it is ${typeof value === 'number' ? value : `of type '${typeOf(value)}'`}.`,
    )
  return value
}

export interface PropertyLoop {
  readonly name: string
  readonly count: Value
  readonly input: Value
}

/** The loops that a member called `copy` holds; undefined when it is a member like any other. */
export function propertyLoops(value: Value): readonly PropertyLoop[] | undefined {
  if (!isArray(value) || value.length === 0) return undefined
  const loops: PropertyLoop[] = []
  for (const each of value) {
    if (!isObject(each)) return undefined
    const [name, count, input] = ['name', 'count', 'input'].map((key) => memberOf(each, key))
    if (typeof name !== 'string' || count === undefined || input === undefined) return undefined
    loops.push({ name, count, input })
  }
  return loops
}
