import type { Clock, Timer } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Sealer } from '../base/sealer.ts'
import type { BulkFailure } from '../registry/bulk.ts'
import { encodeExported } from '../registry/encode.ts'
import { HubError } from '../registry/errors.ts'
import type { Registry } from '../registry/registry.ts'
import type { Records } from '../store/store.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { type Container, ContainerFailure, type Containers } from './container.ts'
import {
  encodeTransfer,
  isTransferEnded,
  type StoredTransfer,
  type TransferRequest,
  type Uris,
} from './transfer.ts'

export interface TransfersOptions {
  readonly hubUid: string
  readonly registry: Registry
  readonly records: Records
  readonly sealer: Sealer
  readonly containers: Containers
  /** Does what one line of an import says; resolves to what is wrong with it. */
  readonly importItem: (registry: Registry, item: unknown) => Promise<BulkFailure | undefined>
  readonly clock: Clock
  readonly log: Log
}

/** Jobs of one hub that have not ended; one of them runs. */
const openMost = 100
/** Those that are kept with those that have ended: the oldest of these make room. */
const keptMost = 1_000
const retentionMs = 30 * 24 * 3_600_000
const blockBytes = 4 * 1024 * 1024
const readBytes = 1024 * 1024
/** A line of an import: keys, and a twin as large as it may be, escaped. */
const lineBytesMost = 1024 * 1024
const linesAtOnce = 100
const errorsBlob = 'importErrors.log'
const retryMs = 10_000

/**
 * Imports and exports of one hub, one at a time. An export that a restart has cut off begins anew; an import goes on behind
 * the last line that is known to be done.
 */
export class Transfers {
  readonly #options: TransfersOptions
  readonly #prefix: string
  /** All that are kept, by id, the oldest first. */
  readonly #all = new Map<string, StoredTransfer>()
  readonly #stops = new Map<string, AbortController>()
  /** Those that are not to be begun: that they are cancelled is being written. */
  readonly #cancelling = new Set<string>()
  #running: Promise<void> | undefined
  #retry: Timer | undefined
  #isClosed = false

  private constructor(options: TransfersOptions) {
    this.#options = options
    this.#prefix = `hub/${options.hubUid}/transfer/`
  }

