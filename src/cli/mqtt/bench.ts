import { type Command, Option } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import type { PublishPacket } from '../../mqtt/packets/packet.ts'
import { pause } from '../client.ts'
import type { Found } from '../connection.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { json, pairs } from '../table.ts'
import { addBrokerOptions, readBrokerOptions } from './broker-options.ts'
import { createLatencies } from './latencies.ts'
import { connectMqtt, type MqttClient } from './mqtt-client.ts'
import { qosOf, qosOption } from './traffic.ts'

/*
 * `busbar mqtt bench`: publishers that send as fast as the broker takes it, or at a rate, and subscribers that count.
 * All in one process, so it tells what this machine does together, not what the broker could do alone.
 */

/** Each message begins with the moment at which it was made: a double, in milliseconds. */
const stampBytes = 8

export function addBench(group: Command): void {
  const whole = (flag: string, about: string, least: number, most: number, byDefault: number) =>
    new Option(flag, about).argParser(integer(least, most)).default(byDefault)
  addBrokerOptions(group.command('bench'))
    .description('Measure the broker: messages a second, and how long they take.')
    .addOption(whole('--publishers <N>', 'clients that publish', 1, 10_000, 1))
    .addOption(whole('--subscribers <N>', 'clients that subscribe, each to every topic', 0, 10_000, 1))
    .addOption(whole('--topics <N>', 'topics that the publishers share', 1, 100_000, 1))
    .addOption(whole('--size <BYTES>', 'payload', stampBytes, 1_000_000, 64))
    .addOption(qosOption('quality of service, both ways'))
    .addOption(
      whole('--in-flight <N>', 'messages of QoS 1 and 2 that a publisher has under way', 1, 65_535, 100),
    )
    .addOption(
      whole(
        '--rate <N>',
        'messages a second, all publishers together; 0: as fast as it goes',
        0,
        10_000_000,
        0,
      ),
    )
    .addOption(whole('--seconds <N>', 'how long', 1, 86_400, 10))
    .option('--topic-prefix <TEXT>', 'topics are PREFIX/0, PREFIX/1, ...', 'bench')
    .option('--json', 'print JSON')
    .action(async (found: Found) => {
      const result = await measure(found)
      process.stdout.write(
        found.json === true
          ? json(result)
          : pairs(Object.fromEntries(Object.entries(result).map(([name, value]) => [name, shown(value)]))),
      )
    })
}

const shown = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(3))

async function measure(found: Found): Promise<Readonly<Record<string, number>>> {
  const clients: MqttClient[] = []
  try {
    return await measureWith(found, clients)
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

async function measureWith(found: Found, clients: MqttClient[]): Promise<Readonly<Record<string, number>>> {
  const number = (name: string) => numberOf(found, name) as number
  const options = await readBrokerOptions(found)
  if (options.clientId !== '') throw new OperatorError('--id is for one client: a measurement has several.')
  const qos = qosOf(found)
  const prefix = textOf(found, 'topicPrefix') ?? 'bench'
  const latencies = createLatencies()
  let received = 0
  const onMessage = ({ payload }: PublishPacket) => {
    received++
    const { buffer, byteOffset } = payload
    latencies.add(performance.now() - new DataView(buffer, byteOffset).getFloat64(0))
  }
  const several = (count: number, more: object) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const client = await connectMqtt({ ...options, ...more })
        clients.push(client)
        return client
      }),
    )
  const subscribers = await several(number('subscribers'), { onMessage })
  const subscription = {
    topicFilter: `${prefix}/+`,
    qos,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 2,
  } as const
  await Promise.all(subscribers.map((client) => client.subscribe([subscription])))
  const publishers = await several(number('publishers'), {})

  const start = performance.now()
  const end = start + number('seconds') * 1000
  const rate = number('rate') / publishers.length
  const sent = await Promise.all(
    publishers.map((client, index) =>
      flood(client, {
        ...{ end, rate, qos, index, prefix, topics: number('topics'), bytes: number('size') },
        inFlight: Math.min(number('inFlight'), client.receiveMaximum),
      }),
    ),
  )
  const seconds = (performance.now() - start) / 1000
  const messages = sent.reduce((sum, each) => sum + each, 0)
  await settled(() => received, messages * subscribers.length)
  const secondsInAll = (performance.now() - start) / 1000
  return {
    sent: messages,
    sentPerSecond: Math.round(messages / seconds),
    received,
    receivedPerSecond: Math.round(received / secondsInAll),
    missing: messages * subscribers.length - received,
    ...latencies.summary(),
  }
}

interface Flood {
  readonly end: number
  /** Messages a second; 0: as fast as it goes. */
  readonly rate: number
  readonly qos: 0 | 1 | 2
  readonly index: number
  readonly prefix: string
  readonly topics: number
  readonly bytes: number
  readonly inFlight: number
}

/** Messages between two looks at the clock and the socket. */
const batch = 50

async function flood(
  client: MqttClient,
  { end, rate, qos, index, prefix, topics, bytes, inFlight }: Flood,
): Promise<number> {
  const payload = Buffer.alloc(bytes, 'x')
  const start = performance.now()
  let sent = 0
  const state = { underWay: 0, wake: () => {}, failure: undefined as unknown }
  const settle = (error?: unknown) => {
    state.underWay--
    state.failure ??= error
    state.wake()
  }
  /** Until fewer than `most` messages are under way, or one has failed. */
  const below = async (most: number) => {
    while (state.underWay >= most && state.failure === undefined)
      await new Promise<void>((resolve) => {
        state.wake = resolve
      })
    if (state.failure !== undefined) throw state.failure
  }
  for (let now = start; now < end; now = performance.now()) {
    const due = rate === 0 ? batch : Math.min(batch, Math.floor(((now - start) / 1000) * rate) - sent)
    if (due <= 0) await pause(1)
    for (let count = 0; count < due; count++) {
      payload.writeDoubleBE(performance.now())
      const topicName = `${prefix}/${(index + sent) % topics}`
      const published = client.publish({ topicName, payload, qos, retain: false })
      sent++
      if (qos === 0) continue
      state.underWay++
      published.then(() => settle(), settle)
      await below(inFlight)
    }
    await client.writable()
    // Answers are read between two turns.
    await new Promise((resolve) => setImmediate(resolve))
  }
  await below(1)
  return sent
}

/** All has come, or nothing has come for two seconds: QoS 0 may be dropped. */
async function settled(received: () => number, expected: number): Promise<void> {
  for (let [last, quietMs] = [received(), 0]; received() < expected && quietMs < 2000; ) {
    await pause(50)
    quietMs = received() === last ? quietMs + 50 : 0
    last = received()
  }
}
