import { constants, createReadStream } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { Option } from 'commander'
import { createSystemClock } from '../../base/clock.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { domainKind, findResource, topicKind, versioned } from '../azure.ts'
import { type Client, pathOf, refusalOf } from '../client.ts'
import { addConnectionOptions, connect, connectTo, type Found, note } from '../connection.ts'
import { completeEvent, contentTypeOf, createEvent, type InputSchema } from '../event-forms.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { dataPlaneVersion, openNamespace, openNamespaceAt } from '../namespaces.ts'
import { Publisher, type Summary } from '../publisher.ts'
import { EventSplitter, InputError } from '../split-events.ts'
import { json } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

export const publish: AddCommand = (program) => {
  addConnectionOptions(program.command('publish'))
    .description('Publish events: one made from options, or those in files or on stdin.')
    .argument('[files...]', 'JSON files: events, arrays of events, or one event a line; - is stdin')
    .option('--topic <NAME>', 'topic to publish to')
    .option('--namespace <NAME>', 'namespace that --topic is a topic of')
    .option('--domain <NAME>', 'domain to publish to')
    .option('--domain-topic <NAME>', 'topic within --domain, for events that name none')
    .option('-g, --resource-group <GROUP>', 'resource group of the topic or domain (default: wherever it is)')
    .option('--endpoint <URL>', 'endpoint to publish to, in place of a name; needs --access-key')
    .option('--access-key <KEY>', "key of the endpoint's topic")
    .option('--type <TYPE>', 'type of the event')
    .option('--subject <SUBJECT>', 'subject of the event')
    .option(
      '--data <JSON|@FILE>',
      'data of the event; the whole event where the topic has a schema of its own',
    )
    .option('--id <ID>', 'id of the event (default: a new one)')
    .option('--time <TIME>', 'time of the event (default: now)')
    .option('--data-version <VERSION>', 'dataVersion of an Event Grid event')
    .option('--source <SOURCE>', 'source of a CloudEvent (default: busbar)')
    .addOption(
      new Option('--count <N>', 'publish the event so many times').argParser(integer(1, 1_000_000_000)),
    )
    .addOption(new Option('--rate <N>', 'events a second').argParser(integer(1, 1_000_000)))
    .addOption(
      new Option('--batch <N>', 'events in one request, at most')
        .argParser(integer(1, 5000))
        .default(500, '500'),
    )
    .addOption(
      new Option('--retry-for <SECONDS>', 'how long a busy server (429, 503) is asked again')
        .argParser(integer(0, 86_400))
        .default(60, '60'),
    )
    .option('-q, --quiet', 'no progress on stderr')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      `
Ids, times and a CloudEvent's specversion are filled in where events lack them.
Examples:
  busbar publish --topic orders --type Order.Placed --subject /orders/1 --data '{"total":42}'
  busbar publish --topic orders events.json
  busbar publish --namespace shop --topic orders --type Order.Placed --data '{"total":42}'
  generate | busbar publish --topic orders --rate 100 -`,
    )
    .action((files: readonly string[], found: Found) => run(files, found))
}

