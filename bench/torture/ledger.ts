import type { Received } from '../load/receiver.ts'

/** Which events the server took responsibility for. */
export class Ledger {
  #acknowledged = new Uint8Array(1 << 16)
  #count = 0

  get count(): number {
    return this.#count
  }

  acknowledge(firstSequence: number, events: number): void {
    const end = firstSequence + events
    if (end > this.#acknowledged.length) {
      const longer = new Uint8Array(Math.max(this.#acknowledged.length * 2, end))
      longer.set(this.#acknowledged)
      this.#acknowledged = longer
    }
    this.#acknowledged.fill(1, firstSequence, end)
    this.#count += events
  }

  /** The sequences that were acknowledged and never came. */
  missingFrom({ times }: Received): readonly number[] {
    const missing: number[] = []
    for (const [sequence, acknowledged] of this.#acknowledged.entries())
      if (acknowledged === 1 && (times[sequence] ?? 0) === 0) missing.push(sequence)
    return missing
  }
}
