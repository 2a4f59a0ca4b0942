/*
 * The words of the hub's query language, with where each stands, for messages.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language and iot-hub-devguide-routing-query-syntax
 */

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'sign' | 'bracketed' | 'end'
  /** Of a string, what it means; of a bracketed name, what is between `[[` and `]]`. */
  readonly text: string
  /** Counted from 1. */
  readonly position: number
}

/** What was asked is not in the language. The message says where, what was expected and what came. */
export class QueryError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'QueryError'
  }
}

/**
 * In conditions of routes a hyphen between the characters of a name belongs to it: `$dt-subject`, `iothub-message-schema`.
 * Between spaces it is a minus.
 */
export type Dialect = 'documents' | 'messages'

/** Longer ones are refused. */
export const queryLength = 8_192

const whitespace = /\s*/y
const patternsWith = (word: RegExp) =>
  [
    ['number', /0x[0-9a-f]+|(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?/iy],
    ['bracketed', /\[\[((?:(?!\]\]).)+)\]\]/sy],
    ['word', word],
    ['sign', /<=|>=|<>|!=|[-+*/%=<>(),.[\]]/y],
  ] as const
const patterns = {
  documents: patternsWith(/[\p{L}_$][\p{L}\p{N}_$]*/uy),
  messages: patternsWith(/[\p{L}_$][\p{L}\p{N}_$]*(?:-[\p{L}\p{N}_$]+)*/uy),
}

export function tokensOf(text: string, dialect: Dialect = 'documents'): readonly Token[] {
  if (text.length > queryLength)
    throw new QueryError(`A query has at most ${queryLength} characters; this one has ${text.length}.`)
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    whitespace.lastIndex = at
    at += whitespace.exec(text)?.[0].length ?? 0
    const position = at + 1
    if (at === text.length) return [...tokens, { kind: 'end', text: 'the end', position }]
    const quote = text[at]
    if (quote === "'" || quote === '"') {
      const string = stringAt(text, at)
      tokens.push({ kind: 'string', text: string.value, position })
      at = string.end
      continue
    }
    const token = tokenAt(text, at, dialect)
    if (!token) throw new QueryError(`Character ${position}, '${text[at]}', is in no query.`)
    tokens.push({ kind: token.kind, text: token.text, position })
    at += token.length
  }
}

function tokenAt(text: string, at: number, dialect: Dialect) {
  for (const [kind, pattern] of patterns[dialect]) {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match) return { kind, text: match[1] ?? match[0], length: match[0].length }
  }
  return undefined
}

function stringAt(text: string, start: number): { readonly value: string; readonly end: number } {
  const quote = text[start]
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    const sign = text[at] as string
    if (sign === quote) return { value, end: at + 1 }
    if (sign !== '\\') {
      value += sign
      continue
    }
    const escaped = text[++at] ?? ''
    if (escaped === 'u') {
      const code = /^[0-9a-f]{4}/i.exec(text.slice(at + 1))?.[0]
      if (code === undefined)
        throw new QueryError(`Character ${at}: \\u is followed by four hexadecimal digits.`)
      value += String.fromCharCode(Number.parseInt(code, 16))
      at += 4
    } else value += escapes[escaped] ?? escaped
  }
  throw new QueryError(`The string that begins at character ${start + 1} does not end.`)
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }
