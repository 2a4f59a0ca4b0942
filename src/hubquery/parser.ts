import {
  and,
  arithmetic,
  type Comparison,
  compare,
  type Expression,
  not,
  or,
  type Scope,
} from './expression.ts'
import { functions } from './functions.ts'
import { type Dialect, QueryError, type Token, tokensOf } from './tokens.ts'

/** Expressions within expressions. */
const depth = 64

const comparisons: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
}

const constants: Readonly<Record<string, unknown>> = {
  TRUE: true,
  FALSE: false,
  NULL: null,
  UNDEFINED: undefined,
}

/** Reads one query or condition, word by word, into what is asked of each document. */
export class Parser {
  readonly #tokens: readonly Token[]
  /** How the paths that were read begin, in lower case. */
  readonly heads = new Set<string>()
  readonly #dialect: Dialect
  #next = 0
  #depth = 0

  constructor(text: string, dialect: Dialect = 'documents') {
    this.#dialect = dialect
    this.#tokens = tokensOf(text, dialect)
  }

  peek(): Token {
    return this.#tokens[this.#next] as Token
  }

  /** Whether that keyword is next, in any letter case. */
  isWord(word: string): boolean {
    const { kind, text } = this.peek()
    return kind === 'word' && text.toUpperCase() === word
  }

  takeWord(word: string): boolean {
    if (!this.isWord(word)) return false
    this.#next++
    return true
  }

  takeSign(sign: string): boolean {
    const { kind, text } = this.peek()
    if (kind !== 'sign' || text !== sign) return false
    this.#next++
    return true
  }

  expectWord(word: string): void {
    if (!this.takeWord(word)) throw this.unexpected(word)
  }

  expectSign(sign: string): void {
    if (!this.takeSign(sign)) throw this.unexpected(`'${sign}'`)
  }

  expectEnd(): void {
    if (this.peek().kind !== 'end') throw this.unexpected('the end')
  }

  take(kind: Token['kind'], expected: string): string {
    const token = this.peek()
    if (token.kind !== kind) throw this.unexpected(expected)
    this.#next++
    return token.text
  }

  unexpected(expected: string): QueryError {
    const { kind, text, position } = this.peek()
    const came = kind === 'end' ? text : `'${text}'`
    return new QueryError(`Expected ${expected} at character ${position}, and found ${came}.`)
  }

