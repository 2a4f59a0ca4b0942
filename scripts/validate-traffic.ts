import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * Holds what the control plane answers against Microsoft's own OpenAPI documents:
 *
 *     node scripts/validate-traffic.ts FOLDER [API-VERSION]
 *
 * FOLDER has the documents of that api-version, with the files that they refer to where they expect them. The official
 * client calls every one of its operations against a running server; each request and its answer is written to a file of
 * its own, and `oav validate-traffic` judges them all. docs/openapi.md says more.
 */

/** Fetched by npx when it is run: it is no dependency of Busbar. */
const oav = 'oav@4.0.3'

/** As much of its report as is shown. */
interface Report {
  readonly allOperations: number
  readonly coveredOperations: number
  readonly failedOperations: number
  readonly errors: readonly {
    readonly operationId?: string
    readonly issueSource?: string
    readonly errorCode?: string
    readonly errorMessage?: string
  }[]
}

const [folder, apiVersion = '2025-02-15'] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node scripts/validate-traffic.ts FOLDER [API-VERSION]')
  process.exit(2)
}
const root = fileURLToPath(new URL('..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'busbar-traffic-'))
const traffic = join(work, 'traffic')
const report = join(work, 'report.json')

try {
  run(process.execPath, ['--test', '--test-reporter=dot', 'test/every-operation.test.ts'], {
    BUSBAR_TRAFFIC: traffic,
    BUSBAR_TRAFFIC_API_VERSION: apiVersion,
  })
  const recorded = readdirSync(traffic).length
  const npx = ['--yes', oav, 'validate-traffic', traffic, folder, '--jsonReport', report]
  run('npx', [...npx, '--report', join(work, 'report.html'), '-l', 'error'], {})
  const { errors, ...counts } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const lines = errors.map(
    ({ operationId, issueSource, errorCode, errorMessage }) =>
      `${operationId} ${issueSource}: ${errorCode} ${errorMessage}`,
  )
  for (const line of [...new Set(lines)].toSorted()) console.log(line)
  const { allOperations, coveredOperations, failedOperations } = counts
  console.log(
    `${recorded} requests and answers of ${coveredOperations} operations, of ${allOperations} that are described; ${failedOperations} operations are not answered as described.`,
  )
  process.exitCode = errors.length === 0 ? 0 : 1
} finally {
  rmSync(work, { recursive: true, force: true })
}

function run(command: string, given: readonly string[], more: Readonly<Record<string, string>>): void {
  const { status, error } = spawnSync(command, given, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...more },
  })
  if (error) throw error
  // oav ends with an error where there is something to report, or where its page cannot be made: the report tells.
  if (status !== 0 && command !== 'npx')
    throw new Error(`${command} ${given.join(' ')} ended with ${status}.`)
}
