/**
 * What a condition is asked about. A path is what the query wrote between dots; undefined: there is nothing there,
 * and nothing compares with it.
 */
export interface Scope {
  get(path: readonly string[]): unknown
}

/** Gives a JSON value, or undefined where there is none. A condition holds where it gives true, and only there. */
export type Expression = (scope: Scope) => unknown

export type Comparison = '=' | '!=' | '<' | '>' | '<=' | '>='

/** Undefined: the two do not compare, for they are of different types, or one is not there. */
export function compare(sign: Comparison, left: unknown, right: unknown): boolean | undefined {
  if (left === null || right === null) {
    if (left === undefined || right === undefined) return undefined
    if (sign === '=') return left === right
    return sign === '!=' ? left !== right : undefined
  }
  if (typeof left !== typeof right || !isComparable(left)) return undefined
  const [a, b] = [left, right as typeof left]
  switch (sign) {
    case '=':
      return a === b
    case '!=':
      return a !== b
    case '<':
      return a < b
    case '>':
      return a > b
    case '<=':
      return a <= b
    case '>=':
      return a >= b
  }
}

const isComparable = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

/** True or false where one side alone decides; undefined where it hangs on one that is neither. */
export function and(left: Expression, right: Expression): Expression {
  return (scope) => {
    const first = truthOf(left(scope))
    if (first === false) return false
    const second = truthOf(right(scope))
    return second === false ? false : first && second
  }
}

export function or(left: Expression, right: Expression): Expression {
  return (scope) => {
    const first = truthOf(left(scope))
    if (first === true) return true
    const second = truthOf(right(scope))
    if (second === true) return true
    return first === false && second === false ? false : undefined
  }
}

export const not =
  (inner: Expression): Expression =>
  (scope) => {
    const truth = truthOf(inner(scope))
    return truth === undefined ? undefined : !truth
  }

const truthOf = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined)

/**
 * Characters of a text that is made of others: a longer one is undefined. Texts that devices have sent, added up often
 * enough, would be more than a string can hold; and nothing that is asked about is as long.
 */
export const textMost: number = 4 * 1024 * 1024

export function arithmetic(sign: string, left: unknown, right: unknown): unknown {
  if (sign === '+' && typeof left === 'string' && typeof right === 'string')
    return left.length + right.length > textMost ? undefined : left + right
  if (typeof left !== 'number' || typeof right !== 'number') return undefined
  const result = calculate(sign, left, right)
  // JSON has no other numbers.
  return Number.isFinite(result) ? result : undefined
}

function calculate(sign: string, left: number, right: number): number {
  switch (sign) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    default:
      return left % right
  }
}

/** What a path names within plain JSON; names are matched as they are written. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value
  for (const name of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined
    found = (found as Readonly<Record<string, unknown>>)[name]
  }
  return found
}
