import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { judgeTail } from '../../src/store/engines/embedded/file-journal.ts'
import { BatchWriter, RecordType } from '../../src/store/record-format.ts'
import { createRandom } from '../../src/testing/random.ts'
import { Histogram } from '../load/histogram.ts'
import { Ledger } from './ledger.ts'
import { type Mangling, mangleTail } from './mangle.ts'

test('an acknowledged event that never came is missing, one that was not acknowledged is not', () => {
  const ledger = new Ledger()
  ledger.acknowledge(0, 2)
  ledger.acknowledge(4, 2)
  const times = Uint8Array.from([1, 0, 0, 0, 2])
  const received = { unique: 2, duplicates: 1, requests: 3, times, latency: new Histogram() }
  assert.equal(ledger.count, 4)
  assert.deepEqual(ledger.missingFrom(received), [1, 5])
})

for (const mangling of ['garbage', 'unfinished record'] satisfies Mangling[])
  test(`${mangling} behind the last record is a torn tail, and every record before it is whole`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'busbar-torture-test-'))
    t.after(() => rm(directory, { recursive: true }))
    const segment = join(directory, '00000000000000000000.journal')
    const writer = new BatchWriter(Buffer.alloc(65_536))
    for (let n = 0; n < 3; n++) {
      writer.begin(RecordType.filler, 500)
      writer.zeros(500)
      writer.end()
    }
    const whole = writer.buffer.subarray(0, writer.bytes)
    const random = createRandom(3)
    for (let round = 0; round < 50; round++) {
      await writeFile(segment, whole)
      assert.equal(await mangleTail(directory, mangling, random), '00000000000000000000.journal')
      const bytes = await readFile(segment)
      assert.ok(bytes.length > whole.length)
      assert.deepEqual(judgeTail(bytes), { kind: 'torn', bytes: whole.length })
    }
  })
