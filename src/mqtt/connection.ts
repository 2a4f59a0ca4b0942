import type { EpochMs, Timer } from '../base/clock.ts'
import type { TokenBucket } from '../base/token-bucket.ts'
import { largestInArena } from './arena.ts'
import type { Broker } from './broker.ts'
import type { BrokerRealm } from './broker-realm.ts'
import { hex, returnCodeOf } from './codes.ts'
import { handlers } from './handlers/index.ts'
import { aged } from './message.ts'
import { Decoder, type PacketHandler } from './packets/decoder.ts'
import { encode } from './packets/encoder.ts'
import { MalformedPacket } from './packets/malformed-packet.ts'
import { noProperties, type Packet, type PacketOf } from './packets/packet.ts'
import { reasonCodes } from './packets/reason-codes.ts'
import {
  encodeProperties,
  type PublishForm,
  publishBytes,
  writeAcknowledgement,
  writePublish,
} from './publish-encoder.ts'
import type { DisconnectionReason, DurableSession, Message, Outbound } from './realm.ts'
import type { Route } from './route.ts'
import { type Copy, fromElsewhere, type Session } from './session.ts'
import type { WheelItem } from './timer-wheel.ts'
import type { Transport, TransportEvents } from './transport.ts'

/*
 * One client's connection: decodes what comes, hands each packet to its handler, and gathers what goes out until the
 * end of the event loop's turn.
 */

/** Before CONNECT; while CONNECT is being decided; open; at its end. */
type Phase = 'new' | 'deciding' | 'open' | 'closed'

/** How long a client may take to close after the broker has. */
const lingerMs = 2_000
/** Above this the socket counts as slow: see `congested`. */
const congestedBytes = 64 * 1024
/** How many bytes of messages may wait for the store before no more is read from their publisher. */
const heldBytes = 1024 * 1024

export class Connection implements TransportEvents, WheelItem, PacketHandler {
  readonly broker: Broker
  realm: BrokerRealm
  readonly transport: Transport
  phase: Phase = 'new'
  version: 4 | 5 = 4
  /** Place in `protocols` of stats.ts. */
  protocol = 0
  clientId = ''
  session: Session | undefined = undefined
  /** Of this connection in its session's life-cycle events. */
  sequenceNumber = 0
  /** Largest packet that the client takes. */
  maximumPacketBytes = Number.POSITIVE_INFINITY
  /** Messages of QoS 1 and 2 in flight towards the client, at most. */
  sendMaximum = 65_535
  /** Reason strings may be sent in every packet. */
  problemInformation = true
  authenticationMethod: string | undefined = undefined
  /** 0: never. */
  keepAliveMs = 0
  connectedAt: EpochMs
  lastReadAt: EpochMs
  /** The socket does not take what is written as fast as it comes. */
  congested = false
  /** QoS 0 messages that this client did not get. */
  droppedQos0 = 0
  /** Topic names that have an alias towards the client, where it takes aliases. */
  aliases: Map<string, number> | undefined = undefined
  outboundAliasMaximum = 0
  /** Topic names by alias, as the client has set them. */
  inboundAliases: (string | undefined)[] | undefined = undefined
  /** What the last PUBLISH resolved to: most clients publish to one topic many times. */
  lastTopic: string | undefined = undefined
  lastRoute: Route | undefined = undefined
  lastGeneration = 0
  /** Messages that wait for the store before they are acknowledged. */
  unacknowledged = 0
  unacknowledgedBytes = 0
  publishRate: TokenBucket | undefined = undefined
  publishByteRate: TokenBucket | undefined = undefined
  subscribeRate: TokenBucket | undefined = undefined
  throttledAt: EpochMs = 0
  throttledCount = 0
  /** Some rate is limited here. */
  rated = false
  expiry: Timer | undefined = undefined
  deciding: AbortController | undefined = undefined
  #decoder: Decoder | undefined
  #held = false
  #paused = false
  #dirty = false
  #stall: Timer | undefined
  // Ranges of the arenas that are to be written: the last one by itself, those before it in the lists.
  #messageStart = -1
  #messageEnd = -1
  #messageRanges: number[] | undefined
  #controlStart = -1
  #controlEnd = -1
  #controlRanges: number[] | undefined
  /** To be written before the ranges of messages. */
  #wholes: Buffer[] | undefined
  #wholeBytes = 0
  /** Retained messages that the socket had no room for yet. */
  #replays: (() => boolean)[] | undefined

