import type { Arguments } from '../language/arguments.ts'
import { tooLarge } from '../language/value.ts'
import { templateLimits } from '../limits.ts'

/**
 * `format`: .NET's composite format strings, `{index,alignment:format}`, with the number formats D, N, F, X and
 * those of `0`, `#`, `,` and `.`.
 *
 * Source: learn.microsoft.com/dotnet/standard/base-types/composite-formatting
 */
export function formatText(args: Arguments): string {
  const pattern = args.string(0)
  let text = ''
  for (const [piece, index, alignment, format] of pieces(pattern, args)) {
    text += piece
    if (index !== undefined) {
      const at = Number(index) + 1
      if (at >= args.count) throw args.fault(`the format asks for item ${index} of ${args.count - 1}`)
      const shown = showItem(args, at, format)
      const width = Number(alignment ?? 0)
      if (Math.abs(width) > templateLimits.stringCharacters)
        throw tooLarge('A string', templateLimits.stringCharacters, 'characters')
      text += width < 0 ? shown.padEnd(-width) : shown.padStart(width)
    }
    if (text.length > templateLimits.stringCharacters)
      throw tooLarge('A string', templateLimits.stringCharacters, 'characters')
  }
  return text
}

type Piece = readonly [
  text: string,
  index?: string | undefined,
  alignment?: string | undefined,
  format?: string | undefined,
]

/** The text before each item, and the item. */
function* pieces(pattern: string, args: Arguments): Generator<Piece> {
  const item = /\{\{|\}\}|\{(\d{1,4})\s*(?:,\s*(-?\d{1,8})\s*)?(?::([^{}]*))?\}|[{}]/g
  let end = 0
  for (const match of pattern.matchAll(item)) {
    const before = pattern.slice(end, match.index)
    end = match.index + match[0].length
    if (match[1] !== undefined) yield [before, match[1], match[2], match[3]]
    else if (match[0].length === 2) yield [before + (match[0][0] as string)]
    else throw args.fault(`the format has a '${match[0]}' at position ${match.index} that belongs to no item`)
  }
  yield [pattern.slice(end)]
}

function showItem(args: Arguments, at: number, format: string | undefined): string {
  const value = args.value(at)
  if (value === null) return ''
  if (typeof value === 'object') return JSON.stringify(value)
  if (typeof value !== 'number' || !format) return args.text(at)
  const standard = /^([a-z])(\d{0,2})$/i.exec(format)
  const shown = standard
    ? showStandard(value, standard[1] as string, standard[2] === '' ? undefined : Number(standard[2]))
    : showCustom(value, format)
  if (shown === undefined)
    throw args.fault(
      `the number format '${format.slice(0, 40)}' is not one of D, N, F, X or of 0, #, ',' and '.'`,
    )
  return shown
}

function showStandard(value: number, letter: string, digits: number | undefined): string | undefined {
  const sign = value < 0 ? '-' : ''
  const size = Math.abs(value)
  switch (letter.toUpperCase()) {
    case 'D':
      return Number.isInteger(value) ? sign + String(size).padStart(digits ?? 0, '0') : undefined
    case 'F':
      return sign + size.toFixed(digits ?? 2)
    case 'N':
      return sign + grouped(size.toFixed(digits ?? 2))
    case 'X': {
      if (!Number.isInteger(value)) return undefined
      const bits = value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value)
      const hex = bits.toString(16).padStart(digits ?? 0, '0')
      return letter === 'X' ? hex.toUpperCase() : hex
    }
    case 'G':
      return digits === undefined ? String(value) : undefined
    default:
      return undefined
  }
}

function showCustom(value: number, format: string): string | undefined {
  const match = /^([#0,]+)(?:\.([#0]*))?$/.exec(format)
  if (!match) return undefined
  const [, whole = '', fraction = ''] = match
  const least = whole.replaceAll(/[^0]/g, '').length
  const [digits = '0', decimals = ''] = Math.abs(value).toFixed(fraction.length).split('.')
  let head = (digits === '0' && least === 0 ? '' : digits).padStart(least, '0')
  if (whole.includes(',')) head = grouped(head)
  const leastDecimals = fraction.lastIndexOf('0') + 1
  let tail = decimals
  while (tail.length > leastDecimals && tail.endsWith('0')) tail = tail.slice(0, -1)
  return (value < 0 ? '-' : '') + head + (tail === '' ? '' : `.${tail}`)
}

function grouped(number: string): string {
  const [digits = '', decimals] = number.split('.')
  const shown = digits.replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
  return decimals === undefined ? shown : `${shown}.${decimals}`
}
