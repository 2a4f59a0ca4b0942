/**
 * A map whose keys are also kept in order, so that everything below a scope is one run of keys and a page of a
 * list is found without a walk. Keys that come in order (as at start) are appended; others cost a memory move.
 */
export class SortedMap<Value> {
  readonly #values = new Map<string, Value>()
  readonly #keys: string[] = []

  get size(): number {
    return this.#keys.length
  }

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#firstAtLeast(key), 0, key)
    this.#values.set(key, value)
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#firstAtLeast(key), 1)
  }

  /** How many keys begin with `prefix`; costs the same however many. */
  count(prefix: string): number {
    return this.#firstAtLeast(`${prefix}\u{10ffff}`) - this.#firstAtLeast(prefix)
  }

  /** Values whose key begins with `prefix`, in key order, from the first key after `after`. */
  *below(prefix: string, after = ''): Generator<Value> {
    let index = this.#firstAtLeast(after > prefix ? after : prefix)
    if (this.#keys[index] === after) index++
    for (; index < this.#keys.length; index++) {
      const key = this.#keys[index] as string
      if (!key.startsWith(prefix)) return
      yield this.#values.get(key) as Value
    }
  }

  #firstAtLeast(key: string): number {
    let low = 0
    let high = this.#keys.length
    const last = this.#keys[high - 1]
    if (last === undefined || last < key) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
