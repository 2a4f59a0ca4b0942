import { lookup } from 'node:dns'
import { BlockList, connect as connectPlain, isIP, type LookupFunction, Socket } from 'node:net'
import { connect as connectSecure, createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { buildConnector } from 'undici'

/**
 * Where deliveries may go. Judged when a connection is made, on the address that it is made to: a name that
 * resolves to a public address when it is checked and to a private one when it is used gains nothing.
 */
export interface NetworkRules {
  /** Development only: `http://` endpoints. Azure refuses them. */
  readonly allowHttp: boolean
  /** Loopback, link-local and private addresses, whatever the name. */
  readonly allowPrivateAddresses: boolean
  /** Hosts that may have private addresses all the same: names, addresses, or `*.example.com`. */
  readonly allowedHosts: readonly string[]
  /** Development only: certificates are not checked at all. */
  readonly allowSelfSigned: boolean
  /** Certificates, in PEM, of authorities trusted besides the well-known ones. */
  readonly extraCa: readonly string[]
}

export const openNetworkRules: NetworkRules = {
  allowHttp: true,
  allowPrivateAddresses: true,
  allowedHosts: [],
  allowSelfSigned: true,
  extraCa: [],
}

/** A destination that the rules forbid; what `code` of a failed connection says then. */
export const notAllowed = 'BUSBAR_NOT_ALLOWED'

export class NotAllowed extends Error {
  readonly code = notAllowed
}

/** Makes the connections of all deliveries over HTTP, within the rules. `timeoutMs` bounds the making of one. */
export function createConnector(rules: NetworkRules, timeoutMs: number): buildConnector.connector {
  const guard = createGuard(rules)
  const shared = { timeout: timeoutMs, allowH2: false, lookup: guard.lookup }
  const plain = buildConnector(shared)
  let secure: buildConnector.connector | undefined
  const createSecure = () =>
    buildConnector({
      ...shared,
      secureContext: guard.secureContext(),
      rejectUnauthorized: !rules.allowSelfSigned,
    })
  return (options, callback) => {
    const { hostname, protocol } = options
    const refusal =
      protocol === 'http:' && !rules.allowHttp
        ? new NotAllowed(`Only https endpoints are allowed; the endpoint at ${hostname} is http.`)
        : guard.refusal(hostname)
    if (refusal) process.nextTick(callback, refusal, null)
    else if (protocol === 'https:')
      (secure ??= createSecure())(options, (...[error, socket]) => {
        if (error) callback(withoutNodesAdvice(error), null)
        else callback(null, socket)
      })
    else plain(options, callback)
  }
}

/** Where a connection of another protocol than HTTP goes. */
export interface SocketTarget {
  readonly hostname: string
  readonly port: number
  readonly secure: boolean
}

/** Begins a connection; `connected` is called when it is made, and its socket emits an error when it cannot be. */
export type SocketConnector = (target: SocketTarget, connected: () => void) => Socket

/** Makes connections of other protocols within the rules; whatever they forbid is an error of the socket. */
export function createSocketConnector(rules: NetworkRules): SocketConnector {
  const guard = createGuard(rules)
  return ({ hostname, port, secure }, connected) => {
    const refusal = guard.refusal(hostname)
    if (refusal) return new Socket().destroy(refusal)
    const options = { host: hostname, port, lookup: guard.lookup }
    if (!secure) return connectPlain(options, connected).setNoDelay(true)
    const socket = connectSecure(
      {
        ...options,
        servername: isIP(hostname) === 0 ? hostname : '',
        secureContext: guard.secureContext(),
        rejectUnauthorized: !rules.allowSelfSigned,
      },
      connected,
    )
    return socket.setNoDelay(true).prependListener('error', withoutNodesAdvice)
  }
}

interface Guard {
  /** Why there may be no connection to that host, as far as its name tells. */
  refusal(hostname: string): NotAllowed | undefined
  /** Fails for a name that has no allowed address. */
  readonly lookup: LookupFunction
  secureContext(): SecureContext
}

function createGuard(rules: NetworkRules): Guard {
  const mayBePrivate = compileHosts(rules)
  // Reading the authorities' certificates takes a while: done once, and only where TLS is spoken.
  let secureContext: SecureContext | undefined
  return {
    refusal: (hostname) =>
      isIP(hostname) !== 0 && !isPublic(hostname) && !mayBePrivate(hostname)
        ? privateAddress(hostname, hostname)
        : undefined,
    lookup(hostname, options, callback) {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, '')
        const allowed = mayBePrivate(hostname)
          ? addresses
          : addresses.filter(({ address }) => isPublic(address))
        const first = allowed[0]
        if (!first) return callback(privateAddress(hostname, addresses[0]?.address), '')
        if (options.all) callback(null, allowed)
        else callback(null, first.address, first.family)
      })
    },
    secureContext: () =>
      (secureContext ??= createSecureContext({ ca: [...rootCertificates, ...rules.extraCa] })),
  }
}

/** Of a certificate that nobody known has signed, Node's message ends with a flag that is not ours to give. */
function withoutNodesAdvice(error: Error): Error {
  error.message = error.message.replace(/; if the root CA is installed locally, .*$/s, '')
  return error
}

/** False for loopback, link-local, private, shared, multicast, unspecified and reserved addresses. */
export function isPublic(address: string): boolean {
  return !privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function privateAddress(hostname: string, address: string | undefined): NotAllowed {
  return new NotAllowed(
    `${hostname} has the private address ${address}; deliveries to it need its name among the allowed hosts.`,
  )
}

function compileHosts(rules: NetworkRules): (hostname: string) => boolean {
  if (rules.allowPrivateAddresses) return () => true
  const names = new Set(rules.allowedHosts.map((host) => host.toLowerCase()))
  const endings = [...names].filter((name) => name.startsWith('*.')).map((name) => name.slice(1))
  return (hostname) => {
    const name = hostname.toLowerCase()
    return names.has(name) || endings.some((ending) => name.endsWith(ending))
  }
}

/** Source: the IANA special-purpose address registries (RFC 6890). */
const privateIpv4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const

const privateIpv6 = [
  ['::', 128],
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const

const privateAddresses = new BlockList()
for (const [net, bits] of privateIpv4) {
  // An IPv4 rule holds for the mapped form `::ffff:a.b.c.d` too; the other forms that carry one are spelled out.
  const [a, b, c, d] = net.split('.').map(Number) as [number, number, number, number]
  const high = ((a << 8) | b).toString(16)
  const low = ((c << 8) | d).toString(16)
  privateAddresses.addSubnet(net, bits, 'ipv4')
  privateAddresses.addSubnet(`::${high}:${low}`, 96 + bits, 'ipv6')
  privateAddresses.addSubnet(`64:ff9b::${high}:${low}`, 96 + bits, 'ipv6')
  privateAddresses.addSubnet(`2002:${high}:${low}::`, 16 + bits, 'ipv6')
}
for (const [net, bits] of privateIpv6) privateAddresses.addSubnet(net, bits, 'ipv6')
