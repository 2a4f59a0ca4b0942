import type { X509Certificate } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import { extensionsOf, pathLengthOf } from './extensions.ts'

/*
 * Whether a client certificate is signed by a registered authority. The registered certificates are the anchors,
 * be they roots or not; whatever lies between the client's and one of them, the client must send along.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-certificate-chain-client-authentication; RFC 5280, section 6.1
 */

export type ChainVerdict =
  | {
      readonly kind: 'good'
      /** The first moment at which one of the chain is no longer valid. */
      readonly validUntil: EpochMs
      /** SHA-256 of the registered certificate in which it ends; undefined where no chain is needed. */
      readonly anchor?: string
    }
  | { readonly kind: 'bad'; readonly why: string }

/** Certificates between the client's own and the anchor. */
const intermediates = 5
const clientAuth = '1.3.6.1.5.5.7.3.2'
const anyPurpose = '2.5.29.37.0'

const identifiers = { basicConstraints: '551d13' } as const
/** Critical extensions that are understood here or cannot make a chain bad: the identifiers in hex. */
const understood = new Set([
  identifiers.basicConstraints,
  ...['551d0f', '551d25', '551d11', '551d20', '551d0e', '551d23'],
])

/** @param sent what the client sent beside its own certificate */
export function verifyChain(
  own: X509Certificate,
  sent: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  now: EpochMs,
): ChainVerdict {
  const flaw = validityFlaw(own, now) ?? purposeFlaw(own) ?? criticalFlaw(own)
  if (flaw !== undefined) return { kind: 'bad', why: `The certificate ${flaw}.` }
  const search = { anchors, now, flaw: undefined as string | undefined }
  const end = climb(own, sent.slice(0, sentLookedAt), 0, search)
  if (end) return { kind: 'good', ...end }
  return {
    kind: 'bad',
    why:
      search.flaw ??
      `The certificate is not signed by a registered CA certificate; its issuer is '${oneLine(own.issuer)}'.`,
  }
}

/** Of a certificate that needs no chain. */
export function verifyValidity(own: X509Certificate, now: EpochMs): ChainVerdict {
  const flaw = validityFlaw(own, now)
  return flaw === undefined
    ? { kind: 'good', validUntil: own.validToDate.getTime() }
    : { kind: 'bad', why: `The certificate ${flaw}.` }
}

/** Certificates that are sent beyond these are not looked at. */
const sentLookedAt = 10

interface Search {
  readonly anchors: readonly X509Certificate[]
  readonly now: EpochMs
  /** What was wrong with the authority that has signed it, for the refusal. */
  flaw: string | undefined
}

/** The end of a chain. */
interface End {
  readonly validUntil: EpochMs
  readonly anchor: string
}

/** @param below how many intermediate certificates are used already */
function climb(
  certificate: X509Certificate,
  sent: readonly X509Certificate[],
  below: number,
  search: Search,
): End | undefined {
  const ends = certificate.validToDate.getTime()
  for (const anchor of search.anchors) {
    if (!hasSigned(anchor, certificate)) continue
    const flaw = authorityFlaw(anchor, below, search.now)
    if (flaw === undefined)
      return { validUntil: Math.min(ends, anchor.validToDate.getTime()), anchor: anchor.fingerprint256 }
    search.flaw = `The CA certificate '${oneLine(anchor.subject)}' ${flaw}.`
  }
  if (below === intermediates) return undefined
  for (const candidate of sent) {
    if (!hasSigned(candidate, certificate)) continue
    const flaw = authorityFlaw(candidate, below, search.now)
    if (flaw !== undefined) {
      search.flaw = `The intermediate certificate '${oneLine(candidate.subject)}' ${flaw}.`
      continue
    }
    const rest = sent.filter((each) => each !== candidate)
    const end = climb(candidate, rest, below + 1, search)
    if (end) return { ...end, validUntil: Math.min(ends, end.validUntil) }
  }
  return undefined
}

/** The names and key identifiers agree, the authority's key may sign certificates, and it did. */
const hasSigned = (authority: X509Certificate, certificate: X509Certificate): boolean =>
  certificate.checkIssued(authority) && certificate.verify(authority.publicKey)

function authorityFlaw(authority: X509Certificate, below: number, now: EpochMs): string | undefined {
  if (!authority.ca) return 'is not that of a certificate authority'
  const invalid = validityFlaw(authority, now) ?? criticalFlaw(authority)
  if (invalid !== undefined) return invalid
  const constraints = extensionsOf(authority.raw).find(({ id }) => id === identifiers.basicConstraints)
  const most = constraints && pathLengthOf(constraints.value)
  if (most !== undefined && below > most)
    return `allows ${most} intermediate certificates below it; there are ${below}`
  return undefined
}

function validityFlaw({ validFromDate, validToDate }: X509Certificate, now: EpochMs): string | undefined {
  if (now < validFromDate.getTime()) return `is not valid before ${validFromDate.toISOString()}`
  if (now >= validToDate.getTime()) return `expired at ${validToDate.toISOString()}`
  return undefined
}

/** Where a certificate says what it is for, clients must be among it. */
function purposeFlaw({ keyUsage }: X509Certificate): string | undefined {
  if (keyUsage === undefined || keyUsage.length === 0) return undefined
  if (keyUsage.includes(clientAuth) || keyUsage.includes(anyPurpose)) return undefined
  return 'is not for the authentication of clients, says its extended key usage'
}

/** Source: RFC 5280, section 4.2: "MUST reject the certificate if it encounters a critical extension it does not recognize" */
function criticalFlaw(certificate: X509Certificate): string | undefined {
  const unknown = extensionsOf(certificate.raw).find(({ id, critical }) => critical && !understood.has(id))
  return unknown && `has a critical extension that is not supported (${unknown.id})`
}

const oneLine = (name: string) => name.replaceAll('\n', ', ')