async function run(files: readonly string[], found: Found): Promise<void> {
  const made = ['type', 'subject', 'data', 'id', 'dataVersion', 'source', 'count'].some(
    (name) => found[name] !== undefined,
  )
  if (made && files.length > 0)
    throw new UsageError('Give either files, or an event with --type, --subject and --data.')
  if (!made && files.length === 0)
    throw new UsageError('Give an event with --type, --subject and --data, or files; - is stdin.')
  for (const file of files) if (file !== '-') await access(file, constants.R_OK).catch(cannotRead(file))
  const door = await doorOf(found)
  const showsProgress = found.quiet !== true
  const publisher = new Publisher({
    client: door.client,
    path: door.path,
    headers: { 'aeg-sas-key': door.key, 'Content-Type': contentTypeOf(door.schema) },
    batchEvents: Math.min(numberOf(found, 'batch') as number, door.mostEvents ?? Number.POSITIVE_INFINITY),
    rate: numberOf(found, 'rate'),
    retryMs: (numberOf(found, 'retryFor') as number) * 1000,
    onRefused: note,
    // In the log of a script, a line a second is too many.
    progressMs: process.stderr.isTTY ? 1_000 : 10_000,
    onProgress: (summary) => {
      if (showsProgress) note(progressLine(summary))
    },
  })
  const clock = createSystemClock()
  const now = () => new Date(clock.now()).toISOString()
  let isDone = false
  try {
    if (made) await publishMade(publisher, door.schema, found, now)
    else
      for (const file of files) {
        await publishFile(publisher, file, (event, position) =>
          completeEvent(door.schema, event, position, now, textOf(found, 'domainTopic')),
        )
      }
    await publisher.flush()
    isDone = true
  } finally {
    // Where nothing was sent, why not is all there is to say.
    if (isDone || publisher.summary().requests > 0) print(found, publisher.summary())
    door.client.close()
  }
  if (publisher.summary().refused > 0) process.exitCode = 1
}

async function publishMade(
  publisher: Publisher,
  schema: InputSchema,
  found: Found,
  now: () => string,
): Promise<void> {
  const data = await readData(textOf(found, 'data'))
  const count = numberOf(found, 'count') ?? 1
  if (count > 1 && found.id !== undefined)
    throw new UsageError('--id with --count would give every event the same id.')
  for (let n = 0; n < count; n++)
    await publisher.add(
      createEvent(schema, {
        type: textOf(found, 'type'),
        subject: textOf(found, 'subject'),
        data,
        id: textOf(found, 'id'),
        time: textOf(found, 'time') ?? now(),
        dataVersion: textOf(found, 'dataVersion'),
        source: textOf(found, 'source'),
        topic: textOf(found, 'domainTopic'),
      }),
    )
}

async function publishFile(
  publisher: Publisher,
  file: string,
  complete: (event: Buffer, position: number) => Buffer,
): Promise<void> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  const splitter = new EventSplitter()
  let position = 0
  try {
    for await (const chunk of readable(input, file)) {
      for (const event of splitter.add(chunk)) await publisher.add(complete(event, ++position))
      // What comes from another program goes on when it comes.
      if (file === '-') await publisher.flush()
    }
    splitter.end()
  } catch (error) {
    // What came before the fault is published all the same.
    if (error instanceof InputError) await publisher.flush()
    throw error
  }
}

async function* readable(input: AsyncIterable<unknown>, file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield chunk as Buffer
  } catch (error) {
    cannotRead(file)(error)
  }
}

const cannotRead = (file: string) => (error: unknown) => {
  throw new InputError(`${file} cannot be read: ${(error as Error).message}`, error)
}

/** JSON as it was written. */
async function readData(option: string | undefined): Promise<string | undefined> {
  if (option === undefined) return undefined
  const text = option.startsWith('@')
    ? await readFile(option.slice(1), 'utf8').catch(cannotRead(option.slice(1)))
    : option
  try {
    JSON.parse(text)
    return text
  } catch (error) {
    throw new UsageError(
      `--data must be JSON, a text in quotes too, such as '{"total":42}' or '"text"': ${(error as Error).message}`,
      error,
    )
  }
}

