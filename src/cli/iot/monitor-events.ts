import { isUtf8 } from 'node:buffer'
import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import type { Json } from '../client.ts'
import { addConnectionOptions, type Found, note, withClient } from '../connection.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { plainLine } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { followDeviceEvents, marker } from './device-events.ts'
import { createHubClient } from './hub-client.ts'
import { followMessages, type KeptMessage } from './hub-messages.ts'
import { findNamedHub } from './hubs.ts'

/*
 * `busbar hub monitor-events`: what devices of a hub have said, as its built-in endpoint keeps it; and, where that is
 * asked for, what becomes of the devices, as events tell it.
 */

export function addMonitorEvents(group: Command): void {
  addConnectionOptions(group.command('monitor-events'))
    .description('Print what the devices of an IoT hub send, as it comes, or from earlier on.')
    .addArgument(new Argument('[name]', "the hub's name (default: the only one)"))
    .option('-n, --name <NAME>', 'the same, as an option')
    .option('-g, --resource-group <GROUP>', 'resource group (default: wherever the hub is)')
    .option('--device <ID>', 'of this device and its modules alone')
    .addOption(
      new Option(
        '--from <PLACE>',
        'latest, earliest, a time in ISO 8601, or, with --partition, a sequence number',
      )
        .argParser(placeOf)
        .default('latest'),
    )
    .addOption(new Option('--partition <N>', 'of this partition alone').argParser(integer(0, 127)))
    .option('--events', 'also that devices are created, deleted, connected and disconnected, from now on')
    .addOption(new Option('--count <N>', 'end after so many').argParser(integer(1, 1_000_000_000)))
    .option('--json', 'print JSON, one object a line')
    .addHelpText(
      'after',
      `
Ends with Ctrl-C. Messages are read from the hub's built-in endpoint: nothing is made for it, nobody else gets less, and
a server that restarts meanwhile is read on from where it was. Where the hub has routes, only what they lead to the
endpoint "events" is there.
With --events a system topic of the hub is listened to: where there is none, one named ${marker}-... is made, and
deleted at the end. Events that were raised before are not told, and the command ends when the server goes away.
Examples:
  busbar hub monitor-events --device dev1
  busbar hub monitor-events --from earliest --json`,
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const hub = await findNamedHub(client, argument, found)
        const [from, partition] = [textOf(found, 'from') as string, numberOf(found, 'partition')]
        if (/^\d+$/.test(from) && partition === undefined)
          throw new UsageError(
            '--from takes a sequence number only with --partition: each partition counts its own.',
          )
        const stop = new AbortController()
        const interrupt = () => stop.abort()
        process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
        // A reader that has seen enough ends it too, and what was made is deleted before the process ends.
        process.stdout.removeAllListeners('error').on('error', interrupt)

        const [device, wanted, isJson] = [
          textOf(found, 'device'),
          numberOf(found, 'count'),
          found.json === true,
        ]
        let told = 0
        const tell = (said: object, line: string) => {
          if (stop.signal.aborted) return
          process.stdout.write(isJson ? `${JSON.stringify(said)}\n` : line)
          if (++told === wanted) stop.abort()
        }
        let toBegin = found.events === true ? 2 : 1
        const following = () => {
          if (--toBegin === 0) note(`following ${hub.name}`)
        }
        if ((hub.properties.routing?.routes ?? []).length > 0)
          note(`${hub.name} has routes: only messages that they lead to the endpoint 'events' are shown`)
        const isWhole = from !== 'latest'
        const messages = followMessages(
          createHubClient(client, hub),
          { from, partition },
          (message) => {
            if (device === undefined || message.systemProperties['iothub-connection-device-id'] === device)
              tell(message, encodeMessage(message, isWhole))
          },
          following,
          stop.signal,
        )
        const streams = [messages]
        if (found.events === true)
          streams.push(
            followDeviceEvents(
              client,
              hub,
              (said) => {
                if (said.kind === 'missed') note(`${said.lines} events were missed: this reader is too slow`)
                // Messages come from the built-in endpoint.
                else if (said.type !== telemetry && isOf(said, device)) tell(said, encodeEvent(said, isWhole))
              },
              following,
              stop.signal,
            ),
          )
        // Where one fails the other ends, and lets go of what it has made.
        const ends = await Promise.allSettled(streams.map((each) => each.finally(interrupt)))
        for (const end of ends) if (end.status === 'rejected') throw end.reason
      }),
    )
}

const telemetry = 'Microsoft.Devices.DeviceTelemetry'

/** The server reads it again: here what it cannot be is said before anything is asked. */
function placeOf(text: string): string {
  if (/^(latest|earliest|\d{1,15})$/.test(text)) return text
  const at = /^\d{4}-\d\d-\d\d(T|$)/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return new Date(at).toISOString()
  throw new InvalidArgumentError(
    'It must be latest, earliest, a time such as 2026-01-02T03:04:05Z, or a sequence number.',
  )
}

/** The subject is that of the device for its modules too. */
const isOf = ({ subject }: Json, device: string | undefined): boolean =>
  device === undefined || subject === `devices/${device}`

/** Of what is old the day counts too. */
const momentOf = (text: unknown, isWhole: boolean) =>
  isWhole ? new Date(String(text)).toISOString() : String(text).slice(11, 23)

const encodeParts = (...parts: readonly string[]) => plainLine(parts.filter((part) => part !== '').join('  '))

/** When it came, what it is, whose it is, and what it says. */
function encodeMessage(message: KeptMessage, isWhole: boolean): string {
  const { enqueuedTimeUtc, properties, systemProperties } = message
  const source = systemProperties['iothub-message-source'] ?? ''
  const deviceId = systemProperties['iothub-connection-device-id'] ?? ''
  const moduleId = systemProperties['iothub-connection-module-id']
  return encodeParts(
    momentOf(enqueuedTimeUtc, isWhole),
    // What the hub itself tells has the name of its source.
    source === 'Telemetry' ? 'telemetry' : source,
    moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`,
    bodyOf(message),
    Object.entries(properties)
      .map(([name, value]) => (value === null ? name : `${name}=${value}`))
      .join(' '),
  )
}

function encodeEvent({ at, type, subject, data }: Json, isWhole: boolean): string {
  const device = String(subject).replace('devices/', '')
  const moduleId = data?.moduleId ?? ''
  return encodeParts(
    momentOf(at, isWhole),
    String(type).replace('Microsoft.Devices.Device', '').toLowerCase(),
    moduleId === '' ? device : `${device}/${moduleId}`,
  )
}

const shownCharacters = 2_000

/** JSON as it is; what is base64 as the text that it holds, if it is one. */
function bodyOf({ body, bodyEncoding }: KeptMessage): string {
  if (bodyEncoding === 'json') return shortened(JSON.stringify(body))
  const bytes = Buffer.from(String(body), 'base64')
  return shortened(isUtf8(bytes) ? bytes.toString() : String(body))
}

const shortened = (text: string) =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text
