import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, rootCertificates, type SecureContext } from 'node:tls'
import { createWebSocketStream, WebSocket } from 'ws'
import { createSystemClock } from '../../base/clock.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { Decoder } from '../../mqtt/packets/decoder.ts'
import { encode, encodeAck, encodePublish } from '../../mqtt/packets/encoder.ts'
import { Output } from '../../mqtt/packets/output.ts'
import {
  type ConnackPacket,
  noProperties,
  type Packet,
  type PacketOf,
  type ProtocolVersion,
  type PublishPacket,
  type RequestedSubscription,
} from '../../mqtt/packets/packet.ts'
import { reasonCodeName } from '../../mqtt/packets/reason-codes.ts'

/*
 * An MQTT client for the commands, on the broker's own codec: it connects, publishes with any QoS, subscribes, and
 * acknowledges what comes. It does not come back by itself when the connection is lost.
 */

export interface MqttClientOptions {
  /** mqtt://, mqtts://, ws:// or wss://, with host and port. */
  readonly url: string
  readonly protocolVersion: ProtocolVersion
  readonly clientId: string
  readonly keepAliveSeconds: number
  readonly userName?: string | undefined
  readonly password?: string | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Uint8Array | undefined
  /** PEM files of the client's certificate and key. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** PEM of an authority to trust beside the public ones. */
  readonly caFile?: string | undefined
  /** In the place of the files, for many clients that share one. */
  readonly secureContext?: SecureContext | undefined
  /** Its payload is good until the function returns. */
  readonly onMessage?: (packet: PublishPacket) => void
}

export interface MqttClient {
  readonly connack: ConnackPacket
  /** How many messages of QoS 1 and 2 the broker takes before it has acknowledged the first. */
  readonly receiveMaximum: number
  /** Resolves at once for QoS 0, else with the broker's acknowledgement; rejects when that refuses the message. */
  publish(message: Outgoing): Promise<void>
  /** Resolves with the QoS of each filter; rejects when one of them is refused. */
  subscribe(subscriptions: readonly RequestedSubscription[]): Promise<readonly number[]>
  /** Resolves when the socket takes more, at once if it does now; rejects when the connection ends. */
  writable(): Promise<void>
  /** Rejects when the connection ends, and never resolves. */
  readonly ended: Promise<never>
  /** Says DISCONNECT and closes. */
  close(): Promise<void>
}

export type Outgoing = Pick<PublishPacket, 'topicName' | 'payload' | 'qos' | 'retain'> &
  Partial<Pick<PublishPacket, 'properties'>>

const connectMs = 30_000
const largestPacketBytes = 0xfffffff
/** What is given to the socket although it has not taken what came before. */
const writeAheadBytes = 256 * 1024

interface Waiting {
  readonly resolve: (packet: Packet) => void
  readonly reject: (error: Error) => void
}

export async function connectMqtt(options: MqttClientOptions): Promise<MqttClient> {
  const { protocolVersion: version, url, onMessage } = options
  const stream = await openStream(options)
  const output = new Output()
  const waiting = new Map<number, Waiting>()
  const connected = Promise.withResolvers<ConnackPacket>()
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const clock = createSystemClock()
  let [packetId, scheduled, closing, isOver] = [0, false, false, false]
  let wake: (() => void) | undefined

  const end = (error: Error) => {
    if (isOver) return
    isOver = true
    connected.reject(error)
    ended.reject(error)
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    wake?.()
    stream.destroy()
  }
  const flush = () => {
    scheduled = false
    if (output.length > 0 && !stream.destroyed) stream.write(output.take())
  }
  /** What is said in one turn of the event loop goes out together. */
  const schedule = () => {
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }
  const say = (packet: Packet) => {
    encode(output, packet, version)
    schedule()
  }
  const acknowledge = (type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', id: number) => {
    encodeAck(output, type, version, id)
    schedule()
  }
  const settle = (packet: Packet & { readonly packetId: number }) => {
    const found = waiting.get(packet.packetId)
    waiting.delete(packet.packetId)
    found?.resolve(packet)
  }
  const decoder = new Decoder({
    from: 'server',
    protocolVersion: version,
    maxPacketBytes: largestPacketBytes,
    handler: {
      connack: (packet) => connected.resolve(packet),
      publish(packet) {
        onMessage?.(packet)
        if (packet.qos === 1) acknowledge('puback', packet.packetId)
        else if (packet.qos === 2) acknowledge('pubrec', packet.packetId)
      },
      puback: settle,
      pubrec(packet) {
        if (packet.reasonCode >= 0x80) settle(packet)
        else acknowledge('pubrel', packet.packetId)
      },
      pubrel: ({ packetId: id }) => acknowledge('pubcomp', id),
      pubcomp: settle,
      suback: settle,
      unsuback: settle,
      pingresp: () => {},
      disconnect: ({ reasonCode, properties }) =>
        end(
          new OperatorError(`The broker ended the connection: ${said(reasonCode, properties.reasonString)}`),
        ),
    },
  })
  stream.on('data', (chunk: Buffer) => {
    try {
      decoder.push(chunk)
    } catch (error) {
      end(new OperatorError(`${url} does not speak MQTT as it should: ${(error as Error).message}`, error))
    }
  })
  stream.on('drain', () => wake?.())
  stream.on('error', (error) => end(unreachable(url, error)))
  stream.on('close', () =>
    end(new OperatorError(closing ? 'The connection is closed.' : `${url} closed the connection.`)),
  )

  const late = clock.at(clock.now() + connectMs, () =>
    end(new OperatorError(`${url} did not answer CONNECT.`)),
  )
  say(connectPacketOf(options))
  const connack = await connected.promise.finally(() => late.cancel())
  if (connack.reasonCode !== 0) {
    stream.destroy()
    throw new OperatorError(`The broker refused the client: ${refusalOf(connack, version)}`)
  }
  const seconds = connack.properties.serverKeepAlive ?? options.keepAliveSeconds
  const ping = () => {
    if (isOver) return
    say({ type: 'pingreq' })
    clock.at(clock.now() + seconds * 1000, ping)
  }
  if (seconds > 0) clock.at(clock.now() + seconds * 1000, ping)

  /** One that nothing waits for; they are given out in turn. */
  const nextPacketId = () => {
    do packetId = (packetId % 65_535) + 1
    while (waiting.has(packetId))
    return packetId
  }
  const answered = (id: number) =>
    new Promise<Packet>((resolve, reject) => {
      waiting.set(id, { resolve, reject })
    })

  return {
    connack,
    receiveMaximum: connack.properties.receiveMaximum ?? 65_535,
    ended: ended.promise,
    async publish({ properties = noProperties, ...message }) {
      if (isOver) await ended.promise
      const id = message.qos === 0 ? 0 : nextPacketId()
      encodePublish(output, { type: 'publish', dup: false, packetId: id, properties, ...message }, version)
      schedule()
      if (id === 0) return
      const { reasonCode, properties: answer } = (await answered(id)) as PacketOf<'puback'>
      if (reasonCode >= 0x80)
        throw new OperatorError(
          `The broker refused a message to '${message.topicName}': ${said(reasonCode, answer.reasonString)}`,
        )
    },
    async subscribe(subscriptions) {
      if (isOver) await ended.promise
      const id = nextPacketId()
      say({ type: 'subscribe', packetId: id, subscriptions, properties: noProperties })
      const { reasonCodes } = (await answered(id)) as PacketOf<'suback'>
      const refused = reasonCodes.findIndex((code) => code >= 0x80)
      if (refused >= 0)
        throw new OperatorError(
          `The broker refused the filter '${subscriptions[refused]?.topicFilter}': ${said(reasonCodes[refused] ?? 0)}`,
        )
      return reasonCodes
    },
    async writable() {
      if (isOver) await ended.promise
      if (output.length + stream.writableLength < writeAheadBytes) return
      flush()
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      wake = undefined
      if (isOver) await ended.promise
    },
    async close() {
      if (isOver) return
      closing = true
      say({ type: 'disconnect', reasonCode: 0, properties: noProperties })
      flush()
      stream.end()
      await ended.promise.catch(() => {})
    },
  }
}

