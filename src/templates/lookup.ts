import { suggestion } from '../base/nearest.ts'
import { ExpressionFault } from './errors.ts'

/** The function of that name cannot be used where the expression stands. */
export const notHere = (name: string) =>
  new ExpressionFault(
    `The template function '${name}' is not expected at this location. Please see https://aka.ms/arm-functions for usage details.`,
  )

/** The lower-case name, when there is such a thing. */
export function lowerName(
  known: ReadonlyMap<string, { readonly name: string }>,
  name: string,
  what: string,
): string {
  const lower = name.toLowerCase()
  if (known.has(lower)) return lower
  const short = name.slice(0, 100)
  const names = [...known.values()].map((each) => each.name)
  throw new ExpressionFault(
    `The template ${what} '${short}' is not found. Please see https://aka.ms/arm-syntax-${what}s for usage details.${suggestion(short, names)}`,
  )
}
