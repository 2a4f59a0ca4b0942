import { ExpressionFault } from '../errors.ts'

export interface Token {
  readonly kind: 'string' | 'number' | 'name' | 'mark'
  /** The text; of a string what stands between its quotes. */
  readonly text: string
  /** Where it begins in the whole string. */
  readonly at: number
}

const patterns: readonly { readonly kind: Token['kind'] | 'space'; readonly pattern: RegExp }[] = [
  { kind: 'space', pattern: /\s+/y },
  { kind: 'name', pattern: /[A-Za-z_$][\w$]*/y },
  { kind: 'string', pattern: /'(?:[^']|'')*'/y },
  { kind: 'number', pattern: /[+-]?\d+(?:\.\d+)?(?![\w.])/y },
  { kind: 'mark', pattern: /[()[\],.]/y },
]

/** The words of an expression between two positions of a string. A quote within a string is doubled. */
export function tokens(text: string, from: number, to: number): readonly Token[] {
  const body = text.slice(0, to)
  const found: Token[] = []
  let at = from
  while (at < to) {
    const match = matchAt(body, at)
    if (!match) {
      const what = body[at] === "'" ? 'a string that does not end' : `'${body[at]}'`
      throw new ExpressionFault(
        `Unable to parse language expression '${text.slice(0, 200)}': ${what} at position ${at + 1} is not expected.`,
      )
    }
    const { kind, text: word } = match
    if (kind !== 'space')
      found.push({ kind, at, text: kind === 'string' ? word.slice(1, -1).replaceAll("''", "'") : word })
    at += word.length
  }
  return found
}

function matchAt(text: string, at: number) {
  for (const { kind, pattern } of patterns) {
    pattern.lastIndex = at
    const word = pattern.exec(text)?.[0]
    if (word !== undefined) return { kind, text: word }
  }
  return undefined
}