  /** The names of a path: `tags.site`, `configurations.[[a b]].status`; of a message also `$body.values[0].at`. */
  path(): readonly string[] {
    const path = [this.#name()]
    this.heads.add((path[0] as string).toLowerCase())
    for (;;) {
      if (this.takeSign('.')) path.push(this.#name())
      else if (this.#dialect === 'messages' && this.takeSign('[')) {
        path.push(this.take('number', 'the number of an item'))
        this.expectSign(']')
      } else return path
    }
  }

  #name(): string {
    const { kind, text } = this.peek()
    if (kind !== 'word' && kind !== 'bracketed') throw this.unexpected('a name')
    this.#next++
    return text
  }

  /** A function's name with its opening bracket; undefined, and nothing taken, where there is none. */
  takeCall(): string | undefined {
    const [name, bracket] = [this.peek(), this.#tokens[this.#next + 1]]
    if (name.kind !== 'word' || bracket?.kind !== 'sign' || bracket.text !== '(') return undefined
    this.#next += 2
    return name.text.toUpperCase()
  }

  /** What is selected; a path alone is called by its last name. */
  column(): { readonly value: Expression; readonly name: string | undefined } {
    const start = this.#next
    const { kind, text } = this.peek()
    const isConstant = Object.hasOwn(constants, text.toUpperCase())
    if (kind === 'bracketed' || (kind === 'word' && !isConstant)) {
      const path = this.path()
      const { kind: following, text: sign } = this.peek()
      const isAlone = this.isWord('AS') || this.isWord('FROM') || (following === 'sign' && sign === ',')
      if (isAlone) return { value: (scope) => scope.get(path), name: path.at(-1) }
      this.#next = start
    }
    return { value: this.condition(), name: undefined }
  }

  condition(): Expression {
    if (++this.#depth > depth) throw new QueryError(`A query nests at most ${depth} expressions.`)
    let left = this.#conjunction()
    while (this.takeWord('OR')) left = or(left, this.#conjunction())
    this.#depth--
    return left
  }

  #conjunction(): Expression {
    let left = this.#negation()
    while (this.takeWord('AND')) left = and(left, this.#negation())
    return left
  }

  #negation(): Expression {
    let negations = 0
    while (this.takeWord('NOT')) negations++
    const inner = this.#comparison()
    return negations % 2 === 0 ? inner : not(inner)
  }

  #comparison(): Expression {
    const left = this.#sum()
    const { kind, text } = this.peek()
    const sign = kind === 'sign' ? comparisons[text] : undefined
    if (sign) {
      this.#next++
      const right = this.#sum()
      return (scope) => compare(sign, left(scope), right(scope))
    }
    if (this.takeWord('IN')) return this.#among(left, true)
    if (this.takeWord('NIN')) return this.#among(left, false)
    return left
  }

  #among(left: Expression, isIn: boolean): Expression {
    this.expectSign('[')
    const values = this.#list(']')
    return (scope) => {
      const value = left(scope)
      if (value === undefined) return undefined
      return values.some((other) => compare('=', value, other(scope)) === true) === isIn
    }
  }

  #sum(): Expression {
    let left = this.#product()
    for (;;) {
      const sign = ['+', '-'].find((each) => this.takeSign(each))
      if (sign === undefined) return left
      left = binary(sign, left, this.#product())
    }
  }

  #product(): Expression {
    let left = this.#factor()
    for (;;) {
      const sign = ['*', '/', '%'].find((each) => this.takeSign(each))
      if (sign === undefined) return left
      left = binary(sign, left, this.#factor())
    }
  }

  #factor(): Expression {
    let isNegative = false
    while (this.takeSign('-')) isNegative = !isNegative
    const inner = this.#operand()
    return isNegative ? (scope) => arithmetic('-', 0, inner(scope)) : inner
  }

  #operand(): Expression {
    const { kind, text } = this.peek()
    if (kind === 'number' || kind === 'string') {
      this.#next++
      const value = kind === 'number' ? Number(text) : text
      return () => value
    }
    if (this.takeSign('(')) {
      const inner = this.condition()
      this.expectSign(')')
      return inner
    }
    if (this.takeSign('[')) {
      const values = this.#list(']')
      return (scope) => values.map((value) => value(scope))
    }
    const name = this.takeCall()
    if (name !== undefined) return this.#call(name)
    const constant = text.toUpperCase()
    if (kind === 'word' && Object.hasOwn(constants, constant)) {
      this.#next++
      return () => constants[constant]
    }
    if (kind !== 'word' && kind !== 'bracketed') throw this.unexpected('a value')
    const path = this.path()
    return (scope: Scope) => scope.get(path)
  }

  #call(name: string): Expression {
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined
    if (!known)
      throw new QueryError(`There is no function '${name}'. There are ${Object.keys(functions).join(', ')}.`)
    const values = this.#list(')')
    if (values.length < known.least || values.length > known.most)
      throw new QueryError(
        `'${name}' takes ${known.least === known.most ? known.least : `${known.least} to ${known.most}`} ` +
          `values, and has ${values.length}.`,
      )
    return (scope) => known.call(values.map((value) => value(scope)))
  }

  #list(end: string): readonly Expression[] {
    const values: Expression[] = []
    if (this.takeSign(end)) return values
    do values.push(this.condition())
    while (this.takeSign(','))
    this.expectSign(end)
    return values
  }
}

const binary =
  (sign: string, left: Expression, right: Expression): Expression =>
  (scope) =>
    arithmetic(sign, left(scope), right(scope))
