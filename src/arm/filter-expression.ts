import { gatewayError } from './errors.ts'

/*
 * The `$filter` of lists: comparisons of fields with quoted strings, joined by and, or, not and parentheses.
 * Texts compare without regard to letter case, as names do.
 *
 *     or  := and { 'or' and }      and := not { 'and' not }      not := 'not' not | '(' or ')' | test
 *     test := field ('eq'|'ne') 'text' | contains(field,'text') | startswith(field,'text') | substringof('text',field)
 */

/** What an item is for a filter: the texts of a field, none when it has none. */
export type FieldReader = (field: string) => readonly string[]
export type Predicate = (read: FieldReader) => boolean

const expressionCharacters = 4096
const nesting = 32
const token = /\s*(?:('(?:[^']|'')*')|([A-Za-z][\w./]*)|([(),]))/y

/** @param fields those that may be named, in lower case */
export function parseFilter(expression: string, fields: readonly string[]): Predicate {
  if (expression.length > expressionCharacters) throw invalidFilter('it is too long')
  return new Parser(tokensOf(expression), fields).whole()
}

const invalidFilter = (why: string) =>
  gatewayError(400, 'InvalidFilterInQueryString', `Invalid $filter in the query string: ${why}.`)

function tokensOf(expression: string): readonly string[] {
  const text = expression.trimEnd()
  const tokens: string[] = []
  token.lastIndex = 0
  while (token.lastIndex < text.length) {
    const from = token.lastIndex
    const found = token.exec(text)
    if (!found) throw invalidFilter(`nothing is known that begins '${text.slice(from, from + 20).trim()}'`)
    tokens.push((found[1] ?? found[2] ?? found[3]) as string)
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly string[]
  readonly #fields: readonly string[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly string[], fields: readonly string[]) {
    this.#tokens = tokens
    this.#fields = fields
  }

  whole(): Predicate {
    const predicate = this.#or()
    const extra = this.#tokens[this.#at]
    if (extra !== undefined) throw invalidFilter(`'${extra}' was not expected`)
    return predicate
  }

  #or(): Predicate {
    const parts = [this.#and()]
    while (this.#skip('or')) parts.push(this.#and())
    return (read) => parts.some((part) => part(read))
  }

  #and(): Predicate {
    const parts = [this.#not()]
    while (this.#skip('and')) parts.push(this.#not())
    return (read) => parts.every((part) => part(read))
  }

  #not(): Predicate {
    if (++this.#depth > nesting) throw invalidFilter(`it is nested deeper than ${nesting}`)
    try {
      if (this.#skip('not')) {
        const inner = this.#not()
        return (read) => !inner(read)
      }
      if (this.#skip('(')) {
        const inner = this.#or()
        this.#expect(')')
        return inner
      }
      return this.#test()
    } finally {
      this.#depth--
    }
  }

  #test(): Predicate {
    const first = this.#next().toLowerCase()
    if (first === 'contains' || first === 'startswith' || first === 'substringof') {
      this.#expect('(')
      const leading = first === 'substringof' ? this.#text() : undefined
      if (leading !== undefined) this.#expect(',')
      const field = this.#field(this.#next())
      if (leading === undefined) this.#expect(',')
      const text = leading ?? this.#text()
      this.#expect(')')
      return first === 'startswith'
        ? (read) => read(field).some((value) => value.toLowerCase().startsWith(text))
        : (read) => read(field).some((value) => value.toLowerCase().includes(text))
    }
    const field = this.#field(first)
    const operator = this.#next().toLowerCase()
    if (operator !== 'eq' && operator !== 'ne') throw invalidFilter(`'${operator}' is not a known operator`)
    const text = this.#text()
    const equals: Predicate = (read) => read(field).some((value) => value.toLowerCase() === text)
    return operator === 'eq' ? equals : (read) => !equals(read)
  }

  #field(name: string): string {
    const lower = name.toLowerCase()
    if (!this.#fields.includes(lower))
      throw invalidFilter(`'${name}' is not a field that can be filtered on (${this.#fields.join(', ')})`)
    return lower
  }

  #text(): string {
    const quoted = this.#next()
    if (!quoted.startsWith("'")) throw invalidFilter(`a text in single quotes was expected, not '${quoted}'`)
    return quoted.slice(1, -1).replaceAll("''", "'").toLowerCase()
  }

  #next(): string {
    const next = this.#tokens[this.#at++]
    if (next === undefined) throw invalidFilter('it ends too early')
    return next
  }

  #skip(word: string): boolean {
    if (this.#tokens[this.#at]?.toLowerCase() !== word) return false
    this.#at++
    return true
  }

  #expect(word: string): void {
    const next = this.#next()
    if (next !== word) throw invalidFilter(`'${word}' was expected, not '${next}'`)
  }
}