  static async open(options: TransfersOptions): Promise<Transfers> {
    const transfers = new Transfers(options)
    const stored = await options.records.list(transfers.#prefix)
    const all = stored
      .map(({ value }) => value as StoredTransfer)
      .toSorted((a, b) => a.createdAt - b.createdAt)
    for (const each of all) transfers.#all.set(each.id, each)
    await transfers.#makeRoom()
    transfers.#pump()
    return transfers
  }

  #purpose = (id: string) => `${this.#options.hubUid}/transfer/${id}`
  #urisOf = ({ id, sealedUris }: StoredTransfer): Uris =>
    JSON.parse(this.#options.sealer.unseal(sealedUris, this.#purpose(id))) as Uris
  #shown = (transfer: StoredTransfer): WireObject => encodeTransfer(transfer, this.#urisOf(transfer))

  async create({ uris, ...request }: TransferRequest): Promise<WireObject> {
    const { sealer, clock } = this.#options
    await this.#makeRoom()
    if ([...this.#all.values()].filter((each) => !isTransferEnded(each)).length >= openMost)
      throw new HubError(
        'JobQuotaExceeded',
        `A hub has at most ${openMost} imports and exports that have not ended.`,
      )
    const id = newGuid()
    const made: StoredTransfer = {
      id,
      ...request,
      sealedUris: sealer.seal(JSON.stringify(uris), this.#purpose(id)),
      createdAt: clock.now(),
      status: 'enqueued',
      ...{ progress: 0, offset: 0, blocks: 0 },
    }
    await this.#write(made)
    this.#pump()
    return this.#shown(this.#get(id))
  }

  #get(id: string): StoredTransfer {
    const found = this.#all.get(id)
    if (found) return found
    throw new HubError('JobNotFound', `There is no import or export '${id}'.`)
  }

  get(id: string): WireObject {
    return this.#shown(this.#get(id))
  }

  list(): readonly WireObject[] {
    return [...this.#all.values()].map(this.#shown)
  }

  /** One that has ended stays as it is. */
  async cancel(id: string): Promise<void> {
    if (isTransferEnded(this.#get(id))) return
    const stop = this.#stops.get(id)
    if (stop && this.#running) {
      stop.abort(new Cancelled())
      await this.#running
    }
    const now = this.#get(id)
    if (isTransferEnded(now)) return
    this.#cancelling.add(id)
    try {
      await this.#end(now, { status: 'cancelled' })
    } finally {
      this.#cancelling.delete(id)
      this.#pump()
    }
  }

  async #write(transfer: StoredTransfer): Promise<void> {
    await this.#options.records.put(this.#prefix + transfer.id, transfer)
    this.#all.set(transfer.id, transfer)
  }

  #end(
    transfer: StoredTransfer,
    how: Pick<StoredTransfer, 'status' | 'failureReason'>,
    more: Partial<StoredTransfer> = {},
  ): Promise<void> {
    return this.#write({ ...transfer, ...more, ...how, endedAt: this.#options.clock.now() })
  }

  async #makeRoom(): Promise<void> {
    const { records, clock } = this.#options
    const limit = clock.now() - retentionMs
    for (const { id, endedAt } of this.#all.values()) {
      if (endedAt === undefined || (endedAt > limit && this.#all.size < keptMost)) continue
      await records.delete(this.#prefix + id)
      this.#all.delete(id)
    }
  }

  // ---------------------------------------------------------------- one runs

  #pump(): void {
    if (this.#isClosed || this.#running) return
    const next = [...this.#all.values()].find(
      (each) => !isTransferEnded(each) && !this.#cancelling.has(each.id),
    )
    if (!next) return
    const { log, clock, hubUid } = this.#options
    const stop = new AbortController()
    this.#stops.set(next.id, stop)
    let isHeldUp = false
    this.#running = this.#carryOut(next, stop.signal)
      .catch((error: unknown) => {
        isHeldUp = true
        log.error(
          { err: error, hub: hubUid, job: next.id },
          'An import or export is held up; it is tried again.',
        )
      })
      .finally(() => {
        this.#stops.delete(next.id)
        this.#running = undefined
        if (!isHeldUp) this.#pump()
        else if (!this.#isClosed) this.#retry = clock.at(clock.now() + retryMs, () => this.#pump())
      })
  }

  async #carryOut(transfer: StoredTransfer, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const { id, type } = transfer
    if (transfer.status === 'enqueued')
      await this.#write({ ...transfer, status: 'running', startedAt: clock.now() })
    try {
      await (type === 'export' ? this.#export(id, signal) : this.#import(id, signal))
      await this.#end(this.#get(id), { status: 'completed' }, { progress: 100 })
    } catch (error) {
      // Closing: it goes on at the next start.
      if (signal.aborted && !(signal.reason instanceof Cancelled)) return
      if (signal.aborted) await this.#end(this.#get(id), { status: 'cancelled' })
      else if (error instanceof ContainerFailure)
        await this.#end(this.#get(id), { status: 'failed', failureReason: error.message })
      else throw error
    }
  }

  async #export(id: string, signal: AbortSignal): Promise<void> {
    const { registry, containers } = this.#options
    const { excludeKeys, outputBlob } = this.#get(id)
    const container = containers.open(this.#urisOf(this.#get(id)).output, signal)
    const { devices, modules } = registry.counts()
    let done = 0
    let blocks = 0
    let lines: string[] = []
    let bytes = 0
    const flush = async () => {
      signal.throwIfAborted()
      if (lines.length === 0) return
      await container.putBlock(outputBlob, blocks++, Buffer.from(lines.join('')))
      ;[lines, bytes] = [[], 0]
      const progress = Math.min(99, Math.floor((100 * done) / Math.max(1, devices + modules)))
      await this.#write({ ...this.#get(id), progress })
    }
    for (const kind of ['device', 'module'] as const)
      for await (const identity of registry.walk(kind)) {
        const keys = excludeKeys ? undefined : registry.keysOf(identity)
        const line = `${JSON.stringify(encodeExported(identity, keys))}\n`
        lines.push(line)
        bytes += line.length
        done++
        if (bytes >= blockBytes) await flush()
      }
    await flush()
    await container.commit(outputBlob, blocks)
  }

  async #import(id: string, signal: AbortSignal): Promise<void> {
    const { containers } = this.#options
    const { input, output } = this.#urisOf(this.#get(id))
    const from = containers.open(input as string, signal)
    const to = containers.open(output, signal)
    let rest = Buffer.alloc(0)
    let { offset: next } = this.#get(id)
    for (;;) {
      const { body, total } = await from.read(this.#get(id).inputBlob, next, readBytes)
      next += body.length
      const isLast = body.length === 0 || next >= total
      const text = Buffer.concat([rest, body])
      const end = isLast ? text.length : text.lastIndexOf(10) + 1
      rest = text.subarray(end)
      if (rest.length > lineBytesMost)
        throw new ContainerFailure(
          `A line of ${this.#get(id).inputBlob} has more than ${lineBytesMost} bytes.`,
        )
      await this.#importLines(id, text.subarray(0, end), next - rest.length - end, total, to, signal)
      if (isLast) break
    }
    const { blocks } = this.#get(id)
    if (blocks > 0) await to.commit(errorsBlob, blocks)
  }

  /** @param start where in the blob these begin */
  async #importLines(
    id: string,
    text: Buffer,
    start: number,
    total: number,
    errors: Container,
    signal: AbortSignal,
  ): Promise<void> {
    let at = 0
    while (at < text.length) {
      signal.throwIfAborted()
      const lines: string[] = []
      while (at < text.length && lines.length < linesAtOnce) {
        const found = text.indexOf(10, at)
        const end = found < 0 ? text.length : found
        const line = text
          .toString('utf8', at, end)
          .replace(/^\uFEFF/, '')
          .trim()
        if (line !== '') lines.push(line)
        at = Math.min(text.length, end + 1)
      }
      const results = await this.#importBatch(lines)
      const failures = results.filter((failure) => failure !== undefined)
      const { blocks } = this.#get(id)
      // One block for a batch of lines: 50,000 of them make a blob, which is more lines than a hub has devices.
      if (failures.length > 0)
        await errors.putBlock(
          errorsBlob,
          blocks,
          Buffer.from(failures.map((each) => `${JSON.stringify(each)}\n`).join('')),
        )
      await this.#write({
        ...this.#get(id),
        offset: start + at,
        blocks: blocks + (failures.length > 0 ? 1 : 0),
        progress: Math.min(99, Math.floor((100 * (start + at)) / Math.max(1, total))),
      })
    }
  }

  /** Lines of one device follow each other. */
  async #importBatch(lines: readonly string[]): Promise<readonly (BulkFailure | undefined)[]> {
    const { registry, importItem } = this.#options
    const last = new Map<unknown, Promise<unknown>>()
    const results = lines.map(async (line) => {
      const item = decodeLine(line)
      if (!item) return notJson
      const id = isObject(item.value) ? item.value.id : undefined
      const before = last.get(id)
      const result = (async () => {
        await before
        return importItem(registry, item.value)
      })()
      last.set(id, result)
      return result
    })
    return Promise.all(results)
  }

  /** What runs is cut, and goes on at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#retry?.cancel()
    for (const stop of this.#stops.values()) stop.abort(new Error('The server is stopping.'))
    await this.#running
  }
}

class Cancelled extends Error {}

const notJson: BulkFailure = {
  deviceId: '',
  errorCode: 400_004,
  errorStatus: 'A line is a JSON object; this one is not.',
}

function decodeLine(line: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(line) as unknown }
  } catch {
    return undefined
  }
}
