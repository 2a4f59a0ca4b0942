import { InvalidArgumentError } from 'commander'
import type { Found } from './connection.ts'
import { UsageError } from './usage-error.ts'

/*
 * What commander found, read with types. Option values are checked by the functions that `Option.argParser` takes.
 */

export const textOf = (found: Found, name: string): string | undefined =>
  typeof found[name] === 'string' ? found[name] : undefined

export const numberOf = (found: Readonly<Record<string, unknown>>, name: string): number | undefined =>
  typeof found[name] === 'number' ? found[name] : undefined

export const listOf = (found: Found, name: string): readonly string[] | undefined =>
  Array.isArray(found[name]) ? (found[name] as readonly string[]) : undefined

/** The name of a resource, given as the argument or with `--name`. */
export function nameOf(argument: string | undefined, found: Found): string {
  const name = argument ?? textOf(found, 'name')
  if (name === undefined) throw new UsageError('A name is missing: give it as the argument, or with --name.')
  if (argument !== undefined && textOf(found, 'name') !== undefined)
    throw new UsageError('The name is given twice: as the argument, and with --name.')
  return name
}

/** Reads a whole number within bounds. */
export const integer =
  (least: number, most: number) =>
  (value: string): number => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
  }

/** Reads one of the words, in any letter case; answers with the word as it is spelled here. */
export const oneOf =
  (words: readonly string[]) =>
  (value: string): string => {
    const word = words.find((each) => each.toLowerCase() === value.toLowerCase())
    if (word !== undefined) return word
    throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`)
  }

/** `name=value` pairs as an object. @param option for the message */
export function assignments(
  pairs: readonly string[] | undefined,
  option: string,
): Readonly<Record<string, string>> | undefined {
  if (pairs === undefined) return undefined
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError(`${option} takes NAME=VALUE: got '${pair}'.`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}
