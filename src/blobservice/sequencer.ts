import type { Records } from '../store/store.ts'

/** How many numbers are set aside with one write. */
const block = 100_000

/**
 * Numbers that never go back, across restarts and crashes too: they are set aside on disk before they are used. As
 * text they have equal length, so that comparing them as text tells which of two events of one blob is the later.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage, "sequencer"
 */
export class Sequencer {
  readonly #records: Records
  readonly #key: string
  #last: number
  #reserved: number
  #reserving: Promise<void> | undefined

  private constructor(records: Records, key: string, reserved: number) {
    this.#records = records
    this.#key = key
    this.#last = reserved
    this.#reserved = reserved
  }

  static async open(records: Records, key: string): Promise<Sequencer> {
    const stored = await records.get(key)
    return new Sequencer(records, key, (stored?.value as number | undefined) ?? 0)
  }

  /** 48 hexadecimal digits. */
  async next(): Promise<string> {
    const number = ++this.#last
    while (number > this.#reserved) await (this.#reserving ??= this.#reserve())
    return number.toString(16).padStart(48, '0')
  }

  async #reserve(): Promise<void> {
    const reserved = this.#last + block
    try {
      await this.#records.put(this.#key, reserved)
      this.#reserved = reserved
    } finally {
      this.#reserving = undefined
    }
  }
}
