// Runs every test, or the files given: `npm test`, `npm test -- src/store/contract.test.ts`.
// A file list instead of node's own globbing, which would also look into node_modules.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const named = process.argv.slice(2)
const found = ['src', 'test', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name)),
)
const files = named.length > 0 ? named : found.toSorted()
const run = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=2', '--test-timeout=120000', '--test-reporter=spec', ...files],
  { cwd: root, stdio: 'inherit' },
)
process.exitCode = run.status ?? 1
