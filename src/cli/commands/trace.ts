import { addConnectionOptions, connect, type Found } from '../connection.ts'
import { json } from '../table.ts'
import { type AddCommand } from './command.ts'

export const trace: AddCommand = (program) => {
  addConnectionOptions(program.command('trace'))
    .description('Print what became of an event: filters, attempts, and how it ended, as JSON.')
    .argument('<event-id>', "the event's own id, as it was published")
    .addHelpText(
      'after',
      '\nA server keeps the newest events only: limits.traceEvents and limits.traceBytes.',
    )
    .action(async (id: string, found: Found) => {
      const client = await connect(found)
      const answer = await client.request('GET', `/events/${encodeURIComponent(id)}/trace`)
      process.stdout.write(json(answer))
      client.close()
    })
}