/** Connects, does it, and lets go of the connection, however it ends. */
export async function withMqtt(
  options: MqttClientOptions,
  act: (client: MqttClient) => Promise<void>,
): Promise<void> {
  const client = await connectMqtt(options)
  try {
    await act(client)
  } finally {
    await client.close()
  }
}

/** A stream of bytes to the broker, over whatever the URL says. */
async function openStream({
  url,
  certFile,
  keyFile,
  caFile,
  secureContext,
}: MqttClientOptions): Promise<Duplex> {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const isSecure = protocol === 'mqtts:' || protocol === 'wss:'
  const tls = isSecure && {
    ...(secureContext && { secureContext }),
    ...(caFile !== undefined && !secureContext && { ca: trusted(caFile) }),
    ...(certFile !== undefined && { cert: readFile(certFile) }),
    ...(keyFile !== undefined && { key: readFile(keyFile) }),
  }
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
  const fail = (error: Error) => reject(unreachable(url, error))
  if (protocol === 'ws:' || protocol === 'wss:') {
    const webSocket = new WebSocket(url, ['mqtt'], { perMessageDeflate: false, ...tls })
    webSocket.once('error', fail)
    webSocket.once('open', () => resolve(createWebSocketStream(webSocket)))
  } else {
    const to = { host, port: Number(port || (isSecure ? 8883 : 1883)), noDelay: true }
    const socket = tls
      ? connectTls({ ...to, ...tls, ...(!/^[\d.]+$|:/.test(host) && { servername: host }) })
      : connectTcp(to)
    socket.once('error', fail)
    socket.once(isSecure ? 'secureConnect' : 'connect', () => resolve(socket))
  }
  const stream = await promise
  stream.off('error', fail)
  return stream
}

function connectPacketOf(options: MqttClientOptions): PacketOf<'connect'> {
  const { authenticationMethod, authenticationData, password } = options
  return {
    type: 'connect',
    protocolVersion: options.protocolVersion,
    clientId: options.clientId,
    cleanStart: true,
    keepAliveSeconds: options.keepAliveSeconds,
    userName: options.userName,
    password: password === undefined ? undefined : Buffer.from(password),
    properties:
      authenticationMethod === undefined ? noProperties : { authenticationMethod, authenticationData },
  }
}

const said = (reasonCode: number, reasonString?: string) =>
  `${reasonString ?? reasonCodeName(reasonCode)} (0x${reasonCode.toString(16).padStart(2, '0')})`

const returnCodes = [
  '',
  'protocol version',
  'client identifier',
  'unavailable',
  'user name or password',
  'not authorized',
]

const refusalOf = ({ reasonCode, properties }: ConnackPacket, version: ProtocolVersion) =>
  version === 5 ? said(reasonCode, properties.reasonString) : `${returnCodes[reasonCode]} (${reasonCode})`

/** The public authorities, and that one. @param caFile PEM */
export const trusted = (caFile: string): string[] => [...rootCertificates, readFile(caFile)]

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new OperatorError(`${file} cannot be read: ${(error as Error).message}`, error)
  }
}

function unreachable(url: string, error: Error): OperatorError {
  const { message, code } = error as NodeJS.ErrnoException
  return new OperatorError(`${url} cannot be reached: ${message || code}.`, error)
}
