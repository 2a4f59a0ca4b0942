#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/*
 * The bin. Nothing but Node's own modules is imported before the version is known to be good: anything else
 * might already use what an older Node does not have.
 */

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 24 || (major === 24 && minor >= 15)) {
  // Where the types of a file were stripped once, the next start reads the result.
  enableCompileCache()
  const { main } = await import('./main.ts')
  await main(process.argv.slice(2))
} else {
  // `npm ci` brings a Node that is new enough; the process becomes that one, so that signals reach it.
  const installed = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
  if (process.execve && process.platform !== 'win32' && existsSync(installed))
    process.execve(installed, [installed, ...process.argv.slice(1)], process.env)
  process.stderr.write(
    `busbar: Node ${process.versions.node} is too old, 24.15 or newer is needed: ` +
      `run "npm start" in the repository, which brings its own, or install a newer Node.\n`,
  )
  process.exitCode = 1
}
