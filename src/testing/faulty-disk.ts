import type { Disk, DiskFile } from '../store/engines/embedded/disk.ts'

/**
 * A disk in memory that can be told to fail. What a resolved `write` wrote is durable; `crash` gives the disk as
 * it would be found after the machine stopped: the write under way cut somewhere in the middle.
 */
export class FaultyDisk implements Disk {
  readonly #files = new Map<string, Buffer>()
  #underWay: { readonly name: string; readonly bytes: Buffer; readonly at: number } | undefined
  #dead = false
  /** Bytes that may still be written before the disk is full. */
  freeBytes = Infinity
  /** Awaited before each read. */
  beforeRead: (() => Promise<void>) | undefined
  /** Error code that the next write fails with. */
  failNextWrite: string | undefined
  /** Error code that the next `replace` fails with. */
  failNextReplace: string | undefined

  get names(): readonly string[] {
    return [...this.#files.keys()]
  }

  async list(): Promise<readonly string[]> {
    return [...this.#files.keys()]
  }

  async open(name: string, create: boolean): Promise<DiskFile> {
    if (create && !this.#files.has(name)) this.#files.set(name, Buffer.alloc(0))
    if (!this.#files.has(name)) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' })
    return {
      size: async () => this.bytesOf(name).length,
      write: (bytes, at) => this.#write(name, bytes, at),
      read: async (bytes, at) => {
        const found = Buffer.from(this.bytesOf(name).subarray(at, at + bytes))
        await this.beforeRead?.()
        return found
      },
      truncate: async (bytes) => {
        this.#files.set(name, this.bytesOf(name).subarray(0, bytes))
      },
      close: async () => {},
    }
  }

  async remove(name: string): Promise<void> {
    if (!this.#dead) this.#files.delete(name)
  }

  async rename(name: string, next: string): Promise<void> {
    if (this.#dead) return
    this.#files.set(next, this.bytesOf(name))
    this.#files.delete(name)
  }

  async replace(name: string, bytes: Buffer): Promise<void> {
    const code = this.failNextReplace
    this.failNextReplace = undefined
    if (code) throw Object.assign(new Error(`replacing failed with ${code}`), { code })
    if (!this.#dead) this.#files.set(name, Buffer.from(bytes))
  }

  bytesOf(name: string): Buffer {
    const bytes = this.#files.get(name)
    if (!bytes) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' })
    return bytes
  }

  /** Changes a file behind the store's back. */
  damage(name: string, change: (bytes: Buffer) => Buffer): void {
    this.#files.set(name, change(Buffer.from(this.bytesOf(name))))
  }

  /** Stops this disk for good, and gives what is found afterwards; `torn` is how much of an unfinished write is there. */
  crash(torn: number): FaultyDisk {
    this.#dead = true
    const found = new FaultyDisk()
    for (const [name, bytes] of this.#files) found.#files.set(name, Buffer.from(bytes))
    if (this.#underWay) {
      const { name, bytes, at } = this.#underWay
      found.#put(name, bytes.subarray(0, Math.floor(bytes.length * torn)), at)
    }
    return found
  }

  async #write(name: string, bytes: Buffer, at: number): Promise<void> {
    const code = this.failNextWrite
    this.failNextWrite = undefined
    if (code) throw Object.assign(new Error(`write failed with ${code}`), { code })
    if (bytes.length > this.freeBytes) {
      this.#put(name, bytes.subarray(0, this.freeBytes), at)
      this.freeBytes = 0
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    }
    this.#underWay = { name, bytes, at }
    await new Promise((resolve) => setImmediate(resolve))
    this.#underWay = undefined
    if (this.#dead) return new Promise(() => {})
    this.freeBytes -= bytes.length
    this.#put(name, bytes, at)
    return undefined
  }

  #put(name: string, bytes: Buffer, at: number): void {
    const before = this.bytesOf(name)
    const after = Buffer.alloc(Math.max(before.length, at + bytes.length))
    before.copy(after)
    bytes.copy(after, at)
    this.#files.set(name, after)
  }
}
