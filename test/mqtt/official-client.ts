import mqtt, { type IClientOptions, type IConnackPacket, type IPublishPacket, type MqttClient } from 'mqtt'
import { closeAfter, type Ending } from '../../src/testing/close-after.ts'
import { eventually } from '../../src/testing/test-server.ts'

/** A connection of the official JavaScript client, which remembers what it was sent. */
export interface OfficialClient {
  readonly client: MqttClient
  readonly connack: IConnackPacket
  /** Every message that came, oldest first. */
  readonly messages: readonly IPublishPacket[]
  /** The payloads, as text, once there are so many. */
  texts(count: number): Promise<string[]>
  /** Without a DISCONNECT packet. */
  cut(): Promise<void>
}

/** Connects once, and never again by itself. Rejects when it is refused. */
export async function connectOfficial(
  t: Ending,
  url: string,
  options: Partial<IClientOptions> = {},
): Promise<OfficialClient> {
  const client = mqtt.connect(url, {
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    protocolVersion: 5,
    ...options,
  })
  const messages: IPublishPacket[] = []
  client.on('message', (_topic, _payload, packet) => messages.push(packet))
  // A connection that ends is what some tests are about.
  client.on('error', () => {})
  closeAfter(t, async () => void client.end(true))
  const connack = await new Promise<IConnackPacket>((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
    client.once('close', () => reject(new Error('the connection was closed')))
  })
  return {
    client,
    connack,
    messages,
    async texts(count) {
      await eventually(() => messages.length >= count)
      return messages.map(({ payload }) => payload.toString())
    },
    async cut() {
      const closed = new Promise<void>((resolve) => client.once('close', resolve))
      client.stream.destroy()
      await closed
    },
  }
}

/** How a session that outlives its connection is asked for, in each version. */
export const persistent = {
  4: { protocolVersion: 4, clean: false },
  5: { protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 3600 } },
} as const
