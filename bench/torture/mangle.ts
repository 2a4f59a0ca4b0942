import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { createRandom } from '../../src/testing/random.ts'

type Random = ReturnType<typeof createRandom>

/** What a crash may leave behind the last record that was acknowledged. */
export type Mangling = 'garbage' | 'unfinished record'

const largestTail = 4096
/** Magic, length, checksum, offset and type: see the store's record format. */
const recordMagic = Buffer.from('BUSR')

/** Spoils the end of the newest segment of a server that is down; returns the segment's name. */
export async function mangleTail(dataDir: string, mangling: Mangling, random: Random): Promise<string> {
  const names = await readdir(dataDir, { recursive: true })
  const newest = names
    .filter((name) => name.endsWith('.journal'))
    .toSorted()
    .at(-1)
  if (newest === undefined) throw new Error(`A journal segment was expected in ${dataDir}.`)
  const file = join(dataDir, newest)
  await appendFile(file, mangling === 'garbage' ? garbage(random) : await unfinishedRecord(file, random))
  return newest.slice(newest.lastIndexOf('/') + 1)
}

/** Blocks that the file system gave to the file before their content was written hold anything. */
const garbage = (random: Random): Buffer =>
  Buffer.from(Array.from({ length: 1 + random.below(largestTail) }, () => random.below(256)))

/** The segment's first record once more, cut somewhere: a write that the crash interrupted. */
async function unfinishedRecord(file: string, random: Random): Promise<Buffer> {
  const bytes = await readFile(file)
  const start = bytes.indexOf(recordMagic)
  if (start < 0) return recordMagic
  const end = bytes.indexOf(recordMagic, start + recordMagic.length)
  const whole = bytes.subarray(start, end < 0 ? bytes.length : end)
  return whole.subarray(0, 1 + random.below(Math.min(whole.length - 1, largestTail)))
}