/** Where to publish, and as what. */
interface PublishDoor {
  readonly client: Client
  readonly path: string
  readonly key: string
  readonly schema: InputSchema
  /** In one request, where that is less than the usual. */
  readonly mostEvents?: number
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits: events of one request to a namespace topic */
const mostNamespaceEvents = 1000

const namespaceDoor = (
  { client, path, key }: { readonly client: Client; readonly path: string; readonly key: string },
  topic: string,
): PublishDoor => ({
  ...{ client, key, schema: 'CloudEventSchemaV1_0', mostEvents: mostNamespaceEvents },
  path: `${path}/topics/${encodeURIComponent(topic)}:publish?api-version=${dataPlaneVersion}`,
})

async function doorOf(found: Found): Promise<PublishDoor> {
  const [topic, domain, endpoint, accessKey] = ['topic', 'domain', 'endpoint', 'accessKey'].map((name) =>
    textOf(found, name),
  )
  if ([topic, domain, endpoint].filter((name) => name !== undefined).length !== 1)
    throw new UsageError('Say where to publish: one of --topic, --domain and --endpoint.')
  if (endpoint !== undefined) {
    if (accessKey === undefined) throw new UsageError("--endpoint needs --access-key, the topic's key.")
    if (/\/topics\/[^/:]+(?::publish)?\/?$/i.test(URL.parse(endpoint)?.pathname ?? '')) {
      const opened = await openNamespaceAt(endpoint, accessKey, found)
      return namespaceDoor(opened, opened.topic)
    }
    return endpointDoor(endpoint, accessKey, found)
  }
  const client = await connect(found)
  if (found.namespace !== undefined) {
    if (topic === undefined) throw new UsageError('--namespace needs --topic, the topic of the namespace.')
    return namespaceDoor(await openNamespace(client, found), topic)
  }
  const kind = domain === undefined ? topicKind : domainKind
  const name = (topic ?? domain) as string
  const { id, properties } = await findResource(client, kind, name, textOf(found, 'resourceGroup'))
  const key = accessKey ?? (await client.request('POST', versioned(`${id}/listKeys`))).key1
  const url = new URL(properties.endpoint as string)
  // A path that names the resource is found under any name of the server, so also the one by which we reach it.
  const isBelowBase = /\/(topics|domains)\/[^/]+\/[^/]+\/api\/events\/?$/i.test(url.pathname)
  return {
    client: isBelowBase ? client : await connectTo(url.origin, found),
    path: withVersion(isBelowBase ? pathOf(url.href) : url.pathname),
    key: key as string,
    schema: properties.inputSchema ?? 'EventGridSchema',
  }
}

/** Any server's, Azure's too: it tells its schema by itself. */
async function endpointDoor(endpoint: string, key: string, found: Found): Promise<PublishDoor> {
  const url = URL.parse(endpoint)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--endpoint must be an http:// or https:// URL: got '${endpoint}'.`)
  const client = await connectTo(url.origin, found)
  const path = withVersion(url.pathname)
  const answer = await client.send('OPTIONS', path, { headers: { 'aeg-sas-key': key }, anonymous: true })
  if (answer.status >= 400) throw refusalOf(answer, endpoint)
  const name = answer.headers['aeg-input-event-schema']
  const schema = wireNames[typeof name === 'string' ? name.toLowerCase() : '']
  if (schema === undefined) throw new OperatorError(`${endpoint} does not say what events it takes.`)
  return { client, path, key, schema }
}

/** Source: learn.microsoft.com/azure/event-grid/edge/api: the schema's name in headers */
const wireNames: Readonly<Record<string, InputSchema | undefined>> = {
  eventgridevent: 'EventGridSchema',
  cloudeventv10: 'CloudEventSchemaV1_0',
  custominputevent: 'CustomEventSchema',
}

const withVersion = (path: string) => `${path.replace(/\?.*$/, '')}?api-version=2018-01-01`

const count = (n: number, noun: string) => `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`

const progressLine = ({ accepted, refused, seconds }: Summary) =>
  `${count(accepted, 'event')} accepted, ${Math.round(accepted / seconds).toLocaleString('en-US')} a second` +
  (refused > 0 ? `, ${refused} refused` : '')

function print(found: Found, summary: Summary): void {
  const { accepted, refused, requests, retries, seconds } = summary
  process.stdout.write(
    found.json === true
      ? json(summary)
      : `${count(accepted, 'event')} accepted in ${count(requests, 'request')}, ${seconds.toFixed(2)} s` +
          (retries > 0 ? `, ${count(retries, 'retry').replace(/retrys/, 'retries')}` : '') +
          (refused > 0 ? `; ${count(refused, 'event')} refused` : '') +
          '\n',
  )
}
