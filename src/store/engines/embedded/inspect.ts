import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface InspectOptions {
  /** The store's own directory. */
  readonly directory: string
  readonly mode: 'check' | 'stat' | 'repair'
}

export interface Inspection {
  readonly ok: boolean
  /** For the operator to read. */
  readonly lines: readonly string[]
}

/** Lists what the directory holds, with sizes in bytes. Rejects when it cannot be read. */
export async function inspectStore({ directory }: InspectOptions): Promise<Inspection> {
  const names = (await readdir(directory)).toSorted()
  const lines = await Promise.all(
    names.map(async (name) => `${name}  ${(await stat(join(directory, name))).size} bytes`),
  )
  return { ok: true, lines }
}
