import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { replaceFile } from './base/files.ts'
import { OperatorError } from './base/operator-error.ts'

/*
 * The data directory: one process at a time, of a known format. What lies where:
 *
 *   format.json     {"format":1}: the version of everything below
 *   lock, lock.pid  held, and by which process
 *   run.json        where the running server listens; there while it runs
 *   secrets.key     seals the secrets of resources
 *   token-signing.key  signs tokens; there once one was asked for
 *   certificates/   the local authority and the server's certificate
 *   store/          records and the log of events
 *   logs/           diagnostic logs, where the configuration asks for them
 */

/** The version that this program writes. An older one is migrated where it is opened, a newer one is refused. */
const currentFormat = 1

/** `run.json`: for scripts that started the server on port 0. */
export interface RunFile {
  readonly pid: number
  readonly http?: string | undefined
  readonly https?: string | undefined
  readonly mqtt?: string | undefined
  readonly mqtts?: string | undefined
  readonly amqps?: string | undefined
  readonly caFile: string
  /** Blob endpoints that are passed on, by the ARM ids of their storage accounts. */
  readonly blobServices?: Readonly<Record<string, string>>
}

export interface DataDirectory {
  readonly path: string
  /** Says where the server listens, once it does. */
  writeRun(run: RunFile): void
  /** Removes `run.json` and gives up the lock. */
  release(): void
}

/** Makes the directory where it does not exist, and takes it. Throws an `OperatorError` when it is not to be had. */
export function openDataDirectory(path: string): DataDirectory {
  const run = join(path, 'run.json')
  attempt(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }))
  const unlock = lockDataDirectory(path)
  try {
    attempt(path, () => {
      checkFormat(path)
      // What a killed process left behind would name a server that is no more.
      rmSync(run, { force: true })
    })
  } catch (error) {
    unlock()
    throw error
  }
  return {
    path,
    writeRun: (file) => replaceFile(run, `${JSON.stringify(file)}\n`),
    release() {
      rmSync(run, { force: true })
      unlock()
    },
  }
}

/** What the running server said, or undefined when none runs (or one was killed before it could clean up). */
export function readRun(path: string): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(join(path, 'run.json'), 'utf8')) as RunFile
  } catch {
    return undefined
  }
}

/**
 * Takes a directory that exists, without looking inside; the function returned gives it up.
 *
 * The operating system's own file lock, which ends with the process however it ends, and holds between
 * containers that share a volume. Node offers it only through SQLite: an exclusive transaction on an empty
 * database that is never written to.
 */
export function lockDataDirectory(path: string): () => void {
  return attempt(path, () => lock(path))
}

function lock(path: string): () => void {
  const pidFile = join(path, 'lock.pid')
  const database = new DatabaseSync(join(path, 'lock'), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!(error as Error).message.includes('locked')) throw error
    throw new OperatorError(
      `The data directory ${path} is in use by ${holder(pidFile)}: stop that one, or give --data-dir another.`,
      error,
    )
  }
  replaceFile(pidFile, `${process.pid}\n`)
  return () => {
    rmSync(pidFile, { force: true })
    database.close()
  }
}

function holder(pidFile: string): string {
  try {
    return `another process (pid ${readFileSync(pidFile, 'utf8').trim()})`
  } catch {
    return 'another process'
  }
}

function checkFormat(path: string): void {
  const file = join(path, 'format.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    replaceFile(file, `${JSON.stringify({ format: currentFormat })}\n`)
    return
  }
  const format = formatOf(text)
  if (format === undefined)
    throw new OperatorError(`${file} is damaged: expected {"format":${currentFormat}}.`)
  if (format > currentFormat)
    throw new OperatorError(
      `The data directory ${path} has format ${format}, and this version knows up to ${currentFormat}: ` +
        `use the version that wrote it, or give --data-dir another.`,
    )
}

function formatOf(text: string): number | undefined {
  try {
    const { format } = JSON.parse(text) as { readonly format?: unknown }
    return Number.isInteger(format) ? (format as number) : undefined
  } catch {
    return undefined
  }
}

/** A directory that cannot be written is the operator's, with the system's own word for why. */
function attempt<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof OperatorError) throw error
    throw new OperatorError(`The data directory ${path} cannot be used: ${(error as Error).message}`, error)
  }
}
