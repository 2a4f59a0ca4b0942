import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { Decoder } from '../../src/mqtt/packets/decoder.ts'
import { encode } from '../../src/mqtt/packets/encoder.ts'
import { packets } from '../../src/mqtt/packets/index.ts'
import { MalformedPacket } from '../../src/mqtt/packets/malformed-packet.ts'
import { Output } from '../../src/mqtt/packets/output.ts'
import {
  noProperties,
  type Packet,
  type PacketType,
  type ProtocolVersion,
} from '../../src/mqtt/packets/packet.ts'
import { createRandom } from '../../src/testing/random.ts'
import { createCorpus, mutate } from './mqtt-mutations.ts'

export interface BrokerFuzz {
  readonly port: number
  /** How many mutated packets, all clients together. */
  readonly packets: number
  readonly seed: number
  /** Open at a time. */
  readonly connections: number
  /** Called every now and then with how many packets have been sent. */
  readonly progress?: (sent: number) => void
}

export interface BrokerFuzzResult {
  readonly sent: number
  readonly connections: number
  /** Of the bystander's messages to itself, each of which came back. */
  readonly heard: number
}

type Random = ReturnType<typeof createRandom>

/** Longer than a broker needs that is not stuck. */
const patienceMs = 30_000

/**
 * Clients that speak a broken MQTT, over sockets: each connects as it should, or nearly, sends mutated packets until
 * the broker has enough of it, and comes again. Meanwhile a bystander must hear all that it says to itself. Throws when
 * a connection gets no answer and no end, when the broker sends what is no MQTT, or when the bystander is disturbed.
 */
export async function fuzzBroker(fuzz: BrokerFuzz): Promise<BrokerFuzzResult> {
  const random = createRandom(fuzz.seed)
  const corpora = { 4: createCorpus(random, 'client', 4, 1500), 5: createCorpus(random, 'client', 5, 1500) }
  let [sent, connections, done] = [0, 0, false]
  const bystander = listenToItself(fuzz.port, () => done)
  const client = async (seed: number) => {
    const own = createRandom(seed)
    while (sent < fuzz.packets) {
      const version = own.chance(0.5) ? 4 : 5
      const burst = createBurst(own, version, corpora[version])
      sent += burst.count
      connections++
      await speak(fuzz.port, version, burst, own)
      if (connections % 1000 === 0) fuzz.progress?.(sent)
    }
  }
  const clients = Array.from({ length: fuzz.connections }, (_, index) => client(fuzz.seed * 1000 + index))
  await Promise.all(clients).finally(() => {
    done = true
  })
  return { sent, connections, heard: await bystander }
}

interface Burst {
  readonly count: number
  readonly chunks: readonly Buffer[]
  /** It ends within a packet, which swallows what follows. */
  readonly isUnfinished: boolean
}

/** A CONNECT, packets most of which are understood although they are mutated, cut anywhere. */
function createBurst(random: Random, version: ProtocolVersion, corpus: readonly Buffer[]): Burst {
  const parts: Buffer[] = []
  let count = 0
  if (random.chance(0.95)) parts.push(connectOf(random, version))
  for (let left = 1 + random.below(50); left > 0; ) {
    const bytes = mutate(corpus[random.below(corpus.length)] as Buffer, corpus, random)
    const isLast = fateOf(bytes, version) !== 'understood' || endsItself(bytes)
    // Most of those that end the connection come last.
    if (isLast && left > 1 && random.chance(0.95)) continue
    parts.push(bytes)
    count++
    left--
  }
  const whole = Buffer.concat(parts)
  const chunks: Buffer[] = []
  for (let at = 0; at < whole.length; ) {
    const end = random.chance(0.7) ? whole.length : at + 1 + random.below(whole.length)
    chunks.push(whole.subarray(at, end))
    at = end
  }
  return { count, chunks, isUnfinished: fateOf(whole, undefined) === 'unfinished' }
}

function connectOf(random: Random, version: ProtocolVersion): Buffer {
  const output = new Output()
  const clientId = random.chance(0.5) ? `fuzz-${random.below(200)}` : ''
  const cleanStart = clientId === '' || random.chance(0.5)
  const properties =
    version === 5
      ? { sessionExpiryInterval: random.below(3), receiveMaximum: 1 + random.below(20) }
      : noProperties
  const packet: Packet = {
    type: 'connect',
    protocolVersion: version,
    clientId,
    cleanStart,
    keepAliveSeconds: 30,
    properties,
  }
  encode(output, packet, version)
  return output.take()
}

/** DISCONNECT and AUTH, which is for those who began with it. */
const endsItself = (bytes: Buffer) => (bytes[0] ?? 0) >= 0xe0

