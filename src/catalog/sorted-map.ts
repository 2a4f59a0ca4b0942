/** Keys per chunk before it is cut in two: an insertion moves no more. */
const chunkKeys = 512

/**
 * A map whose keys are also kept in order, so that everything below a scope is one run of keys and a page of a
 * list is found without a walk. The order is cut into chunks, so that a key costs little wherever it belongs.
 */
export class SortedMap<Value> {
  readonly #values = new Map<string, Value>()
  /** Ascending, and none of them empty. */
  readonly #chunks: string[][] = []

  get size(): number {
    return this.#values.size
  }

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) this.#insert(key)
    this.#values.set(key, value)
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return
    const { chunk, index } = this.#firstAtLeast(key)
    const keys = this.#chunks[chunk] as string[]
    keys.splice(index, 1)
    if (keys.length === 0) this.#chunks.splice(chunk, 1)
  }

  /** How many keys begin with `prefix`. */
  count(prefix: string): number {
    const from = this.#firstAtLeast(prefix)
    const to = this.#firstAtLeast(`${prefix}\u{10ffff}`)
    let count = to.index - from.index
    for (let chunk = from.chunk; chunk < to.chunk; chunk++) count += this.#chunks[chunk]?.length ?? 0
    return count
  }

  /** Values whose key begins with `prefix`, in key order, from the first key after `after`. */
  *below(prefix: string, after = ''): Generator<Value> {
    let { chunk, index } = this.#firstAtLeast(after > prefix ? after : prefix)
    if (this.#chunks[chunk]?.[index] === after) index++
    for (; chunk < this.#chunks.length; chunk++, index = 0) {
      const keys = this.#chunks[chunk] as string[]
      for (; index < keys.length; index++) {
        const key = keys[index] as string
        if (!key.startsWith(prefix)) return
        yield this.#values.get(key) as Value
      }
    }
  }

  #insert(key: string): void {
    const last = this.#chunks.at(-1)
    // Keys that come in order, as at a start, fill one chunk after the other.
    if (!last || (last.length >= chunkKeys && (last.at(-1) as string) < key)) {
      this.#chunks.push([key])
      return
    }
    const found = this.#firstAtLeast(key)
    const isAfterAll = found.chunk === this.#chunks.length
    const chunk = isAfterAll ? found.chunk - 1 : found.chunk
    const keys = this.#chunks[chunk] as string[]
    keys.splice(isAfterAll ? keys.length : found.index, 0, key)
    if (keys.length > chunkKeys) this.#chunks.splice(chunk + 1, 0, keys.splice(chunkKeys >> 1))
  }

  /** The place of the first key that is not before `key`; behind the last chunk when there is none. */
  #firstAtLeast(key: string): { readonly chunk: number; readonly index: number } {
    const chunk = firstIndex(this.#chunks.length, (n) => (this.#chunks[n]?.at(-1) as string) >= key)
    const keys = this.#chunks[chunk] ?? []
    return { chunk, index: firstIndex(keys.length, (n) => (keys[n] as string) >= key) }
  }
}

/** The first of `length` indexes for which it holds, when it holds for all after it; `length` when for none. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
