import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSealer } from './sealer.ts'

async function keyFile(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-'))
  t.after(() => rm(directory, { recursive: true }))
  return join(directory, 'secret.key')
}

test('what was sealed is opened again by the next process that has the key file', async (t) => {
  const file = await keyFile(t)
  const sealed = (await openSealer(file)).seal('päss', 'topic-1')
  assert.doesNotMatch(Buffer.from(sealed, 'base64').toString('latin1'), /ss/)
  assert.equal((await openSealer(file)).unseal(sealed, 'topic-1'), 'päss')
})

test('the key file is readable by its owner only', { skip: process.platform === 'win32' }, async (t) => {
  const file = await keyFile(t)
  await openSealer(file)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal((await readFile(file)).length, 32)
})

test('a sealed value does not open for another purpose, with another key, or after one bit has changed', async (t) => {
  const file = await keyFile(t)
  const sealer = await openSealer(file)
  const sealed = sealer.seal('secret', 'a')
  assert.throws(() => sealer.unseal(sealed, 'b'))
  const other = await openSealer(`${file}.other`)
  assert.throws(() => other.unseal(sealed, 'a'))
  for (const at of [0, 1, 13, 29, 34]) {
    const bytes = Buffer.from(sealed, 'base64')
    bytes[at] = (bytes[at] as number) ^ 1
    assert.throws(() => sealer.unseal(bytes.toString('base64'), 'a'), `byte ${at}`)
  }
  assert.throws(() => sealer.unseal('', 'a'))
})

test('sealing twice gives different texts, signing twice the same', async (t) => {
  const sealer = await openSealer(await keyFile(t))
  assert.notEqual(sealer.seal('x', 'a'), sealer.seal('x', 'a'))
  assert.deepEqual(sealer.sign('x'), sealer.sign('x'))
})

test('a key file of the wrong length is refused with its name', async (t) => {
  const file = await keyFile(t)
  await writeFile(file, 'short')
  await assert.rejects(openSealer(file), /secret\.key must hold 32 bytes; it holds 5/)
})
