import type { Client, Json } from '../client.ts'
import { addConnectionOptions, addGroup, type Found, withClient } from '../connection.ts'
import { addSourceOptions, findEventSubscription } from '../event-sources.ts'
import { listOf, textOf } from '../found.ts'
import { json, table } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

/** Events that were given up: what is in the container, and back to the event subscription with it. */
export const deadletter: AddCommand = (program) => {
  const group = addGroup(program, 'deadletter', 'Dead-lettered events: list, show, replay.')
  const add = (name: string, about: string) =>
    addSourceOptions(addConnectionOptions(group.command(name)).description(about))
      .requiredOption('--subscription <NAME|ID>', 'event subscription, by its name or ARM id')
      .option('--json', 'print JSON')

  add('list', 'List the blobs of an event subscription in its dead-letter container.').action(
    (found: Found) =>
      withClient(found, async (client) => {
        const query = new URLSearchParams({ eventSubscription: await idOf(client, found) })
        const blobs = await client.list(`/deadletters?${query.toString()}`)
        process.stdout.write(
          found.json === true
            ? json(blobs)
            : table(
                ['BLOB', 'EVENTS', 'WRITTEN', 'REASONS'],
                blobs.map(({ name, records, time, reasons }) => [
                  name,
                  String(records),
                  time,
                  (reasons as readonly string[]).join(', '),
                ]),
              ),
        )
      }),
  )

  add('show', 'Show the records of one blob.')
    .argument('<blob>', 'name of the blob, as list shows it')
    .action((blob: string, found: Found) =>
      withClient(found, async (client) => {
        const query = new URLSearchParams({ eventSubscription: await idOf(client, found), blob })
        const path = `/deadletters/records?${query.toString()}`
        const { value } = await client.request('GET', path)
        process.stdout.write(found.json === true ? json(value) : encodeRecords(value))
      }),
    )

  add(
    'replay',
    'Put events back on the queue of their event subscription, and take them out of its container.',
  )
    .option('--blob <NAME...>', 'blobs to replay (default: all)')
    .option('--event-id <ID...>', 'events to replay (default: all)')
    .addHelpText(
      'after',
      '\nExample, once the receiver is mended: busbar deadletter replay --subscription to-hook --topic orders',
    )
    .action((found: Found) =>
      withClient(found, async (client) => {
        const done = await replayAll(client, {
          eventSubscription: await idOf(client, found),
          ...optional('blobs', listOf(found, 'blob')),
          ...optional('eventIds', listOf(found, 'eventId')),
        })
        process.stdout.write(
          found.json === true ? json(done) : `replayed ${done.replayed} events of ${done.blobs} blobs\n`,
        )
      }),
    )
}

const optional = (name: string, list: readonly string[] | undefined) => (list ? { [name]: list } : {})

async function idOf(client: Client, found: Found): Promise<string> {
  const name = textOf(found, 'subscription') as string
  if (name.startsWith('/')) {
    if (['topic', 'domain', 'sourceResourceId'].some((option) => found[option] !== undefined))
      throw new UsageError(
        '--subscription is an ARM id, which says what it is on: give its name, or no source.',
      )
    return name
  }
  return (await findEventSubscription(client, found, name)).id as string
}

/** As many requests as it takes: each does a part. */
async function replayAll(client: Client, wanted: Readonly<Record<string, unknown>>) {
  const done = { replayed: 0, blobs: 0 }
  let continuationToken: string | undefined
  do {
    const answer: Json = await client.request('POST', '/deadletters/replay', {
      ...wanted,
      ...(continuationToken !== undefined && { continuationToken }),
    })
    done.replayed += answer.replayed
    done.blobs += answer.blobs
    continuationToken = answer.continuationToken ?? undefined
  } while (continuationToken !== undefined)
  return done
}

/** A record has its members in the spelling of its schema. */
function encodeRecords(records: readonly Json[]): string {
  return table(
    ['EVENT', 'TYPE', 'SUBJECT', 'REASON', 'ATTEMPTS', 'LAST OUTCOME', 'STATUS', 'PUBLISHED'],
    records.map((record) => {
      const member = (name: string) => String(record[name] ?? record[name.toLowerCase()] ?? '')
      return [
        member('id'),
        String(record.eventType ?? record.type ?? ''),
        ...['subject', 'deadLetterReason', 'deliveryAttempts', 'lastDeliveryOutcome'].map(member),
        ...['lastHttpStatusCode', 'publishTime'].map(member),
      ]
    }),
  )
}
