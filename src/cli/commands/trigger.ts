import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { OperatorError } from '../../base/operator-error.ts'
import { refusalOf } from '../client.ts'
import { addConnectionOptions, connect, type Found } from '../connection.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

export const trigger: AddCommand = (program) => {
  addConnectionOptions(program.command('trigger'))
    .description('Raise an event of an Azure service, as the service would, and print it as JSON.')
    .argument('<event-type>', 'such as Microsoft.KeyVault.SecretNearExpiry; GET /schemas lists them all')
    .option('--source <ID>', 'ARM id of what raises the event (default: an example)')
    .option('--subject <SUBJECT>', "subject of the event (default: the type's example)")
    .option('--data <JSON|@FILE|->', "data of the event, - is stdin (default: the type's example)")
    .option('--data-version <VERSION>', "dataVersion of the event (default: the type's own)")
    .option('--time <TIME>', 'time of the event (default: now)')
    .option('--id <ID>', 'id of the event (default: a new one)')
    .addHelpText(
      'after',
      `
It reaches the event subscriptions on the source, and those of its system topic. The data is checked against the
event type's schema first.
Example:
  busbar trigger Microsoft.Storage.BlobCreated --subject /blobServices/default/containers/in/blobs/a.txt`,
    )
    .action(run)
}

async function run(eventType: string, found: Found): Promise<void> {
  const { source, subject, dataVersion, time: eventTime, id } = found
  const data = await readData(found['data'])
  const client = await connect(found)
  try {
    const rest = JSON.stringify({ eventType, source, subject, dataVersion, eventTime, id })
    // As it was written: numbers keep their digits.
    const body = data === undefined ? rest : `${rest.slice(0, -1)},"data":${data}}`
    const headers = { 'Content-Type': 'application/json' }
    const answer = await client.send('POST', '/events/trigger', { body, headers })
    if (answer.status >= 400) throw refusalOf(answer, `${client.base}/events/trigger`)
    process.stdout.write(`${answer.body}\n`)
  } finally {
    client.close()
  }
}

/** JSON as it was written. */
async function readData(option: Found[string]): Promise<string | undefined> {
  if (typeof option !== 'string') return undefined
  const given = option === '-' ? await text(process.stdin) : await readText(option)
  try {
    JSON.parse(given)
  } catch (error) {
    throw new UsageError(`--data must be JSON, @FILE or -: ${(error as Error).message}.`, error)
  }
  return given
}

async function readText(option: string): Promise<string> {
  if (!option.startsWith('@')) return option
  const file = option.slice(1)
  return readFile(file, 'utf8').catch((error: Error) => {
    throw new OperatorError(`${file} cannot be read: ${error.message}`, error)
  })
}
