import { AmqpRefusal } from './amqp/errors.ts'
import type { AmqpCaller, AmqpGuest, AmqpNode, AmqpPeer, PutToken, TokenAnswer } from './amqp/guest.ts'
import type { AmqpLink } from './amqp/links.ts'
import type { Clock, EpochMs, Timer } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { HubEndpoint } from './catalog/hub-gate.ts'
import type { IotHub } from './catalog/iot-hub.ts'
import { AmqpDevice } from './hubdevices/amqp.ts'
import { type DeviceAddress, decodeDeviceAddress } from './hubdevices/amqp-address.ts'
import type { CloudMessages } from './hubdevices/amqp-devicebound.ts'
import type { Credentials } from './hubdevices/authenticate.ts'
import type { Device, HubDevices, Rejection } from './hubdevices/hub-devices.ts'
import { clientIdOf } from './hubdevices/user-name.ts'
import type { AuthorizeService } from './iothub/authenticate.ts'
import { type PolicyProof, provePolicy, splitAudience } from './iothub/policy-token.ts'
import { HubError } from './registry/errors.ts'
import type { IdentityName } from './registry/registry.ts'
import type { HubRight } from './resources/iot-hubs.ts'

/*
 * The AMQP side of IoT hubs: which hub a connection means, what it has proved, by tokens or by a certificate, and which
 * device or node a link leads to.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support
 */

/** An IoT hub, as AMQP needs it. */
export interface AmqpHub {
  /** As it is now. */
  readonly hub: () => IotHub
  readonly devices: HubDevices
  /** Undefined: none are sent to devices here. */
  readonly cloudMessages: CloudMessages | undefined
  /** Where links lead that are none of a device's. */
  readonly nodes: readonly AmqpNode[]
  /** The same of the built-in endpoint. */
  readonly eventNodes: readonly AmqpNode[]
}

export interface HubGuestOptions {
  /**
   * The hub that clients call by that host name, in lower case and without a port.
   *
   * @param path of what they ask for; clients of Event Hubs name the hub there
   */
  readonly find: (host: string, path?: string) => AmqpHub | undefined
  /** The hub of that name, as users of SASL PLAIN have it. */
  readonly named: (name: string) => AmqpHub | undefined
  /** Of tokens of Microsoft Entra ID. */
  readonly authorize: AuthorizeService
  readonly clock: Clock
  readonly log: Log
  readonly tokensPerConnection: number
  /** The connection is over. */
  readonly closed: () => void
}

/** A shared access policy whose token was put. */
interface Held extends PolicyProof {
  readonly token: string
}

interface Required {
  readonly endpoint: HubEndpoint
  readonly right: HubRight
  readonly path: string
  readonly actions: readonly string[] | undefined
}

const tokenType = 'servicebus.windows.net:sastoken'
const unauthorized = (text: string) => new AmqpRefusal('amqp:unauthorized-access', text)

export class HubGuest implements AmqpGuest {
  readonly #peer: AmqpPeer
  readonly #options: HubGuestOptions
  /** By audience. */
  readonly #policies = new Map<string, Held>()
  readonly #devices = new Map<string, { readonly device: AmqpDevice; expiresAt: EpochMs | undefined }>()
  /** Devices that are being let in, by their keys. */
  readonly #admissions = new Map<string, Promise<AmqpDevice>>()
  readonly #required = new Map<AmqpLink, Required>()
  /** With its scheme. */
  #bearer: { readonly text: string; readonly expiresAt: EpochMs } | undefined
  /** The first that was proved to; a connection is to one hub. */
  #hub: AmqpHub | undefined
  #timer: Timer | undefined
  #isClosed = false

  constructor(peer: AmqpPeer, options: HubGuestOptions) {
    this.#peer = peer
    this.#options = options
  }

  get isProven(): boolean {
    return this.#policies.size > 0 || this.#devices.size > 0 || this.#bearer !== undefined
  }

