import { ExpressionFault } from '../errors.ts'
import { templateLimits } from '../limits.ts'
import { type Token, tokens } from './tokens.ts'
import type { Value } from './value.ts'

/** One expression, as a tree. */
export type Node =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'access'; readonly of: Node; readonly key: Node }
  | {
      readonly kind: 'call'
      /** The namespace of a user function, such as `contoso` in `contoso.uniqueName('a')`. */
      readonly namespace: string | undefined
      readonly name: string
      readonly args: readonly Node[]
    }

/** What a string of a template means: itself, or an expression. */
export type Text =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly node: Node }

/**
 * A string from `[` to `]` is an expression, unless a second `[` escapes it: `[[a]` is the text `[a]`.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions, "Escape characters"
 */
export const isExpression = (text: string): boolean =>
  text.length > 2 && text.startsWith('[') && text.endsWith(']') && text[1] !== '['

/** Reads strings of one template; each different string is read once. */
export class ExpressionReader {
  readonly #read = new Map<string, Text>()

  read(text: string): Text {
    const known = this.#read.get(text)
    if (known) return known
    const made = readText(text)
    this.#read.set(text, made)
    return made
  }
}

function readText(text: string): Text {
  if (isExpression(text)) return { kind: 'expression', node: parse(text) }
  return { kind: 'text', text: text.startsWith('[[') && text.endsWith(']') ? text.slice(1) : text }
}

function parse(text: string): Node {
  if (text.length > templateLimits.expressionCharacters)
    throw new ExpressionFault(
      `The language expression has ${text.length} characters; the limit is ${templateLimits.expressionCharacters}.`,
    )
  const parser = new Parser(text)
  const node = parser.expression(0)
  parser.end()
  return node
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokens(text, 1, text.length - 1)
  }

  expression(depth: number): Node {
    if (depth > templateLimits.expressionDepth)
      throw this.#wrong(`at most ${templateLimits.expressionDepth} calls and accesses in one another`)
    let node = this.#primary(depth)
    for (let links = 1; ; links++) {
      if (links > templateLimits.expressionDepth)
        throw this.#wrong(`at most ${templateLimits.expressionDepth} accesses in a row`)
      if (this.#takes('.')) {
        const token = this.#next('a property name after the dot')
        if (token.kind !== 'name') throw this.#wrong('a property name after the dot', token)
        node = { kind: 'access', of: node, key: { kind: 'literal', value: token.text } }
      } else if (this.#takes('[')) {
        const key = this.expression(depth + 1)
        this.#expect(']')
        node = { kind: 'access', of: node, key }
      } else return node
    }
  }

  end(): void {
    const token = this.#tokens[this.#at]
    if (token) throw this.#wrong('the end of the expression', token)
  }

  #primary(depth: number): Node {
    const token = this.#next('a function, a string or a number')
    if (token.kind === 'string') return { kind: 'literal', value: token.text }
    if (token.kind === 'number') {
      const value = Number(token.text)
      if (Number.isInteger(value) && !Number.isSafeInteger(value))
        throw this.#wrong('an integer of at most 53 bits', token)
      return { kind: 'literal', value }
    }
    if (token.kind !== 'name') throw this.#wrong('a function, a string or a number', token)
    if (!this.#takes('.')) return this.#call(undefined, token.text, depth)
    const member = this.#next('a function of the namespace')
    if (member.kind !== 'name') throw this.#wrong('a function of the namespace', member)
    return this.#call(token.text, member.text, depth)
  }

  #call(namespace: string | undefined, name: string, depth: number): Node {
    if (!this.#takes('('))
      throw this.#wrong(`'(' after '${name}': functions are called, and text stands between single quotes`)
    const args: Node[] = []
    if (!this.#takes(')')) {
      do args.push(this.expression(depth + 1))
      while (this.#takes(','))
      this.#expect(')')
    }
    return { kind: 'call', namespace, name, args }
  }

  #takes(mark: string): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'mark' || token.text !== mark) return false
    this.#at++
    return true
  }

  #expect(mark: string): void {
    if (!this.#takes(mark)) throw this.#wrong(`'${mark}'`)
  }

  #next(expected: string): Token {
    const token = this.#tokens[this.#at]
    if (!token) throw this.#wrong(expected)
    this.#at++
    return token
  }

  #wrong(expected: string, token = this.#tokens[this.#at]): ExpressionFault {
    const came = token
      ? `'${token.text.slice(0, 40)}' at position ${token.at + 1}`
      : 'the end of the expression'
    return new ExpressionFault(
      `Unable to parse language expression '${shown(this.#text)}': expected ${expected}, and came to ${came}.`,
    )
  }
}

const shown = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}…` : text)
