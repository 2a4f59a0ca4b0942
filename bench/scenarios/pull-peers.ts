import { createRun } from '../load/event-id.ts'
import { pause } from '../load/monotonic.ts'
import { usageOf } from '../load/usage.ts'
import { type Nats, natsSubject } from '../servers/nats.ts'
import { NatsPuller } from '../servers/nats-pull.ts'
import {
  acknowledgeCommand,
  idsOf,
  publishCommand,
  type Redis,
  RedisClient,
  receiveCommand,
} from '../servers/redis.ts'
import type { Figures, Settings } from './scenario.ts'

export interface PeerLoad {
  readonly publishers: number
  readonly batch: number
  readonly receivers: number
}

const eventBytes = 1024
/** Published and not yet acknowledged: beyond it publishers pause. */
const mostUnderWay = 20_000

/** JetStream, file storage, explicit acknowledgements. */
export async function natsFlow(nats: Nats, load: PeerLoad, settings: Settings): Promise<Figures> {
  const { publishers, batch, receivers } = load
  const payload = Buffer.alloc(eventBytes, createRun())
  const pullers = await Promise.all(
    Array.from({ length: receivers }, () => NatsPuller.start(nats.port, batch)),
  )
  const acknowledged = () => pullers.reduce((sum, puller) => sum + puller.acknowledged, 0)
  const connections = await Promise.all(Array.from({ length: publishers }, () => nats.connect()))
  let published = 0
  let isStopped = false
  for (const connection of connections) {
    const bytes = Buffer.concat(Array<Buffer>(batch).fill(connection.encode(natsSubject, payload)))
    let missing = batch
    const next = () => {
      if (isStopped) return
      if (published - acknowledged() > mostUnderWay) setTimeout(next, 1)
      else connection.write(bytes)
    }
    connection.onAnswer = (body) => {
      if (body.includes('"error"')) throw new Error(`nats-server refused an event: ${body.toString()}`)
      published++
      if (--missing > 0) return
      missing = batch
      next()
    }
    next()
  }
  const figures = await measure(nats.pid, acknowledged, settings)
  isStopped = true
  for (const closing of [...connections, ...pullers]) closing.close()
  return figures
}

/** Streams with a group of consumers, `appendfsync always`. */
export async function redisFlow(redis: Redis, load: PeerLoad, settings: Settings): Promise<Figures> {
  const { publishers, batch, receivers } = load
  const payload = Buffer.alloc(eventBytes, createRun())
  const clients = await Promise.all(
    Array.from({ length: publishers + receivers }, () => RedisClient.open(redis.port)),
  )
  let published = 0
  let acknowledged = 0
  const state = { isStopped: false }
  const publish = async (client: RedisClient) => {
    const commands = Array.from({ length: batch }, () => publishCommand(payload))
    while (!state.isStopped) {
      if (published - acknowledged > mostUnderWay) await pause(1)
      else {
        await client.sendAll(commands)
        published += batch
      }
    }
  }
  const receive = async (client: RedisClient, name: string) => {
    while (!state.isStopped) {
      const ids = idsOf(await client.send(receiveCommand(name, batch)))
      if (ids.length === 0) continue
      await client.send(acknowledgeCommand(ids))
      acknowledged += ids.length
    }
  }
  for (const [n, client] of clients.entries())
    void (n < publishers ? publish(client) : receive(client, `receiver-${n}`))
  const figures = await measure(redis.pid, () => acknowledged, settings)
  state.isStopped = true
  for (const client of clients) client.close()
  return figures
}

async function measure(
  pid: number,
  acknowledged: () => number,
  { warmUpMs, measuredMs }: Settings,
): Promise<Figures> {
  await pause(warmUpMs)
  const [before, count, startedAt] = [await usageOf(pid), acknowledged(), performance.now()]
  await pause(measuredMs)
  const tookS = (performance.now() - startedAt) / 1000
  const [after, events] = [await usageOf(pid), acknowledged() - count]
  return {
    'events/s': events / tookS,
    'cpu us/event': before && after && ((after.cpuS - before.cpuS) * 1e6) / Math.max(1, events),
  }
}
