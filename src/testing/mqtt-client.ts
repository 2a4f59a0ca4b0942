import assert from 'node:assert/strict'
import { connect as connectSocket, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Decoder } from '../mqtt/packets/decoder.ts'
import { encode } from '../mqtt/packets/encoder.ts'
import { Output } from '../mqtt/packets/output.ts'
import {
  type ConnackPacket,
  type ConnectPacket,
  noProperties,
  type Packet,
  type PacketOf,
  type PacketType,
  type ProtocolVersion,
  type PublishPacket,
  type RequestedSubscription,
} from '../mqtt/packets/packet.ts'
import { everyPacket } from './mqtt-packets.ts'

/** Longer than anything takes that happens at all. */
const patienceMs = 10_000

/**
 * An MQTT client that does nothing by itself: a test says every packet that it sends, whether it is allowed or not, and
 * sees every packet that comes.
 */
export class RawClient {
  readonly version: ProtocolVersion
  readonly socket: Socket
  /** What the server sent and the test has not asked for yet. */
  readonly #received: Packet[] = []
  #wake: (() => void) | undefined
  #ended = false
  #fault: unknown

  constructor(socket: Socket, version: ProtocolVersion) {
    this.socket = socket
    this.version = version
    const decoder = new Decoder({
      from: 'server',
      protocolVersion: version,
      maxPacketBytes: 0xfffffff,
      handler: everyPacket((packet) => {
        this.#received.push(packet)
        this.#wake?.()
      }),
    })
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk)
      } catch (error) {
        this.#fault = error
        socket.destroy()
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = true
      this.#wake?.()
    })
  }

  send(...packets: readonly (Packet | Uint8Array)[]): void {
    const output = new Output()
    for (const packet of packets) {
      if (packet instanceof Uint8Array) output.write(packet)
      else encode(output, packet, this.version)
    }
    this.socket.write(output.take())
  }

  /** The next packet, which is of this type. */
  async next<T extends PacketType>(type: T): Promise<PacketOf<T>> {
    const packet = await this.#next()
    assert.ok(packet, `${type} was expected, and the connection was closed`)
    assert.equal(packet.type, type, JSON.stringify(packet))
    return packet as PacketOf<T>
  }

  /**
   * Every packet that the server had to send, up to its answers to two pings: it may answer one before the messages of
   * the same turn.
   */
  async drain(): Promise<readonly Packet[]> {
    const before: Packet[] = []
    for (let pings = 0; pings < 2; pings++) {
      this.send({ type: 'pingreq' })
      for (let packet = await this.#next(); packet?.type !== 'pingresp'; packet = await this.#next()) {
        if (!packet)
          assert.fail(`PINGRESP was expected after ${JSON.stringify(before)}, and the connection was closed`)
        before.push(packet)
      }
    }
    return before
  }

  /** The messages among what `drain` gives. */
  async messages(): Promise<readonly PublishPacket[]> {
    const packets = await this.drain()
    return packets.filter((packet) => packet.type === 'publish')
  }

  /** What the server sends until it closes the connection. */
  async rest(): Promise<readonly Packet[]> {
    const rest: Packet[] = []
    for (let packet = await this.#next(); packet; packet = await this.#next()) rest.push(packet)
    return rest
  }

  /** The server says why in 5.0, says nothing in 3.1.1, and closes the connection. */
  async refused(reasonCode: number): Promise<void> {
    const rest = await this.rest()
    const said = rest.map((packet) =>
      'reasonCode' in packet ? [packet.type, packet.reasonCode] : [packet.type],
    )
    assert.deepEqual(said, this.version === 5 ? [['disconnect', reasonCode]] : [])
  }

  async subscribe(
    topicFilter: string,
    options: Partial<RequestedSubscription> = {},
    properties: PacketOf<'subscribe'>['properties'] = noProperties,
  ): Promise<number> {
    const subscription = { ...subscribed, topicFilter, ...options }
    this.send({ type: 'subscribe', packetId: 1000, subscriptions: [subscription], properties })
    const { packetId, reasonCodes } = await this.next('suback')
    assert.equal(packetId, 1000)
    assert.equal(reasonCodes.length, 1)
    return reasonCodes[0] as number
  }

  /** Sends a message and goes through its whole exchange; says the reason code. It has been taken then. */
  async publish(topicName: string, payload = '', rest: Partial<PublishPacket> = {}): Promise<number> {
    const packet = message(topicName, payload, rest)
    this.send(packet)
    if (packet.qos === 0) {
      // No answer comes: one to a ping says that the message has been taken.
      this.#received.unshift(...(await this.drain()))
      return 0
    }
    if (packet.qos === 1) return (await this.next('puback')).reasonCode
    const { reasonCode } = await this.next('pubrec')
    if (reasonCode >= 0x80) return reasonCode
    this.send(acknowledge('pubrel', packet.packetId))
    return (await this.next('pubcomp')).reasonCode
  }

  /** DISCONNECT, and the end of the connection. */
  async leave(
    properties: PacketOf<'disconnect'>['properties'] = noProperties,
    reasonCode = 0,
  ): Promise<void> {
    this.send({ type: 'disconnect', reasonCode, properties })
    await this.rest()
  }

  /** The connection is gone without a word; resolves when the socket is closed. */
  async vanish(): Promise<void> {
    this.socket.resetAndDestroy()
    await this.rest()
  }

  async #next(): Promise<Packet | undefined> {
    if (this.#received.length === 0 && !this.#ended) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const late = setTimeout(() => reject(new Error('the server sent nothing more')), patienceMs)
      this.#wake = resolve
      try {
        await promise
      } finally {
        clearTimeout(late)
        this.#wake = undefined
      }
    }
    if (this.#fault !== undefined) throw new Error('the server broke the standard', { cause: this.#fault })
    return this.#received.shift()
  }
}

