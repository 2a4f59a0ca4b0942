import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Decoder } from '../../src/mqtt/packets/decoder.ts'
import { encode } from '../../src/mqtt/packets/encoder.ts'
import { Output } from '../../src/mqtt/packets/output.ts'
import { noProperties, type Packet } from '../../src/mqtt/packets/packet.ts'

/*
 * A client that costs the generator little: PUBLISH packets are encoded once and patched, what comes is counted where
 * it lies, and everything of a turn is one write.
 */

export interface ClientEvents {
  /** A message came; `at` is where its payload begins. */
  readonly message?: (bytes: Buffer, at: number) => void
  /** One of the client's own messages was acknowledged. */
  readonly acknowledged?: () => void
}

export interface Credentials {
  /** Makes it a TLS connection. */
  readonly ca?: Buffer
  readonly userName?: string
  readonly password?: string
}

export class BenchClient {
  readonly #socket: Socket
  readonly #events: ClientEvents
  #rest: Buffer = Buffer.alloc(0)
  #answers: Buffer[] = []
  #packetId = 0
  #control: ((packet: Packet) => void) | undefined

  private constructor(socket: Socket, events: ClientEvents) {
    this.#socket = socket
    this.#events = events
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('error', () => {})
  }

  /** Resolves with the client once CONNACK has come. */
  static async open(
    port: number,
    clientId: string,
    events: ClientEvents = {},
    { ca, userName, password }: Credentials = {},
  ): Promise<BenchClient> {
    const address = { host: '127.0.0.1', port }
    const socket =
      ca === undefined
        ? connect({ ...address, noDelay: true })
        : connectTls({ ...address, ca, servername: 'localhost' }).setNoDelay(true)
    const client = new BenchClient(socket, events)
    const answered = client.#answer()
    client.#send({
      ...{ type: 'connect', protocolVersion: 4, clientId, cleanStart: true, keepAliveSeconds: 0 },
      properties: noProperties,
      ...(userName !== undefined && { userName }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    })
    await answered
    return client
  }

  async subscribe(topicFilter: string, qos: 0 | 1 | 2): Promise<void> {
    const answered = this.#answer()
    const subscription = {
      topicFilter,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const
    this.#send({ type: 'subscribe', packetId: 1, subscriptions: [subscription], properties: noProperties })
    await answered
  }

  /** Sends `count` messages in one write. `template` is a whole PUBLISH; `stamp` writes into each payload. */
  publish(template: PublishTemplate, count: number, stamp: (bytes: Buffer, at: number) => void): void {
    const { bytes, packetIdAt, payloadAt } = template
    const several = Buffer.allocUnsafe(bytes.length * count)
    for (let index = 0; index < count; index++) {
      const at = index * bytes.length
      several.set(bytes, at)
      if (packetIdAt > 0) {
        this.#packetId = (this.#packetId % 65_535) + 1
        several.writeUInt16BE(this.#packetId, at + packetIdAt)
      }
      stamp(several, at + payloadAt)
    }
    this.#socket.write(several)
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(packet: Packet): void {
    const output = new Output()
    encode(output, packet, 4)
    this.#socket.write(output.take())
  }

  #answer(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onClose = () => reject(new Error('the broker closed the connection'))
    this.#socket.once('close', onClose)
    this.#control = (packet) => {
      if (packet.type === 'connack' && packet.reasonCode !== 0)
        reject(new Error(`the broker answered CONNACK ${packet.reasonCode}`))
      this.#socket.off('close', onClose)
      resolve()
    }
    return promise
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    let at = 0
    for (;;) {
      const bodyAt = bodyOf(bytes, at)
      if (bodyAt === 0) break
      const end = bodyAt + remaining
      if (end > bytes.length) break
      this.#packet(bytes, at, bodyAt, end)
      at = end
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0)
    if (this.#answers.length === 0) return
    this.#socket.write(Buffer.concat(this.#answers))
    this.#answers = []
  }

  #packet(bytes: Buffer, at: number, bodyAt: number, end: number): void {
    const header = bytes[at] as number
    switch (header >> 4) {
      case 3: {
        const qos = (header >> 1) & 3
        let payloadAt = bodyAt + 2 + bytes.readUInt16BE(bodyAt)
        if (qos > 0) {
          this.#answers.push(
            Buffer.of(qos === 1 ? 0x40 : 0x50, 2, bytes[payloadAt] as number, bytes[payloadAt + 1] as number),
          )
          payloadAt += 2
        }
        this.#events.message?.(bytes, payloadAt)
        return
      }
      case 4:
      case 7:
        this.#events.acknowledged?.()
        return
      case 5:
      case 6:
        this.#answers.push(
          Buffer.of(header >> 4 === 5 ? 0x62 : 0x70, 2, bytes[bodyAt] as number, bytes[bodyAt + 1] as number),
        )
        return
      default:
        this.#other(bytes.subarray(at, end))
    }
  }

  #other(bytes: Buffer): void {
    const handler = {
      connack: (packet: Packet) => this.#control?.(packet),
      suback: (packet: Packet) => this.#control?.(packet),
    }
    new Decoder({ from: 'server', protocolVersion: 4, maxPacketBytes: 0xfffffff, handler }).push(bytes)
  }
}

export interface PublishTemplate {
  readonly bytes: Buffer
  /** -1 at QoS 0. */
  readonly packetIdAt: number
  readonly payloadAt: number
}

export function publishTemplate(topicName: string, qos: 0 | 1 | 2, payloadBytes: number): PublishTemplate {
  const output = new Output()
  const payload = Buffer.alloc(payloadBytes, 'x')
  encode(
    output,
    {
      type: 'publish',
      dup: false,
      qos,
      retain: false,
      topicName,
      packetId: qos === 0 ? 0 : 1,
      properties: noProperties,
      payload,
    },
    4,
  )
  const bytes = output.take()
  const payloadAt = bytes.length - payloadBytes
  return { bytes, payloadAt, packetIdAt: qos === 0 ? -1 : payloadAt - 2 }
}

let remaining = 0

/** Where the body of the packet at `at` begins, its length in `remaining`; 0: the header has not all come. */
function bodyOf(bytes: Buffer, at: number): number {
  remaining = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[at + 1 + index]
    if (byte === undefined) return 0
    remaining |= (byte & 0x7f) << (7 * index)
    if (byte < 0x80) return at + 2 + index
  }
  return 0
}
