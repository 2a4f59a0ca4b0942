import { BlockList, isIP, isIPv6 } from 'node:net'

/** A range of addresses: those that share the first `prefix` bits with `address`. */
export interface IpMask {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** `10.1.0.0/16`, `2001:db8::/32`, or one address; undefined for anything else. */
export function decodeIpMask(text: string): IpMask | undefined {
  const [, given = '', digits] = /^([0-9a-fA-F:.]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const version = isIP(given)
  if (version === 0) return undefined
  const bits = version === 4 ? 32 : 128
  const prefix = digits === undefined ? bits : Number(digits)
  if (prefix > bits) return undefined
  const address = plainAddress(given)
  if (version === 4 || address === given) return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
  // An IPv4 range in the clothes of IPv6.
  return prefix < mappedBits ? undefined : { address, prefix: prefix - mappedBits, family: 'ipv4' }
}

/** Whether an address lies in one of the ranges; whatever `decodeIpMask` refuses contains nothing. */
export function addressRanges(masks: readonly string[]): (address: string) => boolean {
  const ranges = new BlockList()
  for (const mask of masks) {
    const decoded = decodeIpMask(mask)
    if (decoded) ranges.addSubnet(decoded.address, decoded.prefix, decoded.family)
  }
  return (address) => {
    const plain = plainAddress(address)
    return ranges.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}

/** The address of a peer without what a dual-stack socket adds: `::ffff:10.1.2.3` is 10.1.2.3. */
export function plainAddress(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  // The zone of a link-local address is this machine's business.
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}

const mappedBits = 96
