import type { AttributeValue, ClientFacts } from './attributes.ts'
import { SyntaxFault } from './syntax-fault.ts'

/*
 * The query of a client group, such as `attributes.floor <= 5 and attributes.sensors IN ["motion", "humidity"]`.
 * Read once into a predicate.
 *
 *   query      = and { "or" and }
 *   and        = term { "and" term }
 *   term       = "(" query ")" | operand comparison
 *   operand    = "authenticationName" | "attributes." key
 *   comparison = ( "=" | "!=" | "<>" | "<" | ">" | "<=" | ">=" ) literal | "IN" "[" literal { "," literal } "]"
 *   literal    = integer | "true" | "false" | a string in single or double quotes, where \ escapes a quote or itself
 *
 * Keywords are read in any letter case; keys and strings are not. Authentication names are compared ignoring case.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-groups
 */

/** Whether a client belongs to the group. */
export type GroupQuery = (client: ClientFacts) => boolean

export const groupQueryLimits = { characters: 4_096, nesting: 32 } as const

/** Throws `SyntaxFault`. */
export function compileGroupQuery(text: string): GroupQuery {
  return new Parser(text).read()
}

type Literal = string | number | boolean

interface Token {
  readonly kind: 'word' | 'string' | 'integer' | 'sign' | 'end'
  /** As it stands in the query. */
  readonly text: string
  readonly at: number
  readonly value?: string | number
}

const lexeme =
  /\s*(?:(?<word>[a-zA-Z_][\w.]*)|(?<integer>-?\d+)|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<sign><=|>=|<>|!=|[=<>()[\],]))/suy

const comparisons = 'one of =, !=, <>, <, >, <=, >=, IN'
const orderings: Readonly<Record<string, (one: number, other: number) => boolean>> = {
  '<': (one, other) => one < other,
  '>': (one, other) => one > other,
  '<=': (one, other) => one <= other,
  '>=': (one, other) => one >= other,
}

class Parser {
  readonly #text: string
  #at = 0
  #token: Token
  #nesting = 0

  constructor(text: string) {
    this.#text = text
    this.#token = this.#next()
  }

