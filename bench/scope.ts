import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Release = () => void | Promise<void>

/** What was opened, to be closed in reverse; also when the run is interrupted. */
export class Scope {
  readonly #releases: Release[] = []

  defer(release: Release): void {
    this.#releases.push(release)
  }

  /** A new directory that is removed when the scope closes. */
  temporaryDirectory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'busbar-bench-'))
    const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    // Also when the run ends by a fault.
    process.once('exit', remove)
    this.defer(() => {
      process.off('exit', remove)
      remove()
    })
    return directory
  }

  /** Runs `body` in a scope that closes when it ends, or with this one. */
  async nested<T>(body: (scope: Scope) => Promise<T>): Promise<T> {
    const inner = new Scope()
    this.defer(() => inner.close())
    try {
      return await body(inner)
    } finally {
      await inner.close()
    }
  }

  /** Closes everything, and rejects with the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (let release = this.#releases.pop(); release; release = this.#releases.pop())
      try {
        await release()
      } catch (error) {
        failures.push(error)
      }
    if (failures.length > 0) throw failures[0]
  }
}

/** Runs `body` in a scope that is closed whatever happens, also on Ctrl-C. */
export async function inScope<T>(body: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope()
  const interrupt = () => void scope.close().finally(() => process.exit(130))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    return await body(scope)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await scope.close()
  }
}