  wheelPrevious: WheelItem | undefined = undefined
  wheelNext: WheelItem | undefined = undefined
  wheelTick = 0

  constructor(broker: Broker, realm: BrokerRealm, transport: Transport) {
    this.broker = broker
    this.realm = realm
    this.transport = transport
    const { limits } = realm.realm
    this.connectedAt = broker.tick()
    this.lastReadAt = this.connectedAt
    this.#decoder = new Decoder({ from: 'client', handler: this, maxPacketBytes: limits.packetBytes })
    realm.connections.add(this)
    broker.wheel.set(this, limits.connectMs)
  }

  get open(): boolean {
    return this.phase === 'open'
  }

  get remoteAddress(): string {
    return this.transport.remoteAddress
  }

  /** Its CONNECT says that it belongs to another realm than the one it came in by. */
  move(realm: BrokerRealm): void {
    this.realm.connections.delete(this)
    this.realm = realm
    realm.connections.add(this)
  }

  // ---------------------------------------------------------------- in

  received(bytes: Buffer): void {
    if (this.phase === 'closed') return
    this.lastReadAt = this.broker.tick()
    this.realm.stats.inboundBytes += bytes.length
    try {
      this.#decoder?.push(bytes)
    } catch (error) {
      this.#refused(error)
    }
  }

  /** Reads no more packets until `resume`; what has come already is kept. */
  hold(): void {
    this.#held = true
    this.#decoder?.pause()
    this.transport.pause()
  }

  resume(): void {
    if (!this.#held || this.closed) return
    this.#held = false
    try {
      this.#decoder?.resume()
    } catch (error) {
      this.#refused(error)
    }
    if (!this.#held && !this.#paused && !this.closed) this.transport.resume()
  }

  #refused(error: unknown): void {
    if (error instanceof MalformedPacket) this.#malformed(error)
    else this.broken(error)
  }

  get closed(): boolean {
    return this.phase === 'closed'
  }

  // What the decoder hands over: see the shelf handlers/.
  connect(packet: PacketOf<'connect'>): void {
    handlers.connect(this, packet)
  }
  publish(packet: PacketOf<'publish'>): void {
    handlers.publish(this, packet)
  }
  puback(packet: PacketOf<'puback'>): void {
    handlers.puback(this, packet)
  }
  pubrec(packet: PacketOf<'pubrec'>): void {
    handlers.pubrec(this, packet)
  }
  pubrel(packet: PacketOf<'pubrel'>): void {
    handlers.pubrel(this, packet)
  }
  pubcomp(packet: PacketOf<'pubcomp'>): void {
    handlers.pubcomp(this, packet)
  }
  subscribe(packet: PacketOf<'subscribe'>): void {
    handlers.subscribe(this, packet)
  }
  unsubscribe(packet: PacketOf<'unsubscribe'>): void {
    handlers.unsubscribe(this, packet)
  }
  pingreq(packet: PacketOf<'pingreq'>): void {
    handlers.pingreq(this, packet)
  }
  disconnect(packet: PacketOf<'disconnect'>): void {
    handlers.disconnect(this, packet)
  }
  auth(packet: PacketOf<'auth'>): void {
    handlers.auth(this, packet)
  }

  /** A bug here, which must not take other connections with it. */
  broken(error: unknown): void {
    this.broker.log.error(
      { err: error, realm: this.realm.realm.name, client: this.clientId },
      'a packet could not be handled',
    )
    this.close('ServerError', reasonCodes.unspecifiedError, 'The server failed to handle a packet.')
  }

  #malformed(error: MalformedPacket): void {
    if (this.phase === 'new' || this.phase === 'deciding') {
      const { answerIn } = error
      if (answerIn !== undefined && this.phase === 'new') {
        this.version = answerIn
        this.refuse(error.reasonCode, error.message, 'ClientError')
      } else this.#end()
      return
    }
    this.close('ClientError', error.reasonCode, error.message)
  }

