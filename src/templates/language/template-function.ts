import type { Arguments } from './arguments.ts'
import type { Value } from './value.ts'

/** A function of the template language, as the shelf `functions/` holds it. */
export interface TemplateFunction {
  /** In its documented spelling; names match in any letter case. A final `*` stands for any further letters. */
  readonly name: string
  /** How many arguments it takes. */
  readonly least: number
  readonly most: number
  /** True when it asks for its arguments one by one, so that one that is not needed need not have a value. */
  readonly isLazy: boolean
  call(args: Arguments): Value
  readonly examples: readonly Example[]
}

export interface Example {
  /** Without the brackets around it. */
  readonly expression: string
  readonly result: Value
}

/** An example, shorter to write: an expression and what it is. */
export type ExamplePair = readonly [expression: string, result: Value]

/** @param counts the least and the most arguments, or the one number of them */
export function templateFunction(
  name: string,
  counts: number | readonly [least: number, most: number],
  call: (args: Arguments) => Value,
  examples: readonly ExamplePair[],
  isLazy = false,
): TemplateFunction {
  const [least, most] = typeof counts === 'number' ? [counts, counts] : counts
  return {
    name,
    least,
    most,
    isLazy,
    call,
    examples: examples.map(([expression, result]) => ({ expression, result })),
  }
}
