import type { X509Certificate } from 'node:crypto'
import type { Clock, EpochMs } from '../base/clock.ts'
import { readCertificate } from '../client/certificate.ts'
import type { NetworkRules } from '../destinations/network.ts'
import { type Answer, createSender, defaultSenderLimits } from '../destinations/sender.ts'
import type { FetchCertificates } from './custom-jwt.ts'

/*
 * What this room asks of others while a client waits: webhooks that authenticate, and certificates of issuers. The
 * network rules of deliveries hold.
 */

export interface Outgoing {
  request(
    method: 'GET' | 'POST',
    url: string,
    headers: readonly string[],
    body: Buffer | null,
    signal: AbortSignal,
  ): Promise<Answer>
  close(): Promise<void>
}

/** Source: learn.microsoft.com/azure/event-grid/mqtt-client-custom-authentication-webhook: about five seconds. */
const answerMs = 5_000
/** What a webhook may answer; attributes are at most a few kilobytes. */
const answerBytes = 65_536

export function createOutgoing(clock: Clock, rules: NetworkRules): Outgoing {
  const sender = createSender(clock, rules, {
    ...defaultSenderLimits,
    responseMs: answerMs,
    connectMs: answerMs,
    lateMs: 0,
    lateExchanges: 0,
    responseBytes: answerBytes,
  })
  return {
    async request(method, url, headers, body, signal) {
      const { origin, pathname, search } = new URL(url)
      const channel = sender.open(origin)
      try {
        const keep = { bytes: answerBytes, onlyFailures: false }
        return await channel.send({ method, path: pathname + search, headers, body }, keep, signal)
      } finally {
        await channel.close()
      }
    },
    close: () => sender.close(),
  }
}

/** How an exchange failed that brought no usable answer. */
export function failureOf(answer: Answer): string {
  switch (answer.kind) {
    case 'response':
      return `it answered ${answer.status}`
    case 'timeout':
      return `it did not answer within ${answerMs / 1000} seconds`
    case 'aborted':
      return 'the client went away'
    case 'failed':
      return answer.message
  }
}

/** How long a certificate from a URL is used before it is asked for again. */
const keptMs = 3_600_000
const rememberedUrls = 1_000

/** PEM, or the JSON of a key vault's certificate with its `cer`. */
export function createCertificateFetcher(outgoing: Outgoing, clock: Clock): FetchCertificates {
  const known = new Map<string, { certificates: readonly X509Certificate[]; at: EpochMs }>()
  return async (url) => {
    const before = known.get(url)
    if (before && clock.now() - before.at < keptMs) return before.certificates
    const answer = await outgoing.request('GET', url, ['Accept', '*/*'], null, new AbortController().signal)
    const certificates =
      answer.kind === 'response' && answer.status === 200 ? certificatesIn(answer.text) : []
    if (certificates.length === 0)
      throw new Error(`No issuer certificate could be had from ${new URL(url).origin}: ${failureOf(answer)}`)
    if (known.size >= rememberedUrls) known.delete(known.keys().next().value as string)
    known.set(url, { certificates, at: clock.now() })
    return certificates
  }
}

function certificatesIn(text: string): readonly X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  if (blocks) return blocks.flatMap((pem) => readCertificate(pem) ?? [])
  try {
    const { cer } = JSON.parse(text) as { cer?: unknown }
    return typeof cer === 'string'
      ? [readCertificate(Buffer.from(cer, 'base64'))].flatMap((each) => each ?? [])
      : []
  } catch {
    // Neither PEM nor JSON: there is no certificate in it, which the caller says.
    return []
  }
}