  /** Stops reading a publisher of which too much waits for the store, or that does not read its own answers. */
  throttle(): void {
    const { limits } = this.realm.realm
    const behind =
      this.unacknowledgedBytes > heldBytes || this.unacknowledged >= limits.receiveMaximum || this.congested
    if (behind && !this.#paused) {
      this.#paused = true
      this.transport.pause()
    } else if (!behind && this.#paused) {
      this.#paused = false
      if (!this.#held) this.transport.resume()
    }
  }

  // ---------------------------------------------------------------- timers

  /** The broker's wheel: CONNECT did not come, the client fell silent, or it does not close. */
  onDue(): void {
    switch (this.phase) {
      case 'new':
      case 'deciding':
        this.realm.trace.note(
          this.clientId || this.remoteAddress,
          'connection closed',
          'no CONNECT was accepted in time',
        )
        this.deciding?.abort()
        this.#end()
        return
      case 'open': {
        const now = this.broker.tick()
        const leftMs = this.lastReadAt + this.keepAliveMs * 1.5 - now
        // A client that is held back cannot be heard.
        if (this.#held || this.#paused) this.broker.wheel.set(this, this.keepAliveMs)
        else if (leftMs > 0) this.broker.wheel.set(this, leftMs)
        else this.close('ClientError', reasonCodes.keepAliveTimeout, 'Timed out per negotiated Keep Alive')
        return
      }
      default:
        this.transport.destroy()
    }
  }

  watchKeepAlive(): void {
    if (this.keepAliveMs > 0) this.broker.wheel.set(this, this.keepAliveMs * 1.5)
    else this.broker.wheel.clear(this)
  }

  /** What the client has proved may hold for a time only. */
  watchIdentity(): void {
    this.expiry?.cancel()
    this.expiry = undefined
    const expiresAt = this.session?.identity.expiresAt
    if (expiresAt === undefined) return
    this.expiry = this.broker.clock.at(expiresAt, () => {
      this.broker.tick()
      this.close(
        'ClientAuthenticationError',
        reasonCodes.notAuthorized,
        'The credentials of the client have expired.',
      )
    })
  }

  /** Reads nothing for so long. */
  pauseFor(delayMs: number): void {
    this.hold()
    this.broker.clock.at(this.broker.now + delayMs, () => this.resume())
  }

  /** A message waits for the store. */
  awaitStore(qos: number, bytes: number): void {
    if (qos === 1) this.unacknowledged++
    this.unacknowledgedBytes += bytes
    if (this.unacknowledgedBytes > heldBytes) this.throttle()
  }

  stored(qos: number, bytes: number): void {
    if (qos === 1) this.unacknowledged--
    this.unacknowledgedBytes -= bytes
    if (this.#paused) this.throttle()
  }

  /** What the client sent cannot be stored, and there is no other way to tell it. */
  notStored(): void {
    this.close('ServerError', reasonCodes.unspecifiedError, 'The server cannot store what was sent.')
  }

  // ---------------------------------------------------------------- out

  /** A range of the messages' arena, as of this epoch. */
  addRange(start: number, end: number): void {
    if (this.#messageEnd === start) this.#messageEnd = end
    else {
      if (this.#messageEnd >= 0) (this.#messageRanges ??= []).push(this.#messageStart, this.#messageEnd)
      this.#messageStart = start
      this.#messageEnd = end
    }
    if (!this.#dirty) this.#touch()
  }

  #addControl(start: number, end: number): void {
    if (this.#controlEnd === start) this.#controlEnd = end
    else {
      if (this.#controlEnd >= 0) (this.#controlRanges ??= []).push(this.#controlStart, this.#controlEnd)
      this.#controlStart = start
      this.#controlEnd = end
    }
    if (!this.#dirty) this.#touch()
  }

  /** Bytes of their own, which nobody changes any more. */
  addWhole(bytes: Buffer): void {
    const before = this.#takeMessages()
    this.#wholes ??= []
    if (before) this.#wholes.push(before)
    this.#wholes.push(bytes)
    this.#wholeBytes += bytes.length + (before?.length ?? 0)
    if (!this.#dirty) this.#touch()
  }

  #touch(): void {
    this.#dirty = true
    this.broker.touch(this)
  }

  /** What waits for the socket is all that may. */
  get isFull(): boolean {
    return this.transport.pending + this.#wholeBytes >= this.realm.realm.limits.outputBytes
  }

  /** A packet that is encoded by itself. False: the client takes no packet of that size. */
  send(packet: Packet): boolean {
    const { scratch } = this.broker
    scratch.length = 0
    encode(scratch, packet, this.version)
    const bytes = scratch.length
    if (bytes > this.maximumPacketBytes) {
      // What explains is left out, and the rest is said. [MQTT-3.2.2-19] [MQTT-3.14.2-3]
      return 'properties' in packet && 'reasonString' in packet.properties && this.send(withoutReason(packet))
    }
    if (bytes > largestInArena) {
      this.addWhole(Buffer.from(scratch.bytes.subarray(0, bytes)))
      return true
    }
    const arena = this.broker.controlRoom(bytes)
    const start = arena.offset
    scratch.bytes.copy(arena.buffer, start, 0, bytes)
    arena.offset = start + bytes
    this.#addControl(start, arena.offset)
    return true
  }

  sendAcknowledgement(header: number, packetId: number, reasonCode: number): void {
    const arena = this.broker.controlRoom(8)
    const start = arena.offset
    writeAcknowledgement(arena, header, packetId, this.version === 5 ? reasonCode : 0)
    this.#addControl(start, arena.offset)
  }

  sendPubrel(packetId: number): void {
    this.sendAcknowledgement(0x62, packetId, 0)
  }

  /** A message in bytes of its own. False: the client takes no packet of that size. */
  sendPublish(
    topic: Buffer,
    topicName: string,
    message: Message,
    properties: Buffer | undefined,
    form: Omit<PublishForm, 'version' | 'topicAlias'>,
  ): boolean {
    const { version } = this
    let topicAlias = 0
    let named = topic
    if (this.aliases) {
      const known = this.aliases.get(topicName)
      if (known !== undefined) {
        topicAlias = known
        named = noBytes
      } else if (this.aliases.size < this.outboundAliasMaximum) {
        topicAlias = this.aliases.size + 1
        this.aliases.set(topicName, topicAlias)
      }
    }
    const full: PublishForm = { ...form, version, topicAlias }
    const used = version === 5 ? properties : undefined
    const bytes = publishBytes(named, message.payload, used, full)
    if (bytes > this.maximumPacketBytes) {
      // The alias has not been told.
      if (named !== noBytes && topicAlias !== 0) this.aliases?.delete(topicName)
      this.realm.tooLarge(this, topicName, bytes)
      return false
    }
    if (bytes > largestInArena) {
      const whole = Buffer.allocUnsafeSlow(bytes)
      writePublish(whole, 0, named, message.payload, used, full)
      this.addWhole(whole)
    } else {
      const arena = this.broker.room(bytes)
      const start = arena.offset
      arena.offset = writePublish(arena.buffer, start, named, message.payload, used, full)
      this.addRange(start, arena.offset)
    }
    const { delivered } = this.realm.stats
    const counter = this.protocol * 3 + form.qos
    delivered[counter] = (delivered[counter] as number) + 1
    return true
  }

  /** A message of QoS 1 or 2 that its session has counted. */
  sendCopy(copy: Copy, packetId: number, dup: boolean): void {
    const session = this.session as Session
    session.window.push(packetId, copy, this.broker.packetCount)
    if (!this.#sendAged(copy, packetId, dup)) this.#unsendable(session, packetId, copy)
  }

  #unsendable(session: Session, packetId: number, copy: Copy): void {
    // As if it had been acknowledged. [MQTT-3.1.2-25]
    session.acknowledge(packetId, copy.qos)
  }

  resendCopy(copy: Copy, packetId: number): void {
    if (!this.#sendAged(copy, packetId, true)) this.#unsendable(this.session as Session, packetId, copy)
  }

  #sendAged(copy: Copy, packetId: number, dup: boolean): boolean {
    const { message, qos, retain, subscriptionIds } = copy
    const properties = this.version === 5 ? encodeProperties(aged(message, this.broker.now)) : undefined
    return this.sendPublish(Buffer.from(message.topicName), message.topicName, message, properties, {
      ...{ qos, retain, dup, packetId, subscriptionIds },
    })
  }

  /** What a durable queue has handed out. */
  sendDurable(durable: DurableSession, outbound: Outbound): void {
    const session = this.session as Session
    const { message, qos, retain, subscriptionIds } = outbound
    const expiresAt = this.realm.expiryOf(message)
    if (expiresAt <= this.broker.now && outbound.packetId === 0) {
      this.realm.stats.expired++
      durable.acknowledged(outbound)
      return
    }
    const copy: Copy = {
      message,
      qos,
      retain,
      subscriptionIds,
      expiresAt,
      bytes: message.payload.length,
      outbound,
      onAcknowledged: undefined,
    }
    session.queuedMessages++
    session.queuedBytes += copy.bytes
    if (outbound.packetId !== 0) {
      session.window.push(outbound.packetId, copy, fromElsewhere)
      this.resendCopy(copy, outbound.packetId)
      return
    }
    const packetId = this.broker.nextPacketId(session.window)
    const stored = durable.sent(outbound, packetId)
    if (qos === 1 || stored === undefined) {
      this.sendCopy(copy, packetId, false)
      return
    }
    session.window.push(packetId, copy, this.broker.packetCount)
    stored.then(
      () => {
        if (this.open && session.connection === this && !this.#sendAged(copy, packetId, false))
          this.#unsendable(session, packetId, copy)
      },
      (error: unknown) => this.realm.failed(session, error),
    )
  }

  /** Sends retained messages as long as the socket takes them; the rest when it does again. */
  replay(next: () => boolean): void {
    ;(this.#replays ??= []).push(next)
    this.#replay()
  }

  #replay(): void {
    while (this.#replays) {
      const [next] = this.#replays
      if (!next) this.#replays = undefined
      else if (this.congested || this.#wholeBytes > largestInArena) return
      else if (!next()) this.#replays.shift()
    }
  }

  /** Everything that was gathered in this turn goes to the socket. */
  flush(): void {
    this.#dirty = false
    const { transport, broker } = this
    const before = transport.pending
    // The socket may have caught up without having been empty.
    if (this.congested && before < congestedBytes / 2) this.drained()
    const control = this.#takeControl()
    const messages = this.#takeMessages()
    const wholes = this.#wholes
    this.#wholes = undefined
    this.#wholeBytes = 0
    if (control && messages && !wholes) this.#write(Buffer.concat([control, messages]), false, before)
    else {
      if (control) this.#write(control, true, before)
      if (wholes) for (const whole of wholes) this.#write(whole, false, before)
      if (messages) this.#write(messages, true, before)
    }
    const { pending } = transport
    if (pending > 0) {
      if (pending > congestedBytes && !this.congested) this.#congest()
      broker.messages.pinned = true
      broker.control.pinned = true
    }
  }

  #write(bytes: Buffer, shared: boolean, before: number): void {
    this.realm.stats.outboundBytes += bytes.length
    // A socket that is behind must not keep the whole arena for its few bytes.
    this.transport.write(shared && before > 0 ? Buffer.from(bytes) : bytes)
  }

  #takeMessages(): Buffer | undefined {
    const end = this.#messageEnd
    if (end < 0) return undefined
    const start = this.#messageStart
    this.#messageEnd = -1
    const ranges = this.#messageRanges
    if (ranges === undefined) return this.broker.messages.buffer.subarray(start, end)
    this.#messageRanges = undefined
    ranges.push(start, end)
    return joined(this.broker.messages.buffer, ranges)
  }

  #takeControl(): Buffer | undefined {
    const end = this.#controlEnd
    if (end < 0) return undefined
    const start = this.#controlStart
    this.#controlEnd = -1
    const ranges = this.#controlRanges
    if (ranges === undefined) return this.broker.control.buffer.subarray(start, end)
    this.#controlRanges = undefined
    ranges.push(start, end)
    return joined(this.broker.control.buffer, ranges)
  }

  #congest(): void {
    this.congested = true
    this.throttle()
    this.#watchStall(this.transport.taken)
  }

  /** A client that takes nothing at all for too long is gone, or means no good. */
  #watchStall(takenBefore: number): void {
    const { clock, now } = this.broker
    this.#stall = clock.at(now + this.realm.realm.limits.outputStallMs, () => {
      this.broker.tick()
      const { taken } = this.transport
      if (taken > takenBefore) this.#watchStall(taken)
      else this.close('ConnectionLost', undefined, 'The client did not take what was sent to it.')
    })
  }

  drained(): void {
    if (!this.congested || this.transport.pending > congestedBytes / 2) return
    this.congested = false
    this.#stall?.cancel()
    this.broker.tick()
    this.throttle()
    this.#replay()
    const { session } = this
    if (!session) return
    session.pump()
    this.realm.realm.drained?.(session.sessionName)
  }

  // ---------------------------------------------------------------- the end

  /** CONNACK with a reason, and the end: no session, no life-cycle event. */
  refuse(
    reasonCode: number,
    text: string,
    error: 'QuotaExceeded' | 'AuthenticationError' | 'AuthorizationError' | 'ClientError' | 'ServiceError',
    told = text,
  ): void {
    if (this.phase === 'closed') return
    const { realm, broker } = this
    realm.stats.failed(this.protocol, 'Connect', error)
    realm.trace.note(this.clientId || this.remoteAddress, 'CONNECT refused', `${hex(reasonCode)}: ${text}`)
    broker.observer.connectFailed?.(this, { signature: error, description: text })
    const code = this.version === 5 ? reasonCode : returnCodeOf(reasonCode)
    if (code !== undefined)
      this.send({
        type: 'connack',
        sessionPresent: false,
        reasonCode: code,
        properties: this.version === 5 ? { reasonString: told } : noProperties,
      })
    this.#end()
  }

  /**
   * Ends an open connection from this side: tells an MQTT 5 client why, and the realm too. `reasonCode` undefined:
   * nothing is said.
   */
  close(reason: DisconnectionReason, reasonCode: number | undefined, text: string): void {
    if (this.phase === 'closed') return
    if (this.phase !== 'open') {
      this.deciding?.abort()
      this.#leaveSession(false)
      // It has asked, and waits for an answer.
      if (this.phase === 'deciding' && reason === 'ServerInitiatedDisconnect')
        this.refuse(reasonCodes.serverUnavailable, text, 'ServiceError')
      else this.#end()
      return
    }
    if (reasonCode !== undefined && this.version === 5) {
      // Nothing follows it, and messages are written after other packets of a turn. [MQTT-3.14.4-1]
      this.flush()
      this.send({ type: 'disconnect', reasonCode, properties: { reasonString: text } })
    }
    this.#ended(reason, reasonCode, text, true)
  }

  /** The client has said that it goes. `withWill`: it wants its will published all the same. */
  left(withWill: boolean, text: string): void {
    this.#ended('ClientInitiatedDisconnect', undefined, text, withWill)
    // It waits for nothing more. [MQTT-3.14.4-1]
    this.transport.destroy()
  }

  /** The transport has gone. */
  gone(closedByPeer: boolean): void {
    // No packet has brought us here: will delay and session expiry begin now.
    this.broker.tick()
    if (this.phase === 'open')
      this.#ended(
        closedByPeer ? 'ClientInitiatedDisconnect' : 'ConnectionLost',
        undefined,
        closedByPeer ? 'the client closed its WebSocket' : 'the connection was lost',
        true,
      )
    else if (this.phase !== 'closed') {
      this.deciding?.abort()
      this.#leaveSession(false)
      this.#end()
    }
    this.broker.wheel.clear(this)
  }

  #ended(reason: DisconnectionReason, reasonCode: number | undefined, text: string, withWill: boolean): void {
    const { realm, broker, session } = this
    const code = reasonCode === undefined ? '' : ` ${hex(reasonCode)}`
    realm.trace.note(this.clientId, 'disconnected', `${reason}${code}: ${text}`)
    const { connections } = realm.stats
    connections[this.protocol] = (connections[this.protocol] as number) - 1
    this.#leaveSession(withWill)
    this.#end()
    if (session)
      realm.realm.disconnected({
        authenticationName: session.identity.authenticationName,
        sessionName: session.sessionName,
        sequenceNumber: this.sequenceNumber,
        reason,
      })
    const failure = failures[reason]
    broker.observer.disconnected?.(
      this,
      failure === undefined ? undefined : { signature: failure, description: text },
    )
  }

  #leaveSession(withWill: boolean): void {
    const { session } = this
    if (session && session.connection === this) this.realm.detach(session, withWill)
  }

