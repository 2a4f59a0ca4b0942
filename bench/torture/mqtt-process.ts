import { createSystemClock } from '../../src/base/clock.ts'
import { createLog } from '../../src/base/log.ts'
import { Broker } from '../../src/mqtt/broker.ts'
import { listenMqtt } from '../../src/mqtt/listeners/tcp.ts'
import { createTestRealm } from '../../src/testing/mqtt-realm.ts'

/*
 * The broker that is tortured, in a process of its own: everything that clients may leave behind is bounded low, so
 * that memory that grows is a leak; the realm of the tests would keep a list of who came. Says where it listens; for each line that it is sent, how much it holds.
 */

const clock = createSystemClock()
const broker = new Broker({ clock, log: createLog('error') })
const limits = {
  ...{ sessions: 2_000, retainedMessages: 200, subscriptionsPerSession: 100, sessionQueueMessages: 200 },
  ...{ traceClients: 100, traceEvents: 8, sessionExpirySeconds: 2 },
}
const realm = broker.addRealm(createTestRealm({ limits, connected: () => 0, disconnected: () => {} }))
const listener = await listenMqtt({
  ...{ host: '127.0.0.1', port: 0, broker, connections: 10_000, clock },
  realmOf: () => realm,
})
process.stdout.write(`${listener.port}\n`)
process.stdin.on('data', () => {
  globalThis.gc?.()
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  const { connections, sessions } = realm
  process.stdout.write(
    `${JSON.stringify({ rss, heapUsed, external, arrayBuffers, connections: connections.size, sessions: sessions.size })}\n`,
  )
})
process.stdin.on('end', () => process.exit(0))
