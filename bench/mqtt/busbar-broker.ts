import { createSystemClock } from '../../src/base/clock.ts'
import { createLog } from '../../src/base/log.ts'
import { Broker } from '../../src/mqtt/broker.ts'
import { listenMqtt } from '../../src/mqtt/listeners/tcp.ts'
import { createTestRealm } from '../../src/testing/mqtt-realm.ts'

/*
 * The broker by itself, in the open profile, without a store: what bench/mqtt/ measures beside other brokers.
 */

const port = Number(process.argv[2] ?? 0)
const clock = createSystemClock()
const broker = new Broker({ clock, log: createLog('warn') })
const realm = broker.addRealm(createTestRealm())
const listener = await listenMqtt({
  ...{ host: '127.0.0.1', port, broker, connections: 100_000, clock },
  realmOf: () => realm,
})
process.stdout.write(`${listener.url}\n`)
const stop = async () => {
  listener.stop()
  await broker.close()
  await listener.close(1_000)
}
process.once('SIGTERM', () => void stop())
process.once('SIGINT', () => void stop())
