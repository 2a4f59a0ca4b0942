// Installs what is missing, so that `npm start` and `npm test` work on a fresh clone. Called by the scripts
// themselves and not before them: where npm runs no install scripts, it runs no `pre` scripts either.
// Plain JavaScript without dependencies: this is the one file that must run on the Node that npm itself uses.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const marker = join(root, 'node_modules', '.busbar-lock')

if (!existsSync(marker) || readFileSync(marker, 'utf8') !== lock) {
  // The install's own report goes to stderr: stdout belongs to the command that follows.
  const npm = process.env.npm_execpath
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  process.stderr.write('busbar: installing dependencies (once per lock file)\n')
  if (npm) execFileSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
  else execFileSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  writeFileSync(marker, lock)
}
