import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { closeAfter } from './close-after.ts'

/** A directory that is removed when the test ends. */
export async function temporaryDirectory(t: Pick<TestContext, 'after'>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-test-'))
  closeAfter(t, () => rm(directory, { recursive: true, force: true }))
  return directory
}
