import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningBroker } from './brokers.ts'
import { BenchClient, type PublishTemplate, publishTemplate } from './client.ts'

/** What one run measured, by name; figures of the same name are held beside each other. */
export type Figures = Readonly<Record<string, number>>

export interface Throughput {
  readonly publishers: number
  readonly subscribers: number
  /** Each publisher has a topic, and a subscriber of its own; else every subscriber gets every message. */
  readonly pairs: boolean
  readonly qos: 0 | 1 | 2
  readonly bytes: number
}

/** Messages sent and not received by the slowest subscriber, of one publisher: bounds what the broker queues. */
const windowMessages = 2_000
/** Not acknowledged, of one publisher. */
const inFlightMessages = 100
const batchMessages = 64

let runs = 0

/** Publishes as fast as the windows let it. Deliveries per second, and per second of the broker's processor. */
export async function measureThroughput(
  broker: RunningBroker,
  shape: Throughput,
  seconds: number,
): Promise<Figures> {
  const { publishers, subscribers, pairs, qos, bytes } = shape
  const run = `bench${runs++}`
  const received = new Float64Array(subscribers)
  const sent = new Float64Array(publishers)
  const acknowledged = new Float64Array(publishers)
  const clients: BenchClient[] = []
  for (let index = 0; index < subscribers; index++) {
    const client = await BenchClient.open(broker.port, `${run}s${index}`, {
      message: () => {
        received[index] = (received[index] as number) + 1
      },
    })
    await client.subscribe(pairs ? `${run}/${index}` : `${run}/+`, qos)
    clients.push(client)
  }
  const from: { readonly client: BenchClient; readonly template: PublishTemplate }[] = []
  for (let index = 0; index < publishers; index++) {
    const client = await BenchClient.open(broker.port, `${run}p${index}`, {
      acknowledged: () => {
        acknowledged[index] = (acknowledged[index] as number) + 1
      },
    })
    clients.push(client)
    from.push({ client, template: publishTemplate(`${run}/${index}`, qos, bytes) })
  }
  const outstanding = (index: number): number => {
    if (pairs) return (sent[index] as number) - (received[index] as number)
    const slowest = Math.min(...received)
    return sent.reduce((all, each) => all + each, 0) - slowest
  }
  let going = true
  const pump = () => {
    if (!going) return
    for (const [index, { client, template }] of from.entries()) {
      const window = pairs ? windowMessages : windowMessages * publishers
      let room = Math.min(batchMessages, window - outstanding(index))
      if (qos > 0)
        room = Math.min(room, inFlightMessages - ((sent[index] as number) - (acknowledged[index] as number)))
      if (room < 16) continue
      client.publish(template, room, () => {})
      sent[index] = (sent[index] as number) + room
    }
    setImmediate(pump)
  }
  pump()
  await sleep(seconds * 250)
  const total = () => received.reduce((all, each) => all + each, 0)
  const before = { count: total(), cpu: broker.cpuSeconds(), at: performance.now() }
  await sleep(seconds * 1000)
  const count = total() - before.count
  const cpu = broker.cpuSeconds() - before.cpu
  const perSecond = count / ((performance.now() - before.at) / 1000)
  going = false
  for (const client of clients) client.close()
  return { perSecond: Math.round(perSecond), perCpuSecond: Math.round(count / Math.max(cpu, 0.01)) }
}

/** At a fixed rate; counted from the moment a message was due, in microseconds. */
export async function measureLatency(
  broker: RunningBroker,
  perSecond: number,
  seconds: number,
): Promise<Figures> {
  const run = `bench${runs++}`
  const latencies: number[] = []
  const subscriber = await BenchClient.open(broker.port, `${run}s`, {
    message: (bytes, at) => latencies.push(performance.now() - bytes.readDoubleBE(at)),
  })
  await subscriber.subscribe(run, 1)
  const publisher = await BenchClient.open(broker.port, `${run}p`)
  const template = publishTemplate(run, 1, 64)
  const start = performance.now()
  const cpu = broker.cpuSeconds()
  let sent = 0
  // Without a pause: a timer's millisecond would be most of what is measured.
  while (performance.now() - start < seconds * 1000) {
    const due = Math.floor(((performance.now() - start) / 1000) * perSecond)
    while (sent < due) {
      const dueAt = start + (sent / perSecond) * 1000
      publisher.publish(template, 1, (bytes, at) => bytes.writeDoubleBE(dueAt, at))
      sent++
    }
    await new Promise(setImmediate)
  }
  await sleep(200)
  const used = broker.cpuSeconds() - cpu
  subscriber.close()
  publisher.close()
  const sorted = latencies.toSorted((one, other) => one - other)
  const at = (part: number) => Math.round((sorted[Math.floor(sorted.length * part)] ?? Number.NaN) * 1000)
  return { p50Us: at(0.5), p99Us: at(0.99), cpuUsPerMessage: Math.round((used / sent) * 1e6) }
}

/** Opens connections and leaves them idle. */
export async function measureConnections(broker: RunningBroker, count: number): Promise<Figures> {
  const run = `bench${runs++}`
  const before = { cpu: broker.cpuSeconds(), kib: broker.residentKib() }
  const clients: BenchClient[] = []
  while (clients.length < count)
    clients.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, count - clients.length) }, (_, index) =>
          BenchClient.open(broker.port, `${run}c${clients.length + index}`),
        ),
      )),
    )
  const cpu = broker.cpuSeconds() - before.cpu
  await sleep(1_000)
  const kib = broker.residentKib() - before.kib
  for (const client of clients) client.close()
  return {
    connectsPerCpuSecond: Math.round(count / Math.max(cpu, 0.01)),
    kibPerConnection: Math.round((kib / count) * 100) / 100,
  }
}

/** One publisher and one subscriber, beside so many subscriptions with wildcards of other clients that do not match. */
export async function measureMatching(
  broker: RunningBroker,
  subscriptions: number,
  seconds: number,
): Promise<Figures> {
  const run = `bench${runs++}`
  const others: BenchClient[] = []
  const perClient = 10
  for (let index = 0; index < subscriptions / perClient; index++) {
    const client = await BenchClient.open(broker.port, `${run}o${index}`)
    for (let filter = 0; filter < perClient; filter++)
      await client.subscribe(`${run}o/${index}/+/${filter}/#`, 0)
    others.push(client)
  }
  const shape = { publishers: 1, subscribers: 1, pairs: true, qos: 0, bytes: 64 } as const
  const figures = await measureThroughput(broker, shape, seconds)
  for (const client of others) client.close()
  return figures
}
