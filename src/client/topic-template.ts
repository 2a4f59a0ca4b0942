import { attributeKey, type ClientFacts } from './attributes.ts'
import { SyntaxFault } from './syntax-fault.ts'

/*
 * A topic template: an MQTT topic filter in which a segment may hold variables of the client that asks.
 *
 *   machines/${client.authenticationName|.factory1}/+/${client.attributes.area}/#
 *
 * It is read once; `forClient` makes of it what holds for one client.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-topic-spaces
 */

export interface TopicTemplate {
  readonly text: string
  /** Undefined where the template does not apply: the client lacks an attribute, or its value fits in no segment. */
  forClient(client: ClientFacts): ClientTemplate | undefined
}

/** What a template means for one client. */
export interface ClientTemplate {
  /**
   * Whether every topic that a filter can match is one that the template matches. A topic name has no wildcards, and is
   * a filter that matches itself alone.
   */
  covers(levels: readonly string[]): boolean
}

/** The levels of a topic name or filter; undefined for a reserved one, which no template covers. [MQTT-4.7.2-1] */
export const levelsOfTopic = (topic: string): readonly string[] | undefined =>
  topic.startsWith('$') ? undefined : topic.split('/')

export interface TemplateLimits {
  readonly bytes: number
  readonly segments: number
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits, "MQTT limits in namespace" */
export const azureTemplateLimits = { bytes: 256, segments: 8, perTopicSpace: 10 } as const

/** A piece of a segment: text, or a variable and the text that follows its value. */
type Piece = string | { readonly variable: Variable; readonly suffix: string }
/** An attribute's key; undefined: the authentication name. */
type Variable = string | undefined
type Segment = '+' | '#' | readonly Piece[]

/** Throws `SyntaxFault`. */
export function compileTopicTemplate(text: string, limits: TemplateLimits): TopicTemplate {
  if (text === '') throw new SyntaxFault(1, 'a topic template', 'nothing')
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.bytes)
    throw new SyntaxFault(1, `a topic template of at most ${limits.bytes} bytes`, `${bytes} bytes`)
  const parts = text.split('/')
  if (parts.length > limits.segments)
    throw new SyntaxFault(
      1,
      `a topic template of at most ${limits.segments} segments`,
      `${parts.length} segments`,
    )
  let at = 1
  const segments = parts.map((part, index) => {
    const segment = readSegment(part, at, index === parts.length - 1)
    at += part.length + 1
    return segment
  })
  const [first] = segments
  if (typeof first === 'object' && typeof first[0] === 'string' && first[0].startsWith('$'))
    throw new SyntaxFault(
      1,
      "a topic template that does not begin with '$', which is reserved",
      `'${parts[0]}'`,
    )
  return { text, forClient: (client) => apply(segments, client) }
}

const variable =
  /\$\{client\.(?:(?<name>authenticationName)|attributes\.(?<key>[a-zA-Z0-9_]+))(?:\|(?<suffix>[^{}]*))?\}/y

function readSegment(part: string, from: number, isLast: boolean): Segment {
  if (part === '+' || (part === '#' && isLast)) return part
  if (part === '#') throw new SyntaxFault(from, "'#' as the last segment only", `'#' before another segment`)
  const pieces: Piece[] = []
  let literal = ''
  for (let at = 0; at < part.length; ) {
    const character = part.charAt(at)
    if (part.startsWith('${', at)) {
      variable.lastIndex = at
      const found = variable.exec(part)
      const { name, key, suffix = '' } = found?.groups ?? {}
      if (!found || (name === undefined && !attributeKey.test(key ?? '')))
        throw new SyntaxFault(
          from + at,
          'one of ${client.authenticationName}, ${client.attributes.NAME}, each with |TEXT before its brace where text follows',
          `'${part.slice(at, at + 60)}'`,
        )
      refuseReserved(suffix, from + at + found[0].length - 1 - suffix.length)
      if (literal !== '') pieces.push(literal)
      literal = ''
      pieces.push({ variable: key, suffix })
      at += found[0].length
    } else {
      refuseReserved(character, from + at)
      literal += character
      at++
    }
  }
  if (literal !== '' || pieces.length === 0) pieces.push(literal)
  return pieces
}