  read(): GroupQuery {
    const query = this.#any()
    if (this.#token.kind !== 'end') throw this.#fault("'and', 'or' or the end of the query")
    return query
  }

  #any(): GroupQuery {
    const all = [this.#all()]
    while (this.#takes('or')) all.push(this.#all())
    const [only] = all
    return all.length === 1 && only ? only : (client) => all.some((each) => each(client))
  }

  #all(): GroupQuery {
    const all = [this.#term()]
    while (this.#takes('and')) all.push(this.#term())
    const [only] = all
    return all.length === 1 && only ? only : (client) => all.every((each) => each(client))
  }

  #term(): GroupQuery {
    if (!this.#takesSign('(')) return this.#comparison()
    if (++this.#nesting > groupQueryLimits.nesting)
      throw this.#fault(`at most ${groupQueryLimits.nesting} parentheses within each other`)
    const query = this.#any()
    if (!this.#takesSign(')')) throw this.#fault("'and', 'or' or ')'")
    this.#nesting--
    return query
  }

  #comparison(): GroupQuery {
    const operand = this.#operand()
    const isName = operand === undefined
    const read = (client: ClientFacts): AttributeValue | undefined =>
      operand === undefined ? client.authenticationName.toLowerCase() : own(client.attributes, operand)
    if (this.#takes('in')) {
      const wanted = this.#list(isName)
      return (client) => isAnyOf(read(client), wanted)
    }
    const sign = this.#token
    if (sign.kind !== 'sign' || '()[],'.includes(sign.text)) throw this.#fault(comparisons)
    this.#step()
    const ordering = orderings[sign.text]
    if (ordering) {
      if (isName)
        throw new SyntaxFault(sign.at, 'one of =, !=, <>, IN for authenticationName', `'${sign.text}'`)
      const bound = this.#literal('an integer')
      return (client) => {
        const value = read(client)
        return typeof value === 'number' && ordering(value, bound as number)
      }
    }
    const wanted = [this.#literal(isName ? 'a string' : 'any', isName)]
    if (sign.text === '=') return (client) => isAnyOf(read(client), wanted)
    return (client) => isOtherThan(read(client), wanted[0] as Literal)
  }

  /** The key of an attribute; undefined: the authentication name. */
  #operand(): string | undefined {
    const { kind, text } = this.#token
    const expected = "'authenticationName' or 'attributes.' and the name of an attribute"
    if (kind !== 'word') throw this.#fault(expected)
    const [first = '', key, ...rest] = text.split('.')
    const isAttribute =
      first.toLowerCase() === 'attributes' && key !== undefined && key !== '' && !rest.length
    if (!isAttribute && text.toLowerCase() !== 'authenticationname') throw this.#fault(expected)
    this.#step()
    return isAttribute ? key : undefined
  }

  #list(isName: boolean): readonly Literal[] {
    if (!this.#takesSign('[')) throw this.#fault("'['")
    const literals: Literal[] = []
    do literals.push(this.#literal(isName ? 'a string' : 'any', isName))
    while (this.#takesSign(','))
    if (!this.#takesSign(']')) throw this.#fault("',' or ']'")
    return literals
  }

  #literal(type: 'a string' | 'an integer' | 'any', lower = false): Literal {
    const { kind, value, text } = this.#token
    const expected = type === 'any' ? 'a string in quotes, an integer, true or false' : type
    if (kind === 'integer' && type !== 'a string') {
      if (!Number.isSafeInteger(value)) throw this.#fault('an integer of at most 53 bits')
    } else if (kind === 'word' && type === 'any' && /^(?:true|false)$/i.test(text)) {
      this.#step()
      return text.toLowerCase() === 'true'
    } else if (kind !== 'string' || type === 'an integer') throw this.#fault(expected)
    this.#step()
    return lower ? String(value).toLowerCase() : (value as Literal)
  }

  #takes(word: string): boolean {
    const { kind, text } = this.#token
    if (kind !== 'word' || text.toLowerCase() !== word) return false
    this.#step()
    return true
  }

  #takesSign(sign: string): boolean {
    const { kind, text } = this.#token
    if (kind !== 'sign' || text !== sign) return false
    this.#step()
    return true
  }

  #step(): void {
    this.#token = this.#next()
  }

  #next(): Token {
    lexeme.lastIndex = this.#at
    const { groups = {}, 0: all = '' } = lexeme.exec(this.#text) ?? {}
    const [kind, text] = Object.entries(groups).find(([, found]) => found !== undefined) ?? []
    if (text === undefined) {
      const at = this.#text.length - this.#text.slice(this.#at).trimStart().length
      if (at === this.#text.length) return { kind: 'end', text: '', at: at + 1 }
      const what = `"'`.includes(this.#text.charAt(at))
        ? 'the quote that ends the string'
        : 'a word, a value or a sign'
      throw new SyntaxFault(at + 1, what, show(this.#text.slice(at, at + 20)))
    }
    const at = this.#at + all.length - text.length + 1
    this.#at += all.length
    const value =
      kind === 'integer'
        ? Number(text)
        : kind === 'string'
          ? text.slice(1, -1).replace(/\\(["'\\])/g, '$1')
          : undefined
    return { kind: kind as Token['kind'], text, at, ...(value !== undefined && { value }) }
  }

  #fault(expected: string): SyntaxFault {
    const { kind, text, at } = this.#token
    return new SyntaxFault(at, expected, kind === 'end' ? 'the end of the query' : show(text))
  }
}

const own = (attributes: ClientFacts['attributes'], key: string): AttributeValue | undefined =>
  Object.hasOwn(attributes, key) ? attributes[key] : undefined

/** Of an array, one element is enough. A value of another type is none of them. */
function isAnyOf(value: AttributeValue | undefined, wanted: readonly Literal[]): boolean {
  if (value === undefined) return false
  if (typeof value !== 'object') return wanted.includes(value)
  return value.some((element) => wanted.includes(element))
}

/** Of an array, no element may be the one. Nothing, or a value of another type, cannot be compared: false. */
function isOtherThan(value: AttributeValue | undefined, unwanted: Literal): boolean {
  if (value === undefined) return false
  if (typeof value !== 'object') return typeof value === typeof unwanted && value !== unwanted
  return typeof unwanted === 'string' && !value.includes(unwanted)
}

const show = (text: string) => `'${text}'`
