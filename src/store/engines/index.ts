import type { Log } from '../../base/log.ts'
import type { Store } from '../store.ts'
import { openEmbeddedStore } from './embedded/embedded.ts'
import { openMemoryStore } from './memory.ts'

export interface EngineOptions {
  /** Where the engine may keep what it stores. */
  readonly directory: string
  readonly log: Log
  /** Most bytes that events may take on disk; 0 for as many as there is room for. */
  readonly journalBytes?: number
}

/** Every storage engine under its name. To add one: write the file, add the line. */
export const engines = {
  embedded: ({ journalBytes = 0, ...options }) => openEmbeddedStore({ ...options, limits: { journalBytes } }),
  memory: async () => openMemoryStore(),
} satisfies Record<string, (options: EngineOptions) => Promise<Store>>
