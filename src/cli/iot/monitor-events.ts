import { isUtf8 } from 'node:buffer'
import { Argument, type Command, Option } from 'commander'
import { newGuid } from '../../base/ids.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { groupOf, listPath, subscription, versioned } from '../azure.ts'
import { type Client, type Json, Refused } from '../client.ts'
import { addConnectionOptions, type Found, note, withClient } from '../connection.ts'
import { integer, nameOf, numberOf, textOf } from '../found.ts'
import { plainLine } from '../table.ts'
import { findHub, hubPath } from './hubs.ts'

/*
 * `busbar hub monitor-events`: what devices of a hub send, and their comings and goings, as they happen. A hub raises
 * events for those who are there to hear them alone; a system topic of the hub is such a listener, and is followed
 * through /events/tail. Where there is none, one is made for the time of the command.
 */

export function addMonitorEvents(group: Command): void {
  addConnectionOptions(group.command('monitor-events'))
    .description('Print what the devices of an IoT hub send, and that they connect and leave, as it happens.')
    .addArgument(new Argument('[name]', "the hub's name (default: the only one)"))
    .option('-n, --name <NAME>', 'the same, as an option')
    .option('-g, --resource-group <GROUP>', 'resource group (default: wherever the hub is)')
    .option('--device <ID>', 'of this device and its modules alone')
    .addOption(new Option('--count <N>', 'end after so many').argParser(integer(1, 1_000_000_000)))
    .option('--json', 'print JSON, one object a line')
    .addHelpText(
      'after',
      `
Ends with Ctrl-C. Where the hub has no system topic, one named ${marker}-... is made, and deleted at the end.
Who reads too slowly is told how many lines were missed.
Example: busbar hub monitor-events --device dev1`,
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const isNamed = argument !== undefined || textOf(found, 'name') !== undefined
        const hub = await findHub(
          client,
          isNamed ? nameOf(argument, found) : undefined,
          textOf(found, 'resourceGroup'),
        )
        const stop = new AbortController()
        const interrupt = () => stop.abort()
        process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
        // A reader that has seen enough ends it too, and what was made is deleted before the process ends.
        process.stdout.removeAllListeners('error').on('error', interrupt)
        await monitor(client, hub, found, stop.signal)
      }),
    )
}

/** The name of what the command makes for itself begins so, and it carries this tag. */
const marker = 'busbar-monitor'
const topicType = 'Microsoft.Devices.IoTHubs'

async function monitor(client: Client, hub: Json, found: Found, signal: AbortSignal): Promise<void> {
  const [device, wanted] = [textOf(found, 'device'), numberOf(found, 'count')]
  let told = 0
  while (!signal.aborted) {
    const topic = await listenTo(client, hub)
    let isDeleted = false
    try {
      const query = new URLSearchParams({ topic: topic.id as string })
      for await (const line of client.lines(`/events/tail?${query.toString()}`, signal)) {
        if (signal.aborted) break
        const said = decode(line)
        if (said.kind === 'following') note(`following ${hub.name}`)
        // Another command made it, and has ended: one of our own goes on from here.
        if (said.kind === 'deleted') {
          isDeleted = true
          break
        }
        if (said.kind === 'missed')
          process.stdout.write(found.json === true ? `${line}\n` : encodeMissed(said.lines as number))
        if (said.kind !== 'accepted' || !isOf(said, device)) continue
        process.stdout.write(found.json === true ? `${line}\n` : encodeLine(said))
        if (++told === wanted) return
      }
    } catch (error) {
      // Interrupted before the stream had begun.
      if (!signal.aborted) throw error
    } finally {
      await letGo(client, topic)
    }
    if (!isDeleted && !signal.aborted) throw new OperatorError('The server ended the stream.')
    // It throws where the hub itself is gone.
    await client.request('GET', hubPath(hub.id as string))
  }
}

/** The system topic of the hub: the one there is, or one that is made. */
async function listenTo(client: Client, hub: Json): Promise<Json> {
  const source = String(hub.id)
  const topics = await client.list(versioned(`${subscription}/providers/Microsoft.EventGrid/systemTopics`))
  const there = topics.find(({ properties }) => properties.source.toLowerCase() === source.toLowerCase())
  if (there) return there
  const name = `${marker}-${newGuid().slice(0, 8)}`
  const path = listPath({ plural: 'systemTopics' }, groupOf(source))
  return client.change('PUT', versioned(`${path}/${name}`), {
    location: hub.location,
    tags: { [marker]: 'true' },
    properties: { source, topicType },
  })
}

/** Deletes what such a command has made, unless somebody has come to need it. */
async function letGo(client: Client, { id, name, tags }: Json): Promise<void> {
  if (tags?.[marker] !== 'true') return
  try {
    const used = await client.list(versioned(`${id}/eventSubscriptions`))
    if (used.length === 0) await client.change('DELETE', versioned(id as string))
    else note(`the system topic ${name} stays: it has event subscriptions.`)
  } catch (error) {
    // Another command, or the hub's deletion, was first.
    if (!(error instanceof Refused && error.status === 404)) throw error
  }
}

function decode(line: string): Json {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new OperatorError(`The server sent what is no JSON: ${line.slice(0, 200)}`, error)
  }
}

/** The subject is that of the device for its modules too. */
const isOf = ({ subject }: Json, device: string | undefined): boolean =>
  device === undefined || subject === `devices/${device}`

const encodeMissed = (lines: number) => plainLine(`${lines} lines were missed: this reader is too slow`)

const shownCharacters = 2_000

/** Time of day, what happened, to which device, and what it says. */
function encodeLine({ at, type, subject, data, dataBytes }: Json): string {
  const what = String(type).replace('Microsoft.Devices.Device', '').toLowerCase()
  const moduleId = data?.moduleId ?? data?.systemProperties?.['iothub-connection-module-id']
  const device = String(subject).replace('devices/', '')
  const who = moduleId === undefined || moduleId === '' ? device : `${device}/${moduleId}`
  const parts =
    dataBytes !== undefined
      ? [`(${dataBytes} bytes of data)`]
      : what === 'telemetry'
        ? [bodyOf(data), propertiesOf(data)]
        : []
  return plainLine([String(at).slice(11, 23), what, who, ...parts].filter((part) => part !== '').join('  '))
}

/** JSON as it is; what is base64 in the event as the text that it holds, if it is one. */
function bodyOf({ body, systemProperties }: Json): string {
  const isJson =
    /^application\/json$/i.test(systemProperties?.['iothub-content-type'] ?? '') &&
    /^utf-8$/i.test(systemProperties?.['iothub-content-encoding'] ?? '')
  if (isJson || typeof body !== 'string') return shortened(JSON.stringify(body))
  const bytes = Buffer.from(body, 'base64')
  return shortened(isUtf8(bytes) ? bytes.toString() : body)
}

const propertiesOf = ({ properties }: Json): string =>
  Object.entries((properties ?? {}) as Readonly<Record<string, string | null>>)
    .map(([name, value]) => (value === null ? name : `${name}=${value}`))
    .join(' ')

const shortened = (text: string) =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text
