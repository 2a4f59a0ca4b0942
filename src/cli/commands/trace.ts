import { OperatorError } from '../../base/operator-error.ts'
import { readOptions } from '../../config.ts'
import { readRun } from '../../data-directory.ts'
import { get } from '../client.ts'
import { type AddCommand, flagValues, settingOption } from './command.ts'

export const trace: AddCommand = (program) => {
  program
    .command('trace')
    .description('Print what became of an event: filters, attempts, and how it ended, as JSON.')
    .helpOption('-h, --help', 'print this help')
    .argument('<event-id>', "the event's own id, as it was published")
    .option('--url <URL>', 'base of the server (default: the one that runs on the data directory)')
    .option('--key <KEY>', "an administrator's key or a token; not needed in development mode")
    .addOption(settingOption('dataDir'))
    .addOption(settingOption('config'))
    .addHelpText(
      'after',
      '\nA server keeps the newest events only: limits.traceEvents and limits.traceBytes.',
    )
    .action(async (id: string, found: Record<string, string>) => {
      const { dataDir } = await readOptions({ flags: flagValues(found), env: process.env })
      const run = readRun(dataDir)
      const base = found.url ?? run?.http ?? run?.https
      if (base === undefined)
        throw new OperatorError(`No server runs on ${dataDir}: start one, or say where it is with --url.`)
      const url = `${base.replace(/\/+$/, '')}/events/${encodeURIComponent(id)}/trace`
      const { status, body } = await get(url, { key: found.key, caFile: run?.caFile })
      if (status !== 200) throw new OperatorError(`${url} answered ${status}: ${messageOf(body)}`)
      process.stdout.write(`${JSON.stringify(JSON.parse(body), null, 2)}\n`)
    })
}

/** The protocol's message, or the beginning of whatever came instead. */
function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { readonly error: { readonly message: string } }).error.message
  } catch {
    return body.slice(0, 200)
  }
}
