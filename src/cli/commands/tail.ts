import { Option } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import { type Json } from '../client.ts'
import { addConnectionOptions, type Found, note, withClient } from '../connection.ts'
import { addSourceOptions, findEventSubscription, sourceOf } from '../event-sources.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { plainLine } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

export const tail: AddCommand = (program) => {
  const command = addConnectionOptions(program.command('tail'))
    .description('Follow live: the events of a topic, or the deliveries of an event subscription.')
    .option('--subscription <NAME>', 'event subscription whose deliveries are followed')
  addSourceOptions(command)
    .addOption(new Option('--count <N>', 'end after so many').argParser(integer(1, 1_000_000_000)))
    .option('--json', 'print JSON, one object a line')
    .addHelpText(
      'after',
      `
Ends with Ctrl-C. Who reads too slowly is told how many lines were missed.
Examples:
  busbar tail --topic orders
  busbar tail --subscription to-hook --json`,
    )
    .action((found: Found) =>
      withClient(found, async (client) => {
        const name = textOf(found, 'subscription')
        const query = new URLSearchParams()
        if (name !== undefined)
          query.set('eventSubscription', (await findEventSubscription(client, found, name)).id as string)
        else {
          const source = await sourceOf(client, found)
          if (source === undefined)
            throw new UsageError(
              'Say what to follow: --topic, --domain, --source-resource-id or --subscription.',
            )
          query.set('topic', source)
        }
        const wanted = numberOf(found, 'count')
        let told = 0
        for await (const line of client.lines(`/events/tail?${query.toString()}`)) {
          const said = decode(line)
          if (said.kind === 'heartbeat') continue
          if (said.kind === 'following') {
            note(`following ${said.topic ?? said.eventSubscription}`)
            continue
          }
          process.stdout.write(found.json === true ? `${line}\n` : encodeLine(said))
          if (++told === wanted) return
          if (said.kind === 'deleted') return
        }
        throw new OperatorError('The server ended the stream.')
      }),
    )
}

function decode(line: string): Json {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new OperatorError(`The server sent what is no JSON: ${line.slice(0, 200)}`, error)
  }
}

const shownCharacters = 200

/** Time of day, and what happened, for people. */
function encodeLine(line: Json): string {
  const { kind, at, id, type, subject } = line
  const what = [type, subject, id].filter((part) => part !== undefined && part !== '').join('  ')
  const time = String(at).slice(11, 23)
  const says = (...parts: readonly unknown[]) =>
    plainLine([time, ...parts].filter((part) => part !== undefined && part !== '').join('  '))
  switch (kind) {
    case 'accepted':
    case 'replayed':
      return says(
        kind === 'replayed' ? kind : undefined,
        what,
        `-> ${line.matched.length === 0 ? 'nobody' : line.matched.join(', ')}`,
        dataOf(line),
      )
    case 'attempt':
      return says(line.outcome, line.status, `${line.durationMs} ms`, what, line.error)
    case 'postponed':
      return says('retry', `due ${line.dueAt}`, what)
    case 'givenUp':
      return says('given up', line.reason, `dead-letter record due ${line.deadLetterDueAt}`, what, line.error)
    case 'deadLettered':
      return says('dead-lettered', line.reason, line.blob, what)
    case 'acknowledged':
      return says('acknowledged', what)
    case 'dropped':
      return says('dropped', line.reason, what)
    case 'missed':
      return plainLine(`${line.lines} lines were missed: this reader is too slow`)
    default:
      return says(kind)
  }
}

function dataOf({ data, dataBytes }: Json): string {
  if (dataBytes !== undefined) return `(${dataBytes} bytes of data)`
  const text = data === undefined ? '' : JSON.stringify(data)
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text
}
