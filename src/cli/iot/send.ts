import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { createSystemClock } from '../../base/clock.ts'
import { OperatorError } from '../../base/operator-error.ts'
import type { Json } from '../client.ts'
import { deviceListener, type Found } from '../connection.ts'
import { oneOf, textOf } from '../found.ts'
import { withMqtt } from '../mqtt/mqtt-client.ts'
import { json, plainLine } from '../table.ts'
import { addDeviceCommand, deviceOf } from './device-options.ts'
import { withHub } from './hub-client.ts'
import { encodeSasToken } from './sas-token.ts'
import {
  addTelemetryOptions,
  batchType,
  encodeBatch,
  encodePropertyBag,
  readTelemetryProperties,
} from './telemetry-properties.ts'

/* `busbar device send`: one message in the place of a device. */

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling: a message with its properties */
export const messageBytesMost = 256 * 1024
const tokenMs = 60 * 60_000

export function addSend(group: Command): void {
  const command = addDeviceCommand(
    group,
    'send',
    'Send one message in the place of a device, with its own key.',
  ).argument('[body]', 'body of the message (default: what comes on stdin)')
  addTelemetryOptions(command)
    .option('--message-id <ID>', 'id of the message')
    .option('--correlation-id <ID>', 'correlation id')
    .addOption(
      new Option('--protocol <NAME>', 'https, or mqtt, which ends the connection that the device has')
        .argParser(oneOf(['https', 'mqtt']))
        .default('https'),
    )
    .option('--gateway <HOST[:PORT]>', 'where devices connect over MQTT (default: as the server says)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample: busbar device send dev1 '{"temperature":21.5}' --content-type application/json --property room=7`,
    )
    .action((argument: string | undefined, bodyArgument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        // With --name, the only argument is the body.
        const isNamed = textOf(found, 'name') !== undefined && bodyArgument === undefined
        const { deviceId, path } = deviceOf(isNamed ? undefined : argument, found)
        const given = isNamed ? argument : bodyArgument
        const body = Buffer.from(given ?? (await text(process.stdin)))
        if (body.length > messageBytesMost)
          throw new OperatorError(
            `A message has at most ${messageBytesMost} bytes: the body has ${body.length}.`,
          )
        const properties = readTelemetryProperties(found)
        const device = await hub.request('RegistryRead', 'GET', `/devices/${path}`)
        const resource = `${hub.hostName}/devices/${encodeURIComponent(deviceId)}`
        const token = encodeSasToken(resource, keyOf(device), createSystemClock().now() + tokenMs)
        const protocol = textOf(found, 'protocol')
        if (protocol === 'https')
          await hub.request('DeviceConnect', 'POST', `/devices/${path}/messages/events`, {
            token,
            body: encodeBatch(body, properties),
            headers: { 'Content-Type': batchType },
          })
        else {
          const { url, caFile } = await deviceListener(found, textOf(found, 'gateway'))
          const topicName = `devices/${deviceId}/messages/events/${encodePropertyBag(properties)}`
          await withMqtt({ ...mqttOptions(hub.hostName, deviceId, token), url, caFile }, (client) =>
            client.publish({ topicName, payload: body, qos: 1, retain: false }),
          )
        }
        process.stdout.write(
          found.json === true
            ? json({ deviceId, bytes: body.length, protocol })
            : plainLine(`${body.length} bytes of ${deviceId} accepted over ${protocol}`),
        )
      }),
    )
}

/** Its primary key. @param device as the registry shows it */
export function keyOf({ deviceId, authentication }: Json): string {
  const key = authentication.symmetricKey?.primaryKey
  if (authentication.type === 'sas' && typeof key === 'string' && key !== '') return key
  throw new OperatorError(
    `The device '${deviceId}' proves itself by '${authentication.type}': only for one that has keys can a message be sent.`,
  )
}

/** How a device connects: MQTT 3.1.1, its hub in the user name, a token as password. */
export const mqttOptions = (hostName: string, deviceId: string, token: string) =>
  ({
    protocolVersion: 4,
    clientId: deviceId,
    keepAliveSeconds: 240,
    userName: `${hostName}/${deviceId}/?api-version=2021-04-12`,
    password: token,
  }) as const
