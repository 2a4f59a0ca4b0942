import type { RecordChange, Records } from '../store/store.ts'

/** Writes all changes of a turn of the event loop together. */
export class Writer {
  readonly #records: Records
  #changes: RecordChange[] = []
  #turn: Promise<void> | undefined
  readonly #pending = new Set<Promise<void>>()

  constructor(records: Records) {
    this.#records = records
  }

  /** Resolves when they are durable; rejects when none of that turn is. */
  write(changes: readonly RecordChange[]): Promise<void> {
    this.#changes.push(...changes)
    if (this.#turn) return this.#turn
    const turn = this.#flush()
    this.#turn = turn
    this.#pending.add(turn)
    const ended = () => this.#pending.delete(turn)
    turn.then(ended, ended)
    return turn
  }

  async #flush(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    const changes = this.#changes
    this.#changes = []
    this.#turn = undefined
    await this.#records.write(changes)
  }

  get isIdle(): boolean {
    return this.#pending.size === 0
  }

  /** Resolves when nothing is being written, whatever became of it. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
  }
}

/** Numbers that are in the order of keys as they are in their own. */
export const keyOfNumber = (value: number): string => String(value).padStart(16, '0')