  /** The hub is gone. */
  leave(hub: AmqpHub): void {
    if (this.#hub === hub)
      this.#peer.close({ condition: 'amqp:not-found', description: 'The IoT hub is gone.' })
  }

  // ---------------------------------------------------------------- tokens

  async putToken({ type, audience, token }: PutToken): Promise<TokenAnswer> {
    if (type === 'jwt' || /^Bearer\s/i.test(token))
      return this.#putBearer(token.replace(/^(Bearer\s+)?/i, 'Bearer '))
    if (type !== tokenType)
      return { status: 400, description: `Tokens are of the type ${tokenType}: one of '${type}' came.` }
    const { host, path } = splitAudience(withoutEncoding(audience))
    const hub = this.#options.find(host, path)
    if (!hub) return { status: 404, description: `'${host}' is not the host name of an IoT hub.` }
    try {
      return (await this.#prove(hub, path, token)) ?? { status: 200, description: 'OK' }
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** A token of Microsoft Entra ID: its audience is that of every hub. */
  async #putBearer(text: string): Promise<TokenAnswer> {
    const hub = this.#hub ?? this.#called()
    if (!hub) return { status: 404, description: 'The connection is to no IoT hub.' }
    const turnedAway = this.#turnedAway(hub, 'hub') && this.#turnedAway(hub, 'events')
    if (turnedAway) return refused(turnedAway)
    try {
      const { expiresAt } = await this.#options.authorize(text, hub.hub(), {
        right: 'ServiceConnect',
        actions: [],
      })
      if (this.#isClosed) return { status: 401, description: 'The connection is over.' }
      this.#hub = hub
      this.#bearer = { text, expiresAt }
      this.#watch()
      return { status: 200, description: 'OK' }
    } catch (error) {
      if (error instanceof HubError) return { status: 401, description: error.message }
      return this.#failed(error)
    }
  }

  #failed(error: unknown): TokenAnswer {
    this.#options.log.error({ err: error }, 'What a token over AMQP proves could not be judged.')
    return { status: 500, description: 'The token could not be judged.' }
  }

  /**
   * `{policy}@sas.root.{hub}`, `{device}@sas.{hub}` or `{device}/{module}@sas.{hub}`, with a token as the password.
   *
   * Source: learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support, "SASL PLAIN"
   */
  async signIn(user: string, password: string): Promise<boolean> {
    const match = /^([^@]+)@sas\.(root\.)?([^@]+)$/i.exec(user)
    if (!match) return false
    const [, who = '', root, name = ''] = match
    const hub = this.#options.named(name.toLowerCase())
    if (!hub) return false
    const [device = '', module, ...more] = who.split('/')
    const ids = (module === undefined ? [device] : [device, module]).map(encodeURIComponent)
    if (more.length > 0) return false
    const path = root === undefined ? `/devices/${ids.join('/modules/')}` : ''
    return (await this.#prove(hub, path, password)) === undefined
  }

  /** What is wrong. */
  async #prove(hub: AmqpHub, path: string, token: string): Promise<TokenAnswer | undefined> {
    const refusal = this.#isOver(hub)
    if (refusal) return refusal
    const { tokensPerConnection } = this.#options
    const known = this.#policies.size + this.#devices.size
    const address = decodeDeviceAddress(path)
    if (address && address.kind === undefined) {
      const key = clientIdOf(address.name)
      if (!this.#devices.has(key) && known >= tokensPerConnection)
        return refused(tooMany(tokensPerConnection))
      return this.#proveDevice(hub, address.name, { password: Buffer.from(token), certificates: [] })
    }
    if (!this.#policies.has(path) && known >= tokensPerConnection)
      return refused(tooMany(tokensPerConnection))
    const proof = provePolicy(
      {
        hub: hub.hub(),
        token,
        path,
        isHubHost: (host) => hub.devices.isHubHost(host) || this.#options.find(host, path) === hub,
      },
      this.#options.clock.now(),
    )
    if (typeof proof === 'string') return refused(proof)
    this.#hub = hub
    this.#policies.set(path, { ...proof, token })
    this.#watch()
    return undefined
  }

  async #proveDevice(
    hub: AmqpHub,
    name: IdentityName,
    credentials: Credentials,
  ): Promise<TokenAnswer | undefined> {
    const turnedAway = this.#turnedAway(hub, 'hub')
    if (turnedAway !== undefined) return refused(turnedAway)
    const { devices } = hub
    const isKnown = this.#devices.has(clientIdOf(name))
    // A new token is no new connection, and does not count as one.
    const admitted = await (isKnown
      ? devices.vouch(name, credentials).catch(rejectionOf)
      : devices.admit(name, credentials))
    if ('kind' in admitted)
      return admitted.why === 'throttled'
        ? { status: 429, description: admitted.text }
        : refused(admitted.text)
    const refusal = this.#isOver(hub)
    if (refusal) return refusal
    this.#admit(hub, admitted)
    return undefined
  }

  #isOver(hub: AmqpHub): TokenAnswer | undefined {
    if (this.#isClosed) return refused('The connection is over.')
    if (this.#hub && this.#hub !== hub)
      return refused('A connection is to one IoT hub: this one is to another.')
    // Which of them the links will lead to is not known yet.
    const turnedAway = this.#turnedAway(hub, 'hub') && this.#turnedAway(hub, 'events')
    return turnedAway === undefined ? undefined : refused(turnedAway)
  }

  /** Why it may not come to that endpoint, whatever it proves. */
  #turnedAway(hub: AmqpHub, endpoint: HubEndpoint): string | undefined {
    const { remoteAddress: address, isTls } = this.#peer
    return hub.hub().gate({ address, isTls }, endpoint)
  }

  /** The hub says something else now, which may be of who may come. */
  hubChanged(hub: AmqpHub): void {
    if (this.#hub !== hub) return
    for (const [link, { endpoint }] of this.#required) {
      const turnedAway = this.#turnedAway(hub, endpoint)
      if (turnedAway !== undefined) link.close(unauthorized(turnedAway))
    }
    const turnedAway = this.#turnedAway(hub, 'hub')
    if (turnedAway === undefined) return
    for (const { device } of [...this.#devices.values()]) device.endWith(unauthorized(turnedAway))
  }

  #admit(hub: AmqpHub, admitted: Device): AmqpDevice {
    this.#hub = hub
    const { key, name, expiresAt } = admitted
    const known = this.#devices.get(key)
    if (known && known.device.device.identity.generationId === admitted.identity.generationId) {
      // It stays connected, for longer.
      known.expiresAt = expiresAt
      this.#watch()
      return known.device
    }
    const device = new AmqpDevice({
      ...{ devices: hub.devices, device: admitted },
      cloudMessages: name.moduleId === undefined ? hub.cloudMessages : undefined,
      ended: (error) => {
        if (this.#devices.get(key)?.device === device) this.#devices.delete(key)
        if (!this.isProven) this.#peer.close(error)
      },
    })
    this.#devices.set(key, { device, expiresAt })
    this.#watch()
    return device
  }

  // ---------------------------------------------------------------- what ends

  /** Wakes when the first of the tokens is over. */
  #watch(): void {
    this.#timer?.cancel()
    const held = [
      ...this.#policies.values(),
      ...this.#devices.values(),
      ...(this.#bearer ? [this.#bearer] : []),
    ]
    const moments = held.map(({ expiresAt }) => expiresAt)
    const first = Math.min(...moments.filter((moment) => moment !== undefined))
    if (Number.isFinite(first) && !this.#isClosed)
      this.#timer = this.#options.clock.at(first, () => this.#expire())
  }

  #expire(): void {
    const now = this.#options.clock.now()
    const isOver = (expiresAt: EpochMs | undefined) => expiresAt !== undefined && expiresAt <= now
    const expired = unauthorized('The token has expired (401003).')
    for (const [audience, { expiresAt }] of this.#policies)
      if (isOver(expiresAt)) this.#policies.delete(audience)
    if (isOver(this.#bearer?.expiresAt)) this.#bearer = undefined
    for (const [link, required] of this.#required) if (!this.#has(required)) link.close(expired)
    for (const { device, expiresAt } of [...this.#devices.values()])
      if (isOver(expiresAt)) device.endWith(expired)
    if (this.isProven) this.#watch()
    else this.#peer.close(expired)
  }

  closed(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const { device } of this.#devices.values()) device.disconnected()
    this.#devices.clear()
    this.#policies.clear()
    this.#options.closed()
  }

  // ---------------------------------------------------------------- links

  attach(link: AmqpLink): void {
    const hub = this.#hub ?? this.#called()
    if (!hub) throw unauthorized('No token was put, and no IoT hub is called so.')
    const address = decodeDeviceAddress(link.address)
    if (address?.kind !== undefined) this.#attachDevice(hub, link, address)
    else if (!this.#attachNode(hub, link))
      throw this.isProven
        ? new AmqpRefusal('amqp:not-found', `There is nothing at '${link.address}'.`)
        : unauthorized('No token was put.')
  }

  #attachNode({ nodes, eventNodes }: AmqpHub, link: AmqpLink): boolean {
    return (
      nodes.some((node) => node.attach(link, this.#callerAt('hub'))) ||
      eventNodes.some((node) => node.attach(link, this.#callerAt('events')))
    )
  }

  #callerAt(endpoint: HubEndpoint): AmqpCaller {
    return {
      require: (link, right, path = '', actions) => this.#require(link, { endpoint, right, path, actions }),
    }
  }

  /** Before anything is proved: by the name that the peer has called. */
  #called(): AmqpHub | undefined {
    const { hostName, serverName } = this.#peer
    for (const name of [hostName, serverName]) {
      const hub = name === undefined ? undefined : this.#options.find(name)
      if (hub) return hub
    }
    return undefined
  }

  #attachDevice(hub: AmqpHub, link: AmqpLink, { name, kind }: DeviceAddress): void {
    if (!kind) return
    const turnedAway = this.#turnedAway(hub, 'hub')
    if (turnedAway !== undefined) throw unauthorized(turnedAway)
    const key = clientIdOf(name)
    const known = this.#devices.get(key)
    if (known) {
      known.device.attach(link, kind)
      return
    }
    // It has not said who it is: by a policy that may connect every device, or by its certificate.
    link.hold()
    let admission = this.#admissions.get(key)
    if (!admission) {
      admission = this.#admitUnasked(hub, name).finally(() => this.#admissions.delete(key))
      this.#admissions.set(key, admission)
    }
    admission
      .then((device) => {
        if (!link.isClosed) device.attach(link, kind)
      })
      .catch((error: unknown) => {
        if (error instanceof AmqpRefusal) {
          link.close(error)
          return
        }
        const { description } = this.#failed(error)
        link.close(new AmqpRefusal('amqp:internal-error', description))
      })
  }

  async #admitUnasked(hub: AmqpHub, name: IdentityName): Promise<AmqpDevice> {
    if (this.#policies.size + this.#devices.size >= this.#options.tokensPerConnection)
      throw unauthorized(tooMany(this.#options.tokensPerConnection))
    const policy = this.#policies.values().find((each) => each.policy.rights.has('DeviceConnect'))
    const { certificates } = this.#peer
    if (!policy && certificates.length === 0)
      throw unauthorized(`No token was put for the device '${clientIdOf(name)}', and no certificate shown.`)
    const admitted = await hub.devices.admit(name, {
      password: policy && Buffer.from(policy.token),
      certificates: policy ? [] : certificates,
    })
    if ('kind' in admitted)
      throw admitted.why === 'throttled'
        ? new AmqpRefusal('com.microsoft:device-container-throttled', admitted.text)
        : unauthorized(admitted.text)
    if (this.#isClosed || (this.#hub && this.#hub !== hub)) throw unauthorized('The connection is over.')
    return this.#admit(hub, admitted)
  }

  #require(link: AmqpLink, required: Required): void {
    const { endpoint, right, path } = required
    const hub = this.#hub ?? this.#called()
    const turnedAway = hub && this.#turnedAway(hub, endpoint)
    if (turnedAway !== undefined) throw unauthorized(turnedAway)
    if (!this.#has(required))
      throw unauthorized(
        this.isProven
          ? `No token was put that gives the right ${right} on '${path}'.`
          : 'No token was put for this hub.',
      )
    this.#required.set(link, required)
    const { onClosed } = link
    link.onClosed = () => {
      this.#required.delete(link)
      onClosed()
    }
  }

  #bearerMay(right: HubRight, actions: readonly string[]): boolean {
    if (!this.#bearer || !this.#hub) return false
    try {
      const granted = this.#options.authorize(this.#bearer.text, this.#hub.hub(), { right, actions })
      if (!(granted instanceof Promise)) return true
      // It was read when it was put; one that is not known any more must be put again.
      granted.catch(() => {})
      return false
    } catch (error) {
      if (error instanceof HubError) return false
      throw error
    }
  }

  #has({ right, path, actions }: Required): boolean {
    if (actions && this.#bearerMay(right, actions)) return true
    const asked = path.toLowerCase()
    return this.#policies.values().some(({ policy, scope }) => {
      const granted = scope.toLowerCase()
      return (
        policy.rights.has(right) && (asked === granted || granted === '' || asked.startsWith(`${granted}/`))
      )
    })
  }
}

/** The official clients name an audience as they sign it: percent-encoded as a whole. */
function withoutEncoding(audience: string): string {
  if (audience.includes('/')) return audience
  try {
    return decodeURIComponent(audience)
  } catch {
    return audience
  }
}

function rejectionOf(error: unknown): Rejection {
  if (error instanceof HubError) return { kind: 'rejected', why: 'credentials', text: error.message }
  throw error
}

const refused = (description: string): TokenAnswer => ({ status: 401, description })
const tooMany = (most: number) => `A connection holds at most ${most} tokens.`
