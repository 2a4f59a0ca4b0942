import { createSecureContext } from 'node:tls'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { createSystemClock } from '../../base/clock.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { deviceListener, type Found, note } from '../connection.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { trusted } from '../mqtt/mqtt-client.ts'
import { json, pairs, plainLine } from '../table.ts'
import { bodyWords, compileBody } from './body-template.ts'
import { addHubOptions } from './device-options.ts'
import { type FleetReport, runFleet } from './fleet.ts'
import { withHub } from './hub-client.ts'
import { encodeSasToken } from './sas-token.ts'
import { messageBytesMost } from './send.ts'
import { deleteDevices, ensureDevices } from './simulated-devices.ts'
import { addTelemetryOptions, encodePropertyBag, readTelemetryProperties } from './telemetry-properties.ts'

/* `busbar device simulate`: many devices at once, as their hub would see them. */

const devicesMost = 100_000
const longestMs = 7 * 24 * 60 * 60_000
/** Tokens outlive the simulation, so that no device connects anew for a fresh one. */
const spareMs = 60 * 60_000
const defaultBody = '{"deviceId":"{device}","n":{n},"time":"{time}","temperature":{random}}'

export function addSimulate(group: Command): void {
  const command = addHubOptions(group.command('simulate'))
    .description('Connect many devices over MQTT, and have them send for a while; tells how that went.')
    .addOption(new Option('--devices <N>', 'how many').argParser(integer(1, devicesMost)).default(10))
    .option(
      '--prefix <TEXT>',
      'their ids are PREFIX1, PREFIX2, ...; those that are missing are made',
      'simulated-',
    )
    .addOption(
      new Option('--every <TIME>', 'each sends one message in such a time')
        .argParser(duration)
        .default(1_000, '1s'),
    )
    .addOption(new Option('--for <TIME>', 'how long').argParser(duration).default(60_000, '60s'))
    .option('--body <TEMPLATE>', `body of each message, with ${bodyWords}`, defaultBody)
    .option('--delete', 'delete the devices that were made, at the end')
    .option(
      '--gateway <HOST[:PORT]>',
      'where devices connect over MQTT with TLS (default: as the server says)',
    )
    .option('--json', 'print JSON')
  addTelemetryOptions(command)
    .addHelpText(
      'after',
      `
A time is a number with ms, s, m or h behind it. Without --content-type it is application/json.
Each message has QoS 1; its latency is the time until the hub has acknowledged it. Ctrl-C ends it early.
The exit code is 1 where a message was not acknowledged, or a device did not connect.
Example: busbar device simulate --devices 100 --every 1s --for 60s --delete`,
    )
    .action((found: Found) =>
      withHub(found, async (hub) => {
        const count = numberOf(found, 'devices') as number
        const [everyMs, forMs] = [numberOf(found, 'every') as number, numberOf(found, 'for') as number]
        const template = textOf(found, 'body') as string
        const body = compileBody(template)
        if (Buffer.byteLength(template) > messageBytesMost / 2)
          throw new OperatorError(`--body has at most ${messageBytesMost / 2} bytes.`)
        const bag = encodePropertyBag(readTelemetryProperties(found, 'application/json'))
        const { url, caFile } = await deviceListener(found, textOf(found, 'gateway'))
        const secureContext = createSecureContext(caFile === undefined ? {} : { ca: trusted(caFile) })
        const ids = Array.from({ length: count }, (_, n) => `${textOf(found, 'prefix')}${n + 1}`)
        const stop = new AbortController()
        const interrupt = () => stop.abort()
        process.once('SIGINT', interrupt).once('SIGTERM', interrupt)

        const made: string[] = []
        try {
          const keys = await ensureDevices(hub, ids, made)
          note(`${count} devices, ${made.length} of them new`)
          const expiresAt = createSystemClock().now() + forMs + spareMs
          const tokens = new Map(
            [...keys].map(([id, key]) => {
              const resource = `${hub.hostName}/devices/${encodeURIComponent(id)}`
              return [id, encodeSasToken(resource, key, expiresAt)] as const
            }),
          )
          const report = await runFleet(
            { url, secureContext, hostName: hub.hostName, tokens, body, bag, everyMs, forMs },
            stop.signal,
            (connected) => note(`${connected} of ${count} are connected`),
          )
          const all = { devices: count, made: made.length, ...report }
          process.stdout.write(found.json === true ? json(all) : encodeReport(all))
          if (report.connected < count || report.failed > 0) process.exitCode = 1
        } finally {
          if (found.delete === true) {
            await deleteDevices(hub, made)
            note(`deleted ${made.length} devices`)
          }
        }
      }),
    )
}

function encodeReport({
  failures,
  ...numbers
}: FleetReport & { readonly devices: number; readonly made: number }): string {
  const shown = Object.entries(numbers).map(([name, value]) => [
    name,
    Number.isInteger(value) ? String(value) : value.toFixed(1),
  ])
  const whys = Object.entries(failures).map(([reason, count]) => plainLine(`${count} times: ${reason}`))
  return [pairs(Object.fromEntries(shown) as Record<string, string>), ...whys].join('')
}

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** A time such as 500ms, 1s, 2m or 1h, in milliseconds. */
function duration(text: string): number {
  const [, digits = '', unit = 's'] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? []
  const ms = Number(digits) * units[unit as keyof typeof units]
  if (digits !== '' && ms >= 1 && ms <= longestMs) return ms
  throw new InvalidArgumentError('It must be a time such as 500ms, 1s, 2m or 1h, of at most a week.')
}
