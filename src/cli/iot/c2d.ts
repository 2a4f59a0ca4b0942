import { isIP } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import type { AmqpError, Connection, EventContext, Message } from 'rhea'
import { loadRhea } from '../../amqp/rhea.ts'
import { createSystemClock } from '../../base/clock.ts'
import { stayAlive } from '../../base/later.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { addGroup, amqpListener, type Found } from '../connection.ts'
import { oneOf, textOf } from '../found.ts'
import { trusted } from '../mqtt/mqtt-client.ts'
import { json, plainLine } from '../table.ts'
import { addDeviceCommand, deviceOf } from './device-options.ts'
import { noDevice, policyWith, withHub } from './hub-client.ts'
import { listPolicies } from './hubs.ts'
import { encodeSasToken } from './sas-token.ts'
import { addTelemetryOptions, readTelemetryProperties } from './telemetry-properties.ts'

/* `busbar device c2d send`: a message to a device, over AMQP, which is how services send them. */

const tokenMs = 60 * 60_000
const answerMs = 30_000
const acks = ['none', 'positive', 'negative', 'full']

export function addC2d(group: Command): void {
  const c2d = addGroup(group, 'c2d', 'Messages to a device: send.')
  const command = addDeviceCommand(
    c2d,
    'send',
    'Send a message to a device; it waits until the device takes it.',
  )
    .argument('[body]', 'body of the message (default: what comes on stdin)')
    .option('--message-id <ID>', 'id of the message')
    .option('--correlation-id <ID>', 'correlation id')
    .addOption(
      new Option('--ack <KIND>', `feedback that services get of it: ${acks.join(', ')}`)
        .argParser(oneOf(acks))
        .default('none'),
    )
  addTelemetryOptions(command)
    .option('--gateway <HOST[:PORT]>', 'where AMQP with TLS is spoken (default: as the server says)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample: busbar device c2d send dev1 'come home' --property urgent=yes`)
    .action((argument: string | undefined, bodyArgument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        // With --name, the only argument is the body.
        const isNamed = textOf(found, 'name') !== undefined && bodyArgument === undefined
        const { deviceId, path } = deviceOf(isNamed ? undefined : argument, found)
        const body = Buffer.from((isNamed ? argument : bodyArgument) ?? (await text(process.stdin)))
        const said = readTelemetryProperties(found)
        const name = hub.resource.name as string
        const policies = await listPolicies(hub.arm, hub.resource.id as string)
        const policy = policyWith(policies, 'ServiceConnect', name)
        const { host, port, caFile } = await amqpListener(found, textOf(found, 'gateway'))
        const { message } = await loadRhea()
        await sendOverAmqp(
          {
            ...{ host, port, ...(caFile !== undefined && { ca: trusted(caFile) }) },
            ...(isIP(host) === 0 && { servername: host }),
            username: `${policy.keyName}@sas.root.${name}`,
            password: encodeSasToken(
              hub.hostName,
              policy.primaryKey,
              createSystemClock().now() + tokenMs,
              policy.keyName,
            ),
          },
          {
            to: `/devices/${path}/messages/devicebound`,
            ...(said.messageId !== undefined && { message_id: said.messageId }),
            ...(said.correlationId !== undefined && { correlation_id: said.correlationId }),
            ...(said.contentType !== undefined && { content_type: said.contentType }),
            ...(said.contentEncoding !== undefined && { content_encoding: said.contentEncoding }),
            application_properties: { ...said.properties, 'iothub-ack': textOf(found, 'ack') },
            body: message.data_section(body),
          },
        )
        process.stdout.write(
          found.json === true
            ? json({ deviceId, bytes: body.length })
            : plainLine(`${body.length} bytes for ${deviceId} accepted: they wait until it takes them`),
        )
      }),
    )
}

interface Peer {
  readonly host: string
  readonly port: number
  readonly ca?: string[]
  readonly servername?: string
  readonly username: string
  readonly password: string
}

/** Resolves when the hub has accepted the message. */
async function sendOverAmqp(to: Peer, message: Message): Promise<void> {
  const rhea = await loadRhea()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = (what: AmqpError | Error | undefined, otherwise: string) => {
    const { condition, description, message: words } = (what ?? {}) as AmqpError & Error
    // The hub says no more than the name.
    const isUnknown = condition === 'amqp:not-found' && description !== undefined
    const why = isUnknown ? noDevice(description) : (description ?? words ?? otherwise)
    reject(
      new OperatorError(
        condition === undefined ? `AMQP at ${to.host}:${to.port}: ${why}` : `${why} (${condition})`,
        what,
      ),
    )
  }
  const connection: Connection = rhea
    .create_container()
    .connect({ ...to, transport: 'tls', reconnect: false })
  connection.on('connection_error', ({ error }: EventContext) =>
    fail(error as AmqpError, 'the connection was closed'),
  )
  connection.on('disconnected', ({ error }: EventContext) => fail(error as Error, 'the connection was lost'))
  // Otherwise what these events are not listened to for is thrown.
  connection.on('error', (error: Error) => fail(error, 'an error'))
  const sender = connection.open_sender('/messages/devicebound')
  sender.once('sendable', () => sender.send(message))
  sender.on('sender_error', () => fail(sender.error as AmqpError, 'the link was refused'))
  sender.on('accepted', () => resolve())
  sender.on('rejected', ({ delivery }: EventContext) =>
    fail((delivery?.remote_state as { error?: AmqpError } | undefined)?.error, 'the message was rejected'),
  )
  for (const outcome of ['released', 'modified'] as const)
    sender.on(outcome, () => fail(undefined, `the message was ${outcome}, and not accepted`))
  const alive = stayAlive()
  const clock = createSystemClock()
  const late = clock.at(clock.now() + answerMs, () =>
    fail(undefined, `no answer within ${answerMs / 1000} seconds`),
  )
  try {
    await promise
  } finally {
    late.cancel()
    alive.cancel()
    connection.close()
  }
}
