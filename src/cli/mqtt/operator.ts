import type { Command } from 'commander'
import type { Client, Json } from '../client.ts'
import { addConnectionOptions, type Found, withClient } from '../connection.ts'
import { textOf } from '../found.ts'
import { json, pairs, plainLine, table } from '../table.ts'

/*
 * What an operator asks the broker, over the routes of /broker/: who is connected, what is kept, and why.
 */

export function addOperatorCommands(group: Command): void {
  const add = (name: string, about: string) =>
    addConnectionOptions(group.command(name))
      .description(about)
      .option('--namespace <NAME>', 'Event Grid namespace (default: the only one)')
      .option('--json', 'print JSON')

  const showSessions = (found: Found, connected: boolean) =>
    withClient(found, async (client) => {
      const sessions = await pages(client, '/broker/sessions', found, connected ? { connected: 'true' } : {})
      process.stdout.write(
        found.json === true ? json(sessions) : connected ? clientTable(sessions) : sessionTable(sessions),
      )
    })

  add('clients', 'List the clients that are connected.').action((found: Found) => showSessions(found, true))

  add('sessions', 'List the sessions, of clients that are away too, or show one.')
    .argument('[name]', 'client identifier of the session to show')
    .action((name: string | undefined, found: Found) =>
      name === undefined
        ? showSessions(found, false)
        : withClient(found, async (client) => {
            const session = await client.request('GET', pathOf(found, name))
            process.stdout.write(found.json === true ? json(session) : encodeSession(session))
          }),
    )

  add('disconnect', 'Disconnect a client; its session stays unless --end-session says otherwise.')
    .argument('<name>', 'client identifier')
    .option('--end-session', 'the session too: its subscriptions, and what waits for it')
    .action((name: string, found: Found) =>
      withClient(found, async (client) => {
        if (found.endSession === true) await client.request('DELETE', pathOf(found, name))
        else await client.request('POST', pathOf(found, name, '/disconnect'))
        process.stdout.write(
          plainLine(found.endSession === true ? `ended session ${name}` : `disconnected ${name}`),
        )
      }),
    )

  add('retained', 'List the retained messages, or delete one.')
    .option('--filter <FILTER>', 'topic filter (default: #)')
    .option('--delete <TOPIC>', 'topic name whose retained message is deleted')
    .action((found: Found) =>
      withClient(found, async (client) => {
        const topic = textOf(found, 'delete')
        if (topic !== undefined) {
          await client.request('DELETE', withQuery('/broker/retained', found, { topic }))
          process.stdout.write(plainLine(`deleted what was retained for ${topic}`))
          return
        }
        const filter = textOf(found, 'filter')
        const retained = await pages(
          client,
          '/broker/retained',
          found,
          filter === undefined ? {} : { filter },
        )
        process.stdout.write(
          found.json === true
            ? json(retained)
            : table(
                ['TOPIC', 'QOS', 'BYTES', 'CONTENT TYPE', 'RECEIVED'],
                retained.map(({ topicName, qos, bytes, contentType, receivedAt }) =>
                  [topicName, qos, bytes, contentType ?? '', receivedAt].map(String),
                ),
              ),
        )
      }),
    )

  add('trace', 'Show what happened to a client: connections, refusals, messages that it did not get.')
    .argument('<name>', 'client identifier, or the address of one that was never let in')
    .action((name: string, found: Found) =>
      withClient(found, async (client) => {
        const { value } = await client.request('GET', pathOf(found, name, '/trace'))
        process.stdout.write(
          found.json === true
            ? json(value)
            : table(
                ['AT', 'WHAT', 'WHY'],
                (value as readonly Json[]).map(({ at, ...event }) => [
                  at,
                  ...Object.values(event).map(String),
                ]),
              ),
        )
      }),
    )

  add('explain', 'Tell why a client gets a message of a topic, or does not.')
    .argument('<name>', 'client identifier')
    .requiredOption('--topic <NAME>', 'topic name of the message')
    .action((name: string, found: Found) =>
      withClient(found, async (client) => {
        const topic = textOf(found, 'topic') as string
        process.stdout.write(json(await client.request('GET', pathOf(found, name, '/explain', { topic }))))
      }),
    )
}

type Query = Readonly<Record<string, string>>

function withQuery(path: string, found: Found, more: Query): string {
  const namespace = textOf(found, 'namespace')
  const query = new URLSearchParams({ ...(namespace !== undefined && { namespace }), ...more }).toString()
  return query === '' ? path : `${path}?${query}`
}

const pathOf = (found: Found, name: string, action = '', more: Query = {}) =>
  withQuery(`/broker/sessions/${encodeURIComponent(name)}${action}`, found, more)

const mostPages = 10_000

/** Every item, page after page. */
async function pages(client: Client, path: string, found: Found, query: Query): Promise<readonly Json[]> {
  const items: Json[] = []
  let after: string | undefined
  for (let page = 0; page < mostPages; page++) {
    const more = { ...query, limit: '1000', ...(after !== undefined && { after }) }
    const { value, next }: Json = await client.request('GET', withQuery(path, found, more))
    items.push(...value)
    if (next === undefined) break
    after = next
  }
  return items
}

const clientTable = (sessions: readonly Json[]) =>
  table(
    ['CLIENT', 'AUTHENTICATION NAME', 'PROTOCOL', 'ADDRESS', 'SINCE', 'SUBSCRIPTIONS', 'QUEUED', 'IN FLIGHT'],
    sessions.map((session) =>
      [
        ...[
          session.name,
          session.authenticationName,
          session.protocol,
          session.remoteAddress,
          session.connectedAt,
        ],
        ...[session.subscriptions, session.queuedMessages, session.inFlight],
      ].map(String),
    ),
  )

const sessionTable = (sessions: readonly Json[]) =>
  table(
    ['SESSION', 'AUTHENTICATION NAME', 'CONNECTED', 'KEPT ON DISK', 'EXPIRES', 'SUBSCRIPTIONS', 'QUEUED'],
    sessions.map((session) =>
      [
        ...[session.name, session.authenticationName, session.connected ? 'yes' : 'no'],
        ...[
          session.durable ? 'yes' : 'no',
          session.expiresAt ?? `${session.expirySeconds} s after it leaves`,
        ],
        ...[session.subscriptions, session.queuedMessages],
      ].map(String),
    ),
  )

function encodeSession({ subscriptions, ...session }: Json): string {
  const facts = Object.entries(session).map(([name, value]) => [name, String(value)])
  const filters = (subscriptions as readonly Json[]).map(({ topicFilter, qos }) => [topicFilter, String(qos)])
  return (
    pairs(Object.fromEntries(facts)) + (filters.length > 0 ? table(['TOPIC FILTER', 'QOS'], filters) : '')
  )
}
