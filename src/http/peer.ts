import { isIP } from 'node:net'
import { plainAddress } from '../base/ip-mask.ts'
import type { HttpRequest } from './http.ts'

/** Who is at the other end, as far as that can be known. */
export interface Peer {
  /** Without the IPv6 clothes of an IPv4 address. */
  readonly address: string
  readonly isTls: boolean
}

/** Hops that are looked at; a header may hold thousands. */
const hopsRead = 32

/**
 * The client of a request: whoever opened the connection, unless that is a proxy that the configuration trusts. Then
 * it is the last hop in `X-Forwarded-For` that is no such proxy, for what stands before it anyone may have written;
 * and `X-Forwarded-Proto` says whether the client spoke TLS to the proxy.
 *
 * @param isTrustedProxy undefined: there is no proxy, and those headers are nobody's word
 */
export function createPeerOf(
  isTrustedProxy: ((address: string) => boolean) | undefined,
): (request: HttpRequest) => Peer {
  return (request) => {
    const address = plainAddress(request.remoteAddress)
    const isTls = request.tlsVersion !== undefined
    if (!isTrustedProxy?.(address)) return { address, isTls }
    const { 'x-forwarded-for': hops, 'x-forwarded-proto': protocols } = request.headers
    const protocol = listOf(protocols).at(-1)?.toLowerCase()
    return {
      address: clientOf(address, listOf(hops), isTrustedProxy),
      isTls: protocol === undefined ? isTls : protocol === 'https',
    }
  }
}

function clientOf(proxy: string, hops: readonly string[], isTrusted: (address: string) => boolean): string {
  let client = proxy
  for (const hop of hops.slice(-hopsRead).toReversed()) {
    const address = plainAddress(withoutPort(hop))
    if (isIP(address) === 0) return client
    client = address
    if (!isTrusted(address)) return client
  }
  return client
}

const listOf = (header: string | string[] | undefined): readonly string[] =>
  header === undefined
    ? []
    : String(header)
        .split(',')
        .map((part) => part.trim())

/** Some proxies write `203.0.113.7:4711` or `[2001:db8::7]:4711`. */
const withoutPort = (hop: string) => hop.replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')
