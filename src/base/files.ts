import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Writes the file durably and all at once: whoever reads it, even after a crash, finds the old contents or the
 * new. For small files that are written rarely; it blocks.
 */
export function replaceFile(file: string, contents: string | Uint8Array, mode = 0o644): void {
  const temporary = `${file}.new`
  const handle = openSync(temporary, 'w', mode)
  try {
    // The mode above counts only where the file is new.
    fchmodSync(handle, mode)
    writeFileSync(handle, contents)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(temporary, file)
  syncDirectory(dirname(file))
}

/** Makes what was created, renamed or removed in the directory durable; Windows has no such thing. */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
