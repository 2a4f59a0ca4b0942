import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { type Command, Option } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import type { PublishPacket, PublishProperties, QoS } from '../../mqtt/packets/packet.ts'
import type { Found } from '../connection.ts'
import { note } from '../connection.ts'
import { integer, listOf, numberOf, textOf } from '../found.ts'
import { plainLine } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { addBrokerOptions, readBrokerOptions } from './broker-options.ts'
import { type MqttClient, withMqtt } from './mqtt-client.ts'

/* `busbar mqtt pub` and `busbar mqtt sub`: messages out and in. */

export const qosOption = (about: string) => new Option('--qos <N>', about).argParser(integer(0, 2)).default(0)

export const qosOf = (found: Found) => (numberOf(found, 'qos') ?? 0) as QoS

/** Messages under way before the first is acknowledged. */
const mostInFlight = 100

export function addPub(group: Command): void {
  addBrokerOptions(group.command('pub'))
    .description('Publish messages.')
    .argument('<topic>', 'topic name')
    .argument('[message]', 'payload (default: every line of stdin is one)')
    .option('--file <FILE>', 'file whose bytes are the payload')
    .addOption(qosOption('quality of service'))
    .option('--retain', 'the message is retained; one without a payload deletes what is')
    .option('--content-type <TYPE>', 'content type, in MQTT 5')
    .option('--response-topic <TOPIC>', 'response topic, in MQTT 5')
    .option('--correlation-data <TEXT>', 'correlation data, in MQTT 5')
    .addOption(
      new Option('--expiry <SECONDS>', 'message expiry interval, in MQTT 5').argParser(
        integer(0, 0xffffffff),
      ),
    )
    .option('--user-property <NAME=VALUE...>', 'user properties, in MQTT 5')
    .addHelpText(
      'after',
      '\nExample: busbar mqtt pub devices/1/temperature 21.5 --qos 1 --content-type text/plain',
    )
    .action(async (topicName: string, message: string | undefined, found: Found) => {
      const file = textOf(found, 'file')
      if (file !== undefined && message !== undefined)
        throw new UsageError('The payload is given twice: as the argument, and with --file.')
      const options = await readBrokerOptions(found)
      const properties = propertiesOf(found)
      if (Object.keys(properties).length > 0 && options.protocolVersion !== 5)
        throw new UsageError('Properties need MQTT 5: 3.1.1 has none.')
      await withMqtt(options, async (client) => {
        const send = (payload: Uint8Array) =>
          client.publish({ topicName, payload, qos: qosOf(found), retain: found.retain === true, properties })
        if (file !== undefined) await send(readBytes(file))
        else if (message !== undefined) await send(Buffer.from(message))
        else await sendLines(client, send)
      })
    })
}

/** One message a line, as many under way as the broker takes. */
async function sendLines(client: MqttClient, send: (payload: Uint8Array) => Promise<void>): Promise<void> {
  const most = Math.min(mostInFlight, client.receiveMaximum)
  const underWay = new Set<Promise<void>>()
  for await (const line of createInterface({ input: process.stdin })) {
    const sent = send(Buffer.from(line)).finally(() => underWay.delete(sent))
    underWay.add(sent)
    if (underWay.size >= most) await Promise.race(underWay)
    await client.writable()
  }
  await Promise.all(underWay)
}

function propertiesOf(found: Found): PublishProperties {
  const expiry = numberOf(found, 'expiry')
  const correlationData = textOf(found, 'correlationData')
  const [contentType, responseTopic] = [textOf(found, 'contentType'), textOf(found, 'responseTopic')]
  // A name may come more than once.
  const userProperties = listOf(found, 'userProperty')?.map((pair) => {
    const at = pair.indexOf('=')
    if (at < 0) throw new UsageError(`--user-property takes NAME=VALUE: got '${pair}'.`)
    return [pair.slice(0, at), pair.slice(at + 1)] as const
  })
  return {
    ...(expiry !== undefined && { messageExpiryInterval: expiry }),
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData: Buffer.from(correlationData) }),
    ...(userProperties && { userProperties }),
  }
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new OperatorError(`${file} cannot be read: ${(error as Error).message}`, error)
  }
}

export function addSub(group: Command): void {
  addBrokerOptions(group.command('sub'))
    .description('Subscribe, and print the messages that come.')
    .argument('<filter...>', 'topic filters')
    .addOption(qosOption('maximum quality of service'))
    .addOption(new Option('--count <N>', 'end after so many messages').argParser(integer(1, 1_000_000_000)))
    .option('--json', 'print JSON, one object a line, with every property')
    .addHelpText('after', "\nEnds with Ctrl-C.\nExample: busbar mqtt sub 'devices/+/temperature' --qos 1")
    .action(async (filters: readonly string[], found: Found) => {
      const wanted = numberOf(found, 'count')
      const enough = Promise.withResolvers<void>()
      let told = 0
      const options = {
        ...(await readBrokerOptions(found)),
        onMessage(packet: PublishPacket) {
          if (told === wanted) return
          process.stdout.write(
            found.json === true ? `${JSON.stringify(describe(packet))}\n` : encodeMessage(packet),
          )
          if (++told === wanted) enough.resolve()
        },
      }
      await withMqtt(options, async (client) => {
        await client.subscribe(
          filters.map((topicFilter) => ({
            ...{ topicFilter, qos: qosOf(found), noLocal: false, retainAsPublished: true, retainHandling: 0 },
          })),
        )
        note(`subscribed to ${filters.join(' ')}`)
        const interrupted = new Promise<void>((resolve) => process.once('SIGINT', () => resolve()))
        await Promise.race([enough.promise, interrupted, client.ended])
      })
    })
}

const encodeMessage = ({ topicName, payload, retain }: PublishPacket) =>
  plainLine(`${topicName}${retain ? ' (retained)' : ''}  ${Buffer.from(payload).toString()}`)

/** Bytes that are no text are shown in Base64. */
function describe({ topicName, qos, retain, dup, properties, payload }: PublishPacket): object {
  const bytes = Buffer.from(payload)
  const text = bytes.toString()
  const { correlationData, ...rest } = properties
  return {
    ...{ topicName, qos, retain, dup },
    ...(Buffer.from(text).equals(bytes) ? { payload: text } : { payloadBase64: bytes.toString('base64') }),
    ...rest,
    ...(correlationData && { correlationDataBase64: Buffer.from(correlationData).toString('base64') }),
  }
}
