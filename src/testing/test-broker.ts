import type { TestContext } from 'node:test'
import { type Clock, createSystemClock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { Broker, type BrokerObserver } from '../mqtt/broker.ts'
import type { BrokerRealm } from '../mqtt/broker-realm.ts'
import { listenMqtt, type MqttListener, type MqttListenOptions } from '../mqtt/listeners/tcp.ts'
import { createTestRealm, type TestRealm, type TestRealmOptions } from './mqtt-realm.ts'

export interface TestBroker {
  readonly broker: Broker
  readonly realm: TestRealm
  readonly brokerRealm: BrokerRealm
  readonly listener: MqttListener
  readonly port: number
  readonly url: string
}

export interface TestBrokerOptions {
  readonly realm?: TestRealmOptions
  readonly clock?: Clock
  readonly observer?: BrokerObserver
  readonly listen?: Partial<MqttListenOptions>
}

/** A broker with one realm on a free port, closed when the test ends. */
export async function startTestBroker(t: TestContext, options: TestBrokerOptions = {}): Promise<TestBroker> {
  const { clock = createSystemClock(), observer } = options
  const broker = new Broker({ clock, log: createLog('silent'), ...(observer && { observer }) })
  const realm = createTestRealm(options.realm)
  const brokerRealm = broker.addRealm(realm)
  const listener = await listenMqtt({
    ...{ host: '127.0.0.1', port: 0, broker, connections: 20_000, clock: createSystemClock() },
    realmOf: () => brokerRealm,
    ...options.listen,
  })
  t.after(async () => {
    listener.stop()
    await broker.close()
    await listener.close(0)
  })
  return { broker, realm, brokerRealm, listener, port: listener.port, url: listener.url }
}