/** Wildcards stand alone in their segment. [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.3-2] */
function refuseReserved(text: string, at: number): void {
  const found = /[+#\0]/.exec(text)
  if (!found) return
  const got = found[0] === '\0' ? 'U+0000' : `'${found[0]}'`
  throw new SyntaxFault(at + found.index, 'a wildcard alone in its segment, and no U+0000', got)
}

// ------------------------------------------------------------ for one client

/** A segment for one client: a wildcard or one text; with an array attribute, one text for each of its elements. */
type Level = string | readonly Piece[]

function apply(segments: readonly Segment[], client: ClientFacts): ClientTemplate | undefined {
  const levels: Level[] = []
  let isPlain = true
  for (const segment of segments) {
    const level = typeof segment === 'string' ? segment : levelOf(segment, client)
    if (level === undefined) return undefined
    isPlain &&= typeof level === 'string'
    levels.push(level)
  }
  return isPlain ? new PlainTemplate(levels as readonly string[]) : new TemplateOfMany(levels, client)
}

function levelOf(pieces: readonly Piece[], client: ClientFacts): Level | undefined {
  let whole = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      whole += piece
      continue
    }
    const value = valueOf(piece.variable, client)
    if (value === undefined) return undefined
    if (typeof value === 'object') return pieces
    const text = String(value)
    if (!fitsSegment(text)) return undefined
    whole += text + piece.suffix
  }
  return whole
}

/**
 * Level by level. A wildcard of the filter is covered by a wildcard alone: `#` covers whatever is left, `+` one level
 * that is not `#`. No text of a template is a wildcard.
 */
class PlainTemplate implements ClientTemplate {
  readonly #levels: readonly string[]

  constructor(levels: readonly string[]) {
    this.#levels = levels
  }

  covers(asked: readonly string[]): boolean {
    const levels = this.#levels
    for (let at = 0; at < levels.length; at++) {
      const level = levels[at]
      if (level === '#') return true
      const part = asked[at]
      if (part === undefined || part === '#') return false
      if (level !== '+' && level !== part) return false
    }
    return asked.length === levels.length
  }
}

class TemplateOfMany implements ClientTemplate {
  readonly #levels: readonly Level[]
  readonly #client: ClientFacts

  constructor(levels: readonly Level[], client: ClientFacts) {
    this.#levels = levels
    this.#client = client
  }

  covers(asked: readonly string[]): boolean {
    return this.#fits(asked, 0, new Map())
  }

  #fits(asked: readonly string[], from: number, chosen: Chosen): boolean {
    for (let at = from; at < this.#levels.length; at++) {
      const level = this.#levels[at] as Level
      if (level === '#') return true
      const part = asked[at]
      if (part === undefined || part === '#') return false
      if (typeof level === 'string') {
        if (level !== '+' && level !== part) return false
        continue
      }
      for (const choice of textsOf(level, this.#client, chosen))
        if (choice.text === part && this.#fits(asked, at + 1, choice.chosen)) return true
      return false
    }
    return asked.length === this.#levels.length
  }
}

/** Which element stands for an array attribute: the same wherever the template names it. */
type Chosen = ReadonlyMap<string, string>

/** Each text that the pieces can be; none where a value is missing or does not fit into one segment. */
function* textsOf(
  pieces: readonly Piece[],
  client: ClientFacts,
  chosen: Chosen,
): Generator<{ readonly text: string; readonly chosen: Chosen }, undefined> {
  const [first, ...rest] = pieces
  if (first === undefined) {
    yield { text: '', chosen }
    return undefined
  }
  for (const head of valuesOf(first, client, chosen))
    for (const tail of textsOf(rest, client, head.chosen))
      yield { text: head.text + tail.text, chosen: tail.chosen }
  return undefined
}

function* valuesOf(piece: Piece, client: ClientFacts, chosen: Chosen) {
  if (typeof piece === 'string') {
    yield { text: piece, chosen }
    return
  }
  const { variable: key, suffix } = piece
  const value = valueOf(key, client)
  if (value === undefined) return
  if (typeof value !== 'object' || key === undefined) {
    const text = String(value)
    if (fitsSegment(text)) yield { text: text + suffix, chosen }
    return
  }
  const before = chosen.get(key)
  for (const text of before === undefined ? value : [before])
    if (fitsSegment(text)) yield { text: text + suffix, chosen: new Map(chosen).set(key, text) }
}

function valueOf(key: Variable, { authenticationName, attributes }: ClientFacts) {
  if (key === undefined) return authenticationName
  return Object.hasOwn(attributes, key) ? attributes[key] : undefined
}

const fitsSegment = (text: string) => text !== '' && !/[/+#\0]/.test(text)