const subscribed = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const

/** A PUBLISH with packet id 1 where it has one. */
export function message(topicName: string, payload = '', rest: Partial<PublishPacket> = {}): PublishPacket {
  return {
    ...{ type: 'publish', dup: false, qos: 0, retain: false, topicName },
    packetId: (rest.qos ?? 0) === 0 ? 0 : 1,
    properties: noProperties,
    payload: Buffer.from(payload),
    ...rest,
  }
}

export function acknowledge(
  type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
  packetId: number,
  reasonCode = 0,
): Packet {
  return { type, packetId, reasonCode, properties: noProperties }
}

export type ConnectFields = Partial<Omit<ConnectPacket, 'type' | 'protocolVersion'>>

export function connectPacket(version: ProtocolVersion, fields: ConnectFields = {}): ConnectPacket {
  return {
    ...{ type: 'connect', protocolVersion: version, clientId: '', cleanStart: true, keepAliveSeconds: 0 },
    properties: noProperties,
    ...fields,
  }
}

/** A socket to the broker, closed when the test ends; nothing has been sent. */
export async function openRaw(t: TestContext, port: number, version: ProtocolVersion): Promise<RawClient> {
  const socket = connectSocket({ host: '127.0.0.1', port, noDelay: true })
  t.after(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return new RawClient(socket, version)
}

/** A client that was let in. */
export async function connectRaw(
  t: TestContext,
  port: number,
  version: ProtocolVersion,
  fields: ConnectFields = {},
): Promise<RawClient> {
  const { client, connack } = await knock(t, port, version, fields)
  assert.equal(connack.reasonCode, 0)
  return client
}

/** A client that asked to be let in, and the answer. */
export async function knock(
  t: TestContext,
  port: number,
  version: ProtocolVersion,
  fields: ConnectFields = {},
): Promise<{ readonly client: RawClient; readonly connack: ConnackPacket }> {
  const client = await openRaw(t, port, version)
  client.send(connectPacket(version, fields))
  return { client, connack: await client.next('connack') }
}
