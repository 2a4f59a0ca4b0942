import { constants, write } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The file system as the journal needs it. A test hands in one that fails, lies about space, or forgets what was
 * not synced.
 */
export interface Disk {
  list(): Promise<readonly string[]>
  /** Opens for reading and durable writing; makes the file when `create`. */
  open(name: string, create: boolean): Promise<DiskFile>
  remove(name: string): Promise<void>
  rename(name: string, next: string): Promise<void>
  /** Writes the file whole, durably, under its name or not at all. */
  replace(name: string, bytes: Buffer): Promise<void>
}

export interface DiskFile {
  size(): Promise<number>
  /** Durable when it resolves. */
  write(bytes: Buffer, at: number): Promise<void>
  /** Fewer bytes only at the end of the file. */
  read(bytes: number, at: number): Promise<Buffer>
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

/**
 * On Linux a file opened with O_DSYNC makes each write durable in one call; elsewhere a write is followed by
 * fdatasync, which on macOS also empties the drive's own cache.
 */
const synchronous = process.platform === 'linux' ? constants.O_DSYNC : 0

export async function openDisk(directory: string): Promise<Disk> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = (name: string) => join(directory, name)
  return {
    list: () => readdir(directory),
    async open(name, create) {
      const flags = constants.O_RDWR | synchronous | (create ? constants.O_CREAT : 0)
      const handle = await open(path(name), flags, 0o600)
      if (create) await syncDirectory(directory)
      return new RealFile(handle)
    },
    async remove(name) {
      await unlink(path(name))
      // One by one, so that no segment is found again whose successor is gone.
      await syncDirectory(directory)
    },
    rename: (name, next) => rename(path(name), path(next)),
    async replace(name, bytes) {
      const draft = await open(path(`${name}.draft`), 'w', 0o600)
      try {
        await draft.writeFile(bytes)
        await draft.datasync()
      } catch (error) {
        // On a full disk a draft would only take what room is left.
        await draft.truncate(0)
        throw error
      } finally {
        await draft.close()
      }
      await rename(path(`${name}.draft`), path(name))
      await syncDirectory(directory)
    },
  }
}

/** Each commit passes here: the callback form costs a good part less than that of `FileHandle`. */
function writeSome(fd: number, bytes: Buffer, from: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, bytes.length - from, at, (error, written) =>
      error ? reject(error) : resolve(written),
    )
  })
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  async write(bytes: Buffer, at: number): Promise<void> {
    let done = await writeSome(this.#handle.fd, bytes, 0, at)
    while (done < bytes.length) done += await writeSome(this.#handle.fd, bytes, done, at + done)
    if (synchronous === 0) await this.#handle.datasync()
  }

  async read(bytes: number, at: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(bytes)
    let done = 0
    while (done < bytes) {
      const { bytesRead } = await this.#handle.read(buffer, done, bytes - done, at + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done === bytes ? buffer : buffer.subarray(0, done)
  }

  async truncate(bytes: number): Promise<void> {
    await this.#handle.truncate(bytes)
    await this.#handle.datasync()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Makes a new or renamed directory entry durable; Windows does so by itself and cannot open directories. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
