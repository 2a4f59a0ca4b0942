import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { later } from '../base/later.ts'
import type { Log } from '../base/log.ts'

export interface RotatedFileOptions {
  readonly directory: string
  /** Without extension: `NAME.ndjson` is written, `NAME.1.ndjson` is the one before it, and so on. */
  readonly name: string
  readonly maxFileBytes: number
  readonly files: number
  readonly log: Log
}

/** Lines that wait to be written. */
const pendingLines = 10_000
const pendingCharacters = 8 * 1024 * 1024
/** Lines are written together, at most this long after they came. */
const flushMs = 500

/**
 * Lines, appended in the background. What can neither be written nor wait is counted and gone: a log holds up
 * nobody.
 */
export class RotatedFile {
  readonly #options: RotatedFileOptions
  #bytes: number
  #pending: string[] = []
  #characters = 0
  #taken = 0
  #dropped = 0
  #flush: { cancel(): void } | undefined
  #writing: Promise<void> | undefined
  #failing = false

  private constructor(options: RotatedFileOptions, bytes: number) {
    this.#options = options
    this.#bytes = bytes
  }

  static async open(options: RotatedFileOptions): Promise<RotatedFile> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 })
    const size = await stat(pathOf(options, 0)).then(
      ({ size: bytes }) => bytes,
      () => 0,
    )
    return new RotatedFile(options, size)
  }

  get taken(): number {
    return this.#taken
  }

  get dropped(): number {
    return this.#dropped
  }

  get hasRoom(): boolean {
    return this.#pending.length < pendingLines && this.#characters < pendingCharacters
  }

  /** @param line with its end */
  add(line: string): void {
    this.#taken++
    this.#pending.push(line)
    this.#characters += line.length
    this.#flush ??= later(flushMs, () => void this.#writePending())
  }

  drop(): void {
    this.#dropped++
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#writePending()
  }

  async #writePending(): Promise<void> {
    this.#flush?.cancel()
    this.#flush = undefined
    if (this.#pending.length === 0) return
    if (this.#writing) {
      // What came meanwhile goes with the next.
      this.#flush = later(flushMs, () => void this.#writePending())
      return
    }
    const lines = this.#pending
    this.#pending = []
    this.#characters = 0
    this.#writing = this.#write(lines)
    await this.#writing
    this.#writing = undefined
  }

  async #write(lines: readonly string[]): Promise<void> {
    const { maxFileBytes, name, log } = this.#options
    let written = 0
    try {
      while (written < lines.length) {
        const next = Buffer.byteLength(lines[written] as string)
        if (this.#bytes > 0 && this.#bytes + next > maxFileBytes) await this.#rotate()
        const part = this.#fitting(lines, written)
        await appendFile(pathOf(this.#options, 0), part.text, { mode: 0o600 })
        this.#bytes += part.bytes
        written = part.end
      }
      this.#failing = false
    } catch (error) {
      this.#dropped += lines.length - written
      if (!this.#failing) log.warn({ err: error, category: name }, 'diagnostic records cannot be written')
      this.#failing = true
    }
  }

  /** Lines from there on, as many as go into the file; at least one. */
  #fitting(lines: readonly string[], from: number): { text: string; bytes: number; end: number } {
    let bytes = 0
    let end = from
    while (end < lines.length) {
      const more = Buffer.byteLength(lines[end] as string)
      if (end > from && this.#bytes + bytes + more > this.#options.maxFileBytes) break
      bytes += more
      end++
    }
    return { text: lines.slice(from, end).join(''), bytes, end }
  }

  async #rotate(): Promise<void> {
    const { files } = this.#options
    await rm(pathOf(this.#options, files - 1), { force: true })
    for (let age = files - 2; age >= 0; age--)
      await rename(pathOf(this.#options, age), pathOf(this.#options, age + 1)).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error
        },
      )
    this.#bytes = 0
  }
}

const pathOf = ({ directory, name }: RotatedFileOptions, age: number): string =>
  join(directory, age === 0 ? `${name}.ndjson` : `${name}.${age}.ndjson`)
