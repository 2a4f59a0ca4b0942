const quote = 0x22
const backslash = 0x5c

/** How many bytes of a string are looked at one by one before the search for its end is left to `indexOf`. */
const shortStringBytes = 32

/**
 * The position after the closing quote of the string whose first character is at `from`.
 * The bytes must be JSON that has been parsed before.
 */
export function endOfString(bytes: Uint8Array, from: number): number {
  let at = from
  for (;;) {
    for (const pause = at + shortStringBytes; at < pause; at++) {
      const byte = bytes[at]
      if (byte === quote) return at + 1
      if (byte === backslash) at++
    }
    const found = bytes.indexOf(quote, at)
    let slashes = 0
    while (found - slashes > at && bytes[found - slashes - 1] === backslash) slashes++
    at = found + 1
    if (slashes % 2 === 0) return at
  }
}

/** Whether the byte is one of JSON's four kinds of white space. */
export const isSpace = (byte: number | undefined) =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/**
 * Finds where the objects of an array begin and end, in bytes that were parsed before and are known to be an
 * array of objects (or one object). It looks at structure alone and touches no value.
 */
export class ObjectScanner {
  readonly #bytes: Uint8Array
  readonly #watch: Uint8Array
  #at: number

  /** Position of the opening brace. */
  start = 0
  /** Position of the closing brace. */
  end = 0
  /** Members of the object itself; a name that comes twice counts twice. */
  members = 0
  /** How deep objects and arrays are nested; 1 for an object of scalars. */
  nesting = 0
  /**
   * Position of the colon behind the watched name, of its last member so called; -1 where there is none, or none
   * that is written plainly, without escapes or white space.
   */
  watched = -1

  /** @param watch name of a member of the object itself, in its quotes */
  constructor(bytes: Uint8Array, from = 0, watch: Uint8Array = nothing) {
    this.#bytes = bytes
    this.#at = from
    this.#watch = watch
  }

  /** Moves on to the next object. */
  next(): void {
    const bytes = this.#bytes
    let at = this.#at
    while (bytes[at] !== 0x7b) at++
    this.start = at
    let members = 0
    let depth = 0
    let deepest = 0
    this.watched = -1
    for (;;) {
      const byte = bytes[at++] as number
      if (byte === quote) at = endOfString(bytes, at)
      else if (byte === 0x3a) {
        if (depth === 1) {
          members++
          if (this.#isWatched(at - 1)) this.watched = at - 1
        }
      } else if (byte === 0x7b || byte === 0x5b) {
        if (++depth > deepest) deepest = depth
      } else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) break
    }
    this.#at = at
    this.end = at - 1
    this.members = members
    this.nesting = deepest
  }
  /** Whether what ends at `end` is the watched name in its quotes. */
  #isWatched(end: number): boolean {
    const watch = this.#watch
    const start = end - watch.length
    if (watch.length === 0 || this.#bytes[start - 1] === backslash) return false
    for (let at = watch.length - 1; at >= 0; at--) if (this.#bytes[start + at] !== watch[at]) return false
    return true
  }
}

const nothing = new Uint8Array(0)
