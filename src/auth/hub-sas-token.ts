import { createHmac, timingSafeEqual } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'

/*
 * Shared access signatures of IoT hubs: `sr=<resource>&sig=<signature>&se=<expiry>[&skn=<policy>]`, in any order. What was
 * signed is the text of `sr` as it came, a line feed, and the text of `se`: clients differ in how they percent-encode.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas
 */

export interface HubSasToken {
  /** Decoded, without a slash at its end: `host/devices/dev1`. */
  readonly resource: string
  /** The policy whose key has signed it; undefined: the device's own key. */
  readonly policy: string | undefined
  readonly expiresAt: EpochMs
  readonly signed: string
  readonly signature: Buffer
}

/** How far the clocks of clients may be behind. Source: the same, "Use a SAS token" */
export const hubClockSkewMs = 5 * 60_000

/** The token's parts, or what is wrong with its form. */
export function decodeHubSasToken(text: string): HubSasToken | string {
  const parts = new Map<string, string>()
  for (const part of text.replace(/^SharedAccessSignature\s+/i, '').split('&')) {
    const equals = part.indexOf('=')
    if (equals > 0) parts.set(part.slice(0, equals), part.slice(equals + 1))
  }
  const [sr, sig, se, skn] = ['sr', 'sig', 'se', 'skn'].map((name) => parts.get(name))
  if (sr === undefined || sig === undefined || se === undefined)
    return 'The token is not of the form SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>.'
  const resource = decodePercent(sr)
  const signature = decodePercent(sig)
  const policy = skn === undefined ? undefined : decodePercent(skn)
  if (resource === undefined || signature === undefined || (skn !== undefined && policy === undefined))
    return 'The token is not percent-encoded as it must be.'
  if (!/^\d{1,12}$/.test(se)) return "The token's expiry is no number of seconds since 1970."
  return {
    resource: withoutTrailingSlashes(resource),
    policy: policy === '' ? undefined : policy,
    expiresAt: Number(se) * 1000,
    signed: `${sr}\n${se}`,
    signature: Buffer.from(signature, 'base64'),
  }
}

/**
 * In constant time for each key.
 *
 * @param encoding of keys: those of hubs are base64; clients of Event Hubs take their text as it is
 */
export function isSignedBy(
  { signed, signature }: HubSasToken,
  keys: readonly string[],
  encoding: 'base64' | 'utf8' = 'base64',
): boolean {
  let found = false
  for (const key of keys) {
    const expected = createHmac('sha256', Buffer.from(key, encoding)).update(signed).digest()
    if (key !== '' && signature.length === expected.length && timingSafeEqual(signature, expected))
      found = true
  }
  return found
}

/**
 * Whether a token made for `granted` is good for `asked`, both without their hosts: by whole segments, `/devices/a` covers
 * `/devices/a/modules/b`. Letter case matters in ids.
 */
export function covers(granted: string, asked: string): boolean {
  return granted === '' || asked === granted || asked.startsWith(`${granted}/`)
}

/** `host/devices/dev1` is the host and `/devices/dev1`. */
export function splitResource(resource: string): { readonly host: string; readonly path: string } {
  const slash = resource.indexOf('/')
  const host = slash < 0 ? resource : resource.slice(0, slash)
  return { host: host.toLowerCase(), path: slash < 0 ? '' : resource.slice(slash) }
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
