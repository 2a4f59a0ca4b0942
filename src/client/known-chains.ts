import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { type ChainVerdict, verifyChain } from './certificate-chain.ts'

/** Chains of which the verdict is remembered: to verify one takes as long as a hundred publishes. */
const rememberedChains = 10_000

/**
 * Chains of client certificates, each verified once. A resumed TLS session brings the client's own certificate only: what
 * lay between it and the authority was seen when the session began.
 */
export class KnownChains {
  readonly #anchors: () => Iterable<X509Certificate>
  readonly #clock: Clock
  /** By the thumbprint of the client's own certificate. */
  readonly #good = new Map<string, ChainVerdict & { readonly kind: 'good' }>()

  /** @param anchors the registered authorities, as they are now */
  constructor(anchors: () => Iterable<X509Certificate>, clock: Clock) {
    this.#anchors = anchors
    this.#clock = clock
  }

  verify(own: X509Certificate, sent: readonly X509Certificate[]): ChainVerdict {
    const known = this.#good.get(own.fingerprint256)
    if (known && known.validUntil > this.#clock.now()) return known
    const verdict = verifyChain(own, sent, [...this.#anchors()], this.#clock.now())
    this.#good.delete(own.fingerprint256)
    if (verdict.kind === 'bad') return verdict
    if (this.#good.size >= rememberedChains) this.#good.delete(this.#good.keys().next().value as string)
    this.#good.set(own.fingerprint256, verdict)
    return verdict
  }

  /** The registered authorities have changed: chains that end in one that is gone are looked at again. */
  anchorsChanged(): void {
    const anchors = new Set([...this.#anchors()].map(({ fingerprint256 }) => fingerprint256))
    for (const [own, { anchor = '' }] of this.#good) if (!anchors.has(anchor)) this.#good.delete(own)
  }
}