/** @param version undefined when a CONNECT comes first */
function fateOf(
  bytes: Buffer,
  version: ProtocolVersion | undefined,
): 'understood' | 'refused' | 'unfinished' {
  const decoder = new Decoder({
    ...{ from: 'client', maxPacketBytes: 1e9, handler: ignoring },
    ...(version && { protocolVersion: version }),
  })
  try {
    decoder.push(bytes)
  } catch (error) {
    if (error instanceof MalformedPacket) return 'refused'
    throw error
  }
  return decoder.bufferedBytes === 0 ? 'understood' : 'unfinished'
}

const ignoring = Object.fromEntries((Object.keys(packets) as PacketType[]).map((type) => [type, () => {}]))

/** Sends, pings, and waits for the answer or the end. */
async function speak(
  port: number,
  version: ProtocolVersion,
  { chunks, isUnfinished }: Burst,
  random: Random,
): Promise<void> {
  // Every address of 127.0.0.0/8 is this machine: ports that wait for their time do not run out.
  const localAddress = process.platform === 'linux' ? `127.0.0.${2 + random.below(250)}` : '127.0.0.1'
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const late = setTimeout(() => {
    const shown = Buffer.concat(chunks).toString('hex')
    reject(new Error(`the broker neither answered nor closed for ${patienceMs} ms after ${shown}`))
  }, patienceMs)
  const decoder = decoderOf(version, (packet) => {
    if (packet.type === 'pingresp') resolve()
  })
  socket.on('data', (bytes: Buffer) => {
    try {
      decoder.push(bytes)
    } catch (error) {
      // A client that said it speaks one version and was answered in the other reads no further.
      if (chunks.length > 0 && isFromTheStart(chunks, version)) reject(error)
      else resolve()
    }
  })
  socket.on('error', () => resolve())
  socket.on('close', () => resolve())
  for (const chunk of chunks) {
    socket.write(chunk)
    if (random.chance(0.3)) await turn()
  }
  if (isUnfinished) await turn().then(resolve)
  else socket.write(ping)
  try {
    await promise
  } finally {
    clearTimeout(late)
    socket.resetAndDestroy()
  }
}

const ping = Buffer.of(0xc0, 0x00)

/** Whether the first packet is a CONNECT of that version, so that all answers are of it. */
function isFromTheStart(chunks: readonly Buffer[], version: ProtocolVersion): boolean {
  const start = Buffer.concat(chunks.slice(0, 8)).subarray(0, 12)
  return start[0] === 0x10 && start.includes(Buffer.from([0x4d, 0x51, 0x54, 0x54, version]))
}

function decoderOf(version: ProtocolVersion, handle: (packet: Packet) => void): Decoder {
  const handler = Object.fromEntries((Object.keys(packets) as PacketType[]).map((type) => [type, handle]))
  return new Decoder({ from: 'server', protocolVersion: version, maxPacketBytes: 0xfffffff, handler })
}

/** Publishes to itself with QoS 1 until it is told to end, and waits for each message before the next. */
async function listenToItself(port: number, isDone: () => boolean): Promise<number> {
  const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const seen = { said: 0, heard: 0, isClosed: false }
  let wake = () => {}
  const output = new Output()
  const decoder = decoderOf(5, (packet) => {
    if (
      packet.type === 'publish' &&
      packet.topicName === topicName &&
      Buffer.from(packet.payload).equals(payload)
    ) {
      seen.heard++
      encode(
        output,
        { type: 'puback', packetId: packet.packetId, reasonCode: 0, properties: noProperties },
        5,
      )
      socket.write(output.take())
    }
    wake()
  })
  socket.on('data', (bytes: Buffer) => decoder.push(bytes))
  socket.on('error', () => {})
  socket.on('close', () => {
    seen.isClosed = true
    wake()
  })
  const topicName = 'bystanders/only'
  const payload = Buffer.from('undisturbed')
  const say = (packet: Packet) => {
    encode(output, packet, 5)
    socket.write(output.take())
  }
  say({
    type: 'connect',
    protocolVersion: 5,
    clientId: 'bystander',
    cleanStart: true,
    keepAliveSeconds: 0,
    properties: noProperties,
  })
  const subscription = {
    topicFilter: topicName,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 2,
  } as const
  say({ type: 'subscribe', packetId: 1, subscriptions: [subscription], properties: noProperties })
  while (!isDone()) {
    say({
      type: 'publish',
      dup: false,
      qos: 1,
      retain: false,
      topicName,
      packetId: 2,
      properties: noProperties,
      payload,
    })
    seen.said++
    const deadline = performance.now() + patienceMs
    while (seen.heard < seen.said) {
      assert.ok(!seen.isClosed, 'the bystander was disconnected')
      assert.ok(
        performance.now() < deadline,
        `the bystander did not hear message ${seen.said} for ${patienceMs} ms`,
      )
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  socket.destroy()
  return seen.heard
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
