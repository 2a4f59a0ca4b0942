import { randomBytes } from 'node:crypto'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Sealer } from '../base/sealer.ts'
import type { Records } from '../store/store.ts'

/*
 * Long-running operations, as the client polls them. Nearly all have succeeded when their request is answered, so
 * success is what an id means by itself: it carries when it was made and a signature, and nothing is stored for
 * it. Stored are failures. What is running is known from the resource that carries the operation's id, so that a
 * restart finds it again.
 *
 *     id, a guid of 16 bytes:  seconds since 1970 (5 bytes) | random (3) | HMAC-SHA-256 of the first eight (8)
 */

export interface OperationError {
  readonly code: string
  readonly message: string
}

export type OperationStatus =
  | { readonly status: 'InProgress' | 'Succeeded'; readonly startedAt: EpochMs }
  | { readonly status: 'Failed'; readonly startedAt: EpochMs; readonly error: OperationError }

interface FailedOperation {
  readonly id: string
  readonly error: OperationError
}

/** Source: the ARM resource provider contract, "Asynchronous operations": status for at least a day. */
const keptMs = 24 * 3_600_000
const failuresKept = 10_000
const recordPrefix = 'operation/'

export class Operations {
  readonly #records: Records
  readonly #sealer: Sealer
  readonly #clock: Clock
  /** Each with what is to be called when it has ended. */
  readonly #running = new Map<string, (() => void)[]>()
  /** Oldest first. */
  readonly #failed = new Map<string, FailedOperation>()
  /** Failures up to then were dropped to stay within bounds: of operations that old nothing is known. */
  #forgottenUntil: EpochMs = 0

  constructor({ records, sealer, clock }: { records: Records; sealer: Sealer; clock: Clock }) {
    this.#records = records
    this.#sealer = sealer
    this.#clock = clock
  }

  async load(): Promise<void> {
    // An id begins with its time, so that key order is the order in which they were made.
    for (const { value } of await this.#records.list(recordPrefix)) {
      const failed = value as FailedOperation
      this.#failed.set(failed.id, failed)
    }
    await this.#prune()
  }

  /** A new operation's id. It means success unless `run` or `fail` says otherwise. */
  newId(): string {
    const head = Buffer.alloc(8)
    head.writeUIntBE(Math.floor(this.#clock.now() / 1000), 0, 5)
    randomBytes(3).copy(head, 5)
    return guidOf(head.toString('hex') + this.#signature(head))
  }

  /** The operation is under way until `succeed` or `fail`. */
  run(id: string): void {
    if (!this.#running.has(id)) this.#running.set(id, [])
  }

  /** Resolves when the operation is not under way any more; at once when it is not. */
  ended(id: string): Promise<void> {
    const waiting = this.#running.get(id)
    return waiting ? new Promise((resolve) => void waiting.push(resolve)) : Promise.resolve()
  }

  succeed(id: string): void {
    this.#end(id)
  }

  #end(id: string): void {
    const waiting = this.#running.get(id) ?? []
    this.#running.delete(id)
    for (const tell of waiting) tell()
  }

  /** Durable when the promise resolves. */
  async fail(id: string, error: OperationError): Promise<void> {
    const failed = { id, error }
    await this.#records.put(recordPrefix + id, failed)
    this.#failed.set(id, failed)
    this.#end(id)
    await this.#prune()
  }

  /** Undefined for an id that was never given out, or more than a day ago. */
  status(id: string): OperationStatus | undefined {
    const lower = id.toLowerCase()
    const bytes = Buffer.from(lower.replaceAll('-', ''), 'hex')
    if (bytes.length !== 16 || lower !== guidOf(bytes.toString('hex'))) return undefined
    const head = bytes.subarray(0, 8)
    if (bytes.subarray(8).toString('hex') !== this.#signature(head)) return undefined
    const startedAt = head.readUIntBE(0, 5) * 1000
    const failed = this.#failed.get(lower)
    if (failed) return { status: 'Failed', startedAt, error: failed.error }
    if (this.#running.has(lower)) return { status: 'InProgress', startedAt }
    if (startedAt <= this.#forgottenUntil || this.#clock.now() - startedAt > keptMs) return undefined
    return { status: 'Succeeded', startedAt }
  }

  #signature(head: Buffer): string {
    return this.#sealer.sign(`operation ${head.toString('hex')}`).toString('hex', 0, 8)
  }

  async #prune(): Promise<void> {
    const oldest = this.#clock.now() - keptMs
    for (const id of this.#failed.keys()) {
      const startedAt = Number.parseInt(id.replaceAll('-', '').slice(0, 10), 16) * 1000
      // At the bound it may be that something was dropped before a restart.
      if (this.#failed.size >= failuresKept) this.#forgottenUntil = Math.max(this.#forgottenUntil, startedAt)
      if (this.#failed.size <= failuresKept && startedAt >= oldest) return
      this.#failed.delete(id)
      await this.#records.delete(recordPrefix + id)
    }
  }
}

const guidOf = (hex: string) =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
