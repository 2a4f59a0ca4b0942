import type { SecureContext } from 'node:tls'
import { createSystemClock } from '../../base/clock.ts'
import { stayAlive } from '../../base/later.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { createLatencies } from '../mqtt/latencies.ts'
import { connectMqtt, type MqttClient } from '../mqtt/mqtt-client.ts'
import type { BodyValues } from './body-template.ts'
import { mqttOptions } from './send.ts'
import { inParallel } from './simulated-devices.ts'

/*
 * Simulated devices in one process: each has a connection of its own over MQTT with TLS, comes back when that is lost,
 * and sends in its turn, so that messages are spread evenly over time.
 */

export interface FleetOptions {
  readonly url: string
  readonly secureContext: SecureContext
  readonly hostName: string
  /** Tokens by device. */
  readonly tokens: ReadonlyMap<string, string>
  readonly body: (values: BodyValues) => Buffer
  /** Behind the last slash of their topics. */
  readonly bag: string
  readonly everyMs: number
  readonly forMs: number
}

export interface FleetReport {
  readonly connected: number
  readonly seconds: number
  readonly sent: number
  readonly sentPerSecond: number
  readonly acknowledged: number
  /** Messages that were due and not sent, or sent and not acknowledged. */
  readonly failed: number
  readonly connectionsLost: number
  readonly latencyP50Ms?: number
  readonly latencyP95Ms?: number
  readonly latencyP99Ms?: number
  readonly latencyMaxMs?: number
  /** Why connections and messages failed, with how many. */
  readonly failures: Readonly<Record<string, number>>
}

interface Device {
  readonly id: string
  readonly token: string
  client: MqttClient | undefined
  underWay: number
  messages: number
}

/** Connections that are being made at a time. */
const connectingMost = 50
/** Messages that one device has sent before the first is acknowledged. */
const underWayMost = 100
const firstPauseMs = 1_000
const longestPauseMs = 30_000
/** For the last acknowledgements. */
const settleMs = 10_000
/** Messages between two looks at the sockets. */
const batch = 50
const reasonsMost = 20

/**
 * Connects all, sends for the time, and lets go of every connection. Ends early, with its report, when `signal` aborts.
 * Rejects where no device connects at all.
 *
 * @param onConnected called once, when every device has connected or failed to
 */
export async function runFleet(
  options: FleetOptions,
  signal: AbortSignal,
  onConnected: (count: number) => void,
): Promise<FleetReport> {
  const { url, secureContext, hostName, tokens, body, bag, everyMs, forMs } = options
  const clock = createSystemClock()
  const latencies = createLatencies()
  const failures = new Map<string, number>()
  const counts = { sent: 0, acknowledged: 0, failed: 0, lost: 0 }
  const devices = [...tokens].map(
    ([id, token]): Device => ({ id, token, client: undefined, underWay: 0, messages: 0 }),
  )
  const over = new AbortController()
  const isOver = () => over.signal.aborted
  signal.addEventListener('abort', () => over.abort(), { once: true })
  if (signal.aborted) over.abort()

  const failedBecause = (reason: string) => {
    const known = failures.has(reason) || failures.size < reasonsMost ? reason : 'other reasons'
    failures.set(known, (failures.get(known) ?? 0) + 1)
  }
  const comingBack = new Set<Promise<void>>()

  /** Whether it is connected now. */
  const connect = async (device: Device): Promise<boolean> => {
    if (isOver()) return false
    try {
      const client = await connectMqtt({
        ...mqttOptions(hostName, device.id, device.token),
        url,
        secureContext,
      })
      device.client = client
      client.ended.catch((error: unknown) => {
        device.client = undefined
        if (isOver()) return
        counts.lost++
        failedBecause(messageOf(error))
        comeBack(device)
      })
      return true
    } catch (error) {
      failedBecause(messageOf(error))
      return false
    }
  }
  /** Waits longer each time, until it is connected or all is over. */
  const comeBack = (device: Device) => {
    const trying = (async () => {
      for (let waitMs = firstPauseMs; !isOver(); waitMs = Math.min(waitMs * 2, longestPauseMs)) {
        await rest(waitMs, over.signal)
        if (await connect(device)) return
      }
    })().finally(() => comingBack.delete(trying))
    comingBack.add(trying)
  }

  let settled: (() => void) | undefined
  let underWay = 0
  const send = (device: Device) => {
    const { client } = device
    const why =
      client === undefined
        ? 'not connected'
        : device.underWay >= underWayMost
          ? 'too many unacknowledged'
          : undefined
    if (client === undefined || why !== undefined) {
      counts.failed++
      failedBecause(`not sent: ${why}`)
      return
    }
    const payload = body({ device: device.id, n: ++device.messages, now: clock.now() })
    const sentAt = performance.now()
    counts.sent++
    device.underWay++
    underWay++
    client
      .publish({ topicName: `devices/${device.id}/messages/events/${bag}`, payload, qos: 1, retain: false })
      .then(
        () => {
          counts.acknowledged++
          latencies.add(performance.now() - sentAt)
        },
        (error: unknown) => {
          counts.failed++
          failedBecause(messageOf(error))
        },
      )
      .finally(() => {
        device.underWay--
        if (--underWay === 0) settled?.()
      })
  }

  await inParallel(devices, connectingMost, async (device) => {
    if (!(await connect(device))) comeBack(device)
  })
  const connected = devices.filter(({ client }) => client !== undefined).length
  onConnected(connected)
  if (connected === 0 && !isOver()) {
    over.abort()
    await Promise.all(comingBack)
    throw new OperatorError(`None of the devices could connect: ${[...failures.keys()].join('; ')}`)
  }
  const start = performance.now()
  const gapMs = everyMs / devices.length
  for (let n = 0; !isOver(); n++) {
    const dueMs = n * gapMs
    if (dueMs >= forMs) break
    const aheadMs = start + dueMs - performance.now()
    if (aheadMs >= 1) await rest(aheadMs, over.signal)
    // Answers are read between two turns.
    else if (n % batch === 0) await new Promise((resolve) => setImmediate(resolve))
    if (!isOver()) send(devices[n % devices.length] as Device)
  }
  const seconds = (performance.now() - start) / 1000
  over.abort()
  if (underWay > 0) {
    const late = new AbortController()
    settled = () => late.abort()
    await rest(settleMs, late.signal)
  }
  const unanswered = underWay
  if (unanswered > 0) failures.set('not acknowledged at the end', unanswered)
  const report = {
    ...{
      connected,
      seconds,
      sent: counts.sent,
      sentPerSecond: Math.round(counts.sent / Math.max(seconds, 0.001)),
    },
    ...{
      acknowledged: counts.acknowledged,
      failed: counts.failed + unanswered,
      connectionsLost: counts.lost,
    },
    ...latencies.summary(),
    failures: Object.fromEntries(failures),
  }
  await Promise.all(comingBack)
  await inParallel(devices, connectingMost, async ({ client }) => client?.close())
  return report
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** Resolves after the time, or when `signal` aborts. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const clock = createSystemClock()
  const alive = stayAlive()
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = () => resolve()
  const timer = clock.at(clock.now() + ms, wake)
  signal.addEventListener('abort', wake, { once: true })
  await promise
  timer.cancel()
  signal.removeEventListener('abort', wake)
  alive.cancel()
}
