import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeAfter, type Ending } from './close-after.ts'

/** A directory that is removed when the test ends. */
export async function temporaryDirectory(t: Ending): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-test-'))
  closeAfter(t, () => rm(directory, { recursive: true, force: true }))
  return directory
}
