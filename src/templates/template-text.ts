import { unreadableText } from './errors.ts'
import type { Value } from './language/value.ts'
import { templateLimits } from './limits.ts'

/**
 * Reads a body that holds a template. The az command line writes the template file byte for byte into its request,
 * behind a key without quotes, so that comments, trailing commas, single quotes and strings over several lines come
 * over the wire: text that is not JSON is read again as that.
 *
 * Throws a refusal that names the line and the column.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/syntax, "Comments and metadata" and
 * "Multi-line strings"
 */
export function readTemplateText(text: string): Value {
  if (text.length > templateLimits.textCharacters)
    throw unreadableText(`A template may have at most ${templateLimits.textCharacters} characters.`, 1, 1)
  const value = readStrictly(text)
  // The other reader also names the place where JSON is too deep.
  return value === undefined || isTooDeep(value) ? new Reader(text).document() : value
}

function readStrictly(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value
  } catch {
    return undefined
  }
}

function isTooDeep(value: Value): boolean {
  let level: readonly Value[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > templateLimits.nesting) return true
    level = level.flatMap((each) =>
      typeof each === 'object' && each !== null ? (Object.values(each) as readonly Value[]) : [],
    )
  }
  return false
}

const words: Readonly<Record<string, Value>> = { true: true, false: false, null: null }
const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

class Reader {
  readonly #text: string
  #at: number

  constructor(text: string) {
    this.#text = text
    this.#at = text.startsWith('\uFEFF') ? 1 : 0
  }

  document(): Value {
    const value = this.#value(0)
    this.#skip()
    if (this.#at < this.#text.length) throw this.#expected('the end')
    return value
  }

  #value(depth: number): Value {
    this.#skip()
    if (depth > templateLimits.nesting)
      throw this.#wrong(`Objects and arrays may lie at most ${templateLimits.nesting} deep in one another.`)
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
      case "'":
        return this.#string()
      default:
        return this.#word()
    }
  }

  #object(depth: number): Value {
    const entries: [string, Value][] = []
    this.#at++
    while (!this.#takes('}')) {
      const key = this.#key()
      if (!this.#takes(':')) throw this.#expected("':' after the property name")
      entries.push([key, this.#value(depth + 1)])
      if (this.#takes(',')) continue
      if (this.#takes('}')) break
      throw this.#expected("',' or '}'")
    }
    return Object.fromEntries(entries)
  }

  #array(depth: number): Value {
    const items: Value[] = []
    this.#at++
    while (!this.#takes(']')) {
      items.push(this.#value(depth + 1))
      if (this.#takes(',')) continue
      if (this.#takes(']')) break
      throw this.#expected("',' or ']'")
    }
    return items
  }

  #key(): string {
    this.#skip()
    const first = this.#text[this.#at]
    if (first === '"' || first === "'") return this.#string()
    const name = this.#match(/[\p{L}$_][\p{L}\p{N}$_]*/uy)
    if (name === undefined) throw this.#expected("a property name or '}'")
    return name
  }

  #string(): string {
    const start = this.#at
    const quote = this.#text[this.#at++]
    let text = ''
    for (;;) {
      const run = this.#match(quote === '"' ? /[^"\\]+/y : /[^'\\]+/y)
      text += run ?? ''
      const next = this.#text[this.#at]
      if (next === undefined) throw this.#wrong('The string that begins here does not end.', start)
      this.#at++
      if (next === quote) return text
      text += this.#escape()
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at++]
    if (letter === undefined) throw this.#wrong('The text ends within a string.')
    if (letter !== 'u') {
      const meant = escapes[letter] ?? (/["'\\/]/.test(letter) ? letter : undefined)
      if (meant === undefined) throw this.#wrong(`There is no escape '\\${letter}'.`, this.#at - 2)
      return meant
    }
    const hex = this.#match(/[0-9a-f]{4}/iy)
    if (hex === undefined) throw this.#expected('four hexadecimal digits')
    return String.fromCharCode(Number.parseInt(hex, 16))
  }

  #word(): Value {
    const number = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y)
    if (number !== undefined) return Number(number)
    const word = this.#match(/[A-Za-z]+(?![\w$])/y)
    const value = word === undefined ? undefined : words[word]
    if (value !== undefined) return value
    if (word !== undefined) this.#at -= word.length
    throw this.#expected('a value')
  }

  /** Steps over white space and the mark, if that is what comes next. */
  #takes(mark: string): boolean {
    this.#skip()
    if (this.#text[this.#at] !== mark) return false
    this.#at++
    return true
  }

  /** Steps over white space and comments. */
  #skip(): void {
    for (;;) {
      this.#match(/\s+/y)
      if (this.#match(/\/\/[^\n\r]*/y) !== undefined) continue
      if (!this.#text.startsWith('/*', this.#at)) return
      const end = this.#text.indexOf('*/', this.#at + 2)
      if (end < 0) throw this.#wrong('The comment that begins here does not end.')
      this.#at = end + 2
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #expected(what: string) {
    const next = this.#text[this.#at]
    const came = next === undefined ? 'the end of the text' : `'${next}'`
    return this.#wrong(`Expected ${what}, and came to ${came}.`)
  }

  #wrong(what: string, at = this.#at) {
    const before = this.#text.slice(0, at)
    const line = before.split('\n').length
    return unreadableText(what, line, at - before.lastIndexOf('\n'))
  }
}