  #end(): void {
    this.phase = 'closed'
    this.expiry?.cancel()
    this.#stall?.cancel()
    this.realm.connections.delete(this)
    this.#decoder?.stop()
    this.#decoder = undefined
    this.#held = false
    this.#replays = undefined
    // In this turn, so that the client learns the reason before the connection is gone.
    this.flush()
    this.transport.end()
    this.broker.wheel.set(this, lingerMs)
    // Whatever it still sends is read and forgotten: else the reset would overtake the reason.
    this.transport.resume()
  }
}

const noBytes = Buffer.alloc(0)

function withoutReason<P extends Packet & { readonly properties: object }>(packet: P): P {
  const { reasonString: _, ...properties } = packet.properties as { readonly reasonString?: string }
  return { ...packet, properties }
}

/** Result signature of a disconnection that was not the client's wish. */
const failures: Readonly<Partial<Record<DisconnectionReason, string>>> = {
  ClientAuthenticationError: 'AuthenticationError',
  ClientAuthorizationError: 'AuthorizationError',
  ClientError: 'ClientError',
  ConnectionLost: 'ClientError',
  IpForbidden: 'AuthorizationError',
  QuotaExceeded: 'QuotaExceeded',
  ServerError: 'ServiceError',
  SessionOverflow: 'QuotaExceeded',
  SessionTakenOver: 'ClientError',
}

function joined(source: Buffer, ranges: readonly number[]): Buffer {
  let bytes = 0
  for (let at = 0; at < ranges.length; at += 2) bytes += (ranges[at + 1] as number) - (ranges[at] as number)
  const whole = Buffer.allocUnsafe(bytes)
  let to = 0
  for (let at = 0; at < ranges.length; at += 2) to += source.copy(whole, to, ranges[at], ranges[at + 1])
  return whole
}
