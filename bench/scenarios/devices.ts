import { readFile } from 'node:fs/promises'
import { Histogram } from '../load/histogram.ts'
import { nowUs, pause, until } from '../load/monotonic.ts'
import { usageOf } from '../load/usage.ts'
import { BenchClient, publishTemplate } from '../mqtt/client.ts'
import type { Scope } from '../scope.ts'
import { startBusbar } from '../servers/busbar.ts'
import { benchHubHost, ServiceApi, sharedAccessSignature } from '../servers/iot-hub.ts'
import type { Figures, Scenario } from './scenario.ts'
import { manyAtATime } from './world.ts'

/** Of each device. */
const everyMs = 1_000
const payloadBytes = 128
const settleMs = 2_000
const drainWithinMs = 10_000
const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')

/** Devices of an IoT hub that are connected over TLS, each with a message a second. */
export const devices: Scenario = {
  name: 'devices',
  about:
    '5,000 devices over TLS, each sending a message a second to the built-in endpoint; memory of each connection',
  async prepare(scope, { quick, profileDirectory }) {
    const count = quick ? 500 : 5_000
    const seconds = quick ? 5 : 60
    return {
      measurements: [
        {
          name: `${count.toLocaleString('en')} devices`,
          run: () => scope.nested((inner) => withDevices(inner, count, { seconds, profileDirectory })),
        },
        {
          name: `${count.toLocaleString('en')} clients of a namespace`,
          run: () => scope.nested((inner) => withClients(inner, count)),
        },
      ],
      rounds: 1,
      notes: [
        `${payloadBytes} bytes at QoS 1, for ${seconds} s, the devices spread evenly over the second. Latency counts from when a`,
        'message was due to be sent until a reader of the built-in endpoint had it, over HTTP; answer: until its PUBACK. The',
        'generator shares the machine. Memory is what the idle connections added, of the hub and of a namespace beside it.',
      ],
    }
  },
}

interface Course {
  readonly seconds: number
  readonly profileDirectory: string | undefined
}

async function withDevices(
  scope: Scope,
  count: number,
  { seconds, profileDirectory }: Course,
): Promise<Figures> {
  const busbar = await startBusbar({
    dataDir: scope.temporaryDirectory(),
    ...(profileDirectory !== undefined && { profileDirectory }),
  })
  scope.defer(() => (profileDirectory === undefined ? busbar.kill() : busbar.stop()))
  await busbar.controlPlane.createTopic('first')
  const api = await ServiceApi.open(busbar.url, busbar.controlPlane)
  const ids = Array.from({ length: count }, (_, n) => `device-${n}`)
  for (let n = 0; n < count; n += 100) await api.create(ids.slice(n, n + 100), key)
  const ca = await readFile(busbar.caFile)
  const answers = new Histogram()
  const endToEnd = new Histogram()
  const sentAt = new Float64Array(count)
  let acknowledged = 0
  await pause(settleMs)
  const before = await usageOf(busbar.pid)
  const connectedUs = nowUs()
  const clients: BenchClient[] = []
  let next = 0
  await manyAtATime(async () => {
    for (let n = next++; n < count; n = next++) {
      const id = ids[n] as string
      clients[n] = await BenchClient.open(
        busbar.mqttsPort ?? 0,
        id,
        {
          acknowledged: () => {
            acknowledged++
            answers.add(nowUs() - (sentAt[n] as number))
          },
        },
        {
          ca,
          userName: `${benchHubHost}/${id}/?api-version=2021-04-12`,
          password: sharedAccessSignature(`${benchHubHost}/devices/${id}`, key),
        },
      )
    }
  })
  scope.defer(() => clients.forEach((client) => client.close()))
  const connectedS = (nowUs() - connectedUs) / 1e6
  await pause(settleMs)
  const idle = await usageOf(busbar.pid)

  const reader = await startReader(api, (payload) => endToEnd.add(nowUs() - payload.readDoubleLE(0)))
  scope.defer(() => reader.stop())
  const templates = ids.map((id) => publishTemplate(`devices/${id}/messages/events/`, 1, payloadBytes))
  const total = count * seconds
  const startUs = nowUs()
  let sent = 0
  while (sent < total) {
    const due = Math.min(total, Math.floor(((nowUs() - startUs) * count) / (everyMs * 1000)))
    for (; sent < due; sent++) {
      const n = sent % count
      // When it was due, so that a late generator does not flatter the server.
      const dueUs = startUs + (sent * everyMs * 1000) / count
      sentAt[n] = dueUs
      clients[n]?.publish(templates[n] as (typeof templates)[number], 1, (bytes, at) =>
        bytes.writeDoubleLE(dueUs, at),
      )
    }
    await pause(1)
  }
  await until(() => acknowledged >= total && reader.received >= total, drainWithinMs)
  const after = await usageOf(busbar.pid)
  reader.stop()
  return {
    'connects/s': count / connectedS,
    'KiB each': idle && before && ((idle.rssMiB - before.rssMiB) * 1024) / count,
    'sent/s': total / ((nowUs() - startUs) / 1e6),
    'p50 ms': endToEnd.quantileUs(0.5) / 1000,
    'p99 ms': endToEnd.quantileUs(0.99) / 1000,
    'answer p50 ms': answers.quantileUs(0.5) / 1000,
    'answer p99 ms': answers.quantileUs(0.99) / 1000,
    'cpu us/message': after && idle && ((after.cpuS - idle.cpuS) * 1e6) / total,
    'not acknowledged': total - acknowledged,
    lost: total - reader.received,
    'rss MiB': after?.rssMiB,
  }
}

interface Reader {
  readonly received: number
  stop(): void
}

interface EventsPage {
  readonly value: readonly { readonly body: string }[]
  readonly continuation: string
}

/** Reads whatever comes from now on, one request after the other. */
async function startReader(api: ServiceApi, onPayload: (payload: Buffer) => void): Promise<Reader> {
  const first = (await api.get('/messages/events', { max: '1' })) as EventsPage
  let received = 0
  const stopping = new AbortController()
  const read = async () => {
    for (let { continuation } = first; !stopping.signal.aborted; ) {
      const page = (await api.get('/messages/events', { continuation, max: '1000', wait: '2' })) as EventsPage
      for (const { body } of page.value) onPayload(Buffer.from(body, 'base64'))
      received += page.value.length
      continuation = page.continuation
    }
  }
  read().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error
  })
  return {
    get received() {
      return received
    },
    stop: () => stopping.abort(),
  }
}

/** As many clients of a namespace, over TLS too, for what they take. */
async function withClients(scope: Scope, count: number): Promise<Figures> {
  const busbar = await startBusbar({ dataDir: scope.temporaryDirectory(), flags: ['--mqtt-anonymous'] })
  scope.defer(() => busbar.kill())
  const ca = await readFile(busbar.caFile)
  await pause(settleMs)
  const before = await usageOf(busbar.pid)
  const connectedUs = nowUs()
  const clients: BenchClient[] = []
  let next = 0
  await manyAtATime(async () => {
    for (let n = next++; n < count; n = next++)
      clients.push(await BenchClient.open(busbar.mqttsPort ?? 0, `client-${n}`, {}, { ca }))
  })
  scope.defer(() => clients.forEach((client) => client.close()))
  const connectedS = (nowUs() - connectedUs) / 1e6
  await pause(settleMs)
  const idle = await usageOf(busbar.pid)
  return {
    'connects/s': count / connectedS,
    'KiB each': idle && before && ((idle.rssMiB - before.rssMiB) * 1024) / count,
  }
}
