import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { Clock, EpochMs } from '../base/clock.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'
import type { Credential, Guarded } from './credential.ts'
import { decodeExpiry } from './expiry.ts'

/** How many tokens that were found good are remembered; beyond it, all are forgotten and checked again. */
const rememberedTokens = 10_000

/**
 * Shared access signatures: `r=<resource>&e=<expiry>&s=<signature>`. What was signed is the text before `&s=` as
 * it came: clients differ in how they percent-encode, so it must not be decoded and encoded again.
 *
 * A token found good is remembered by its hash until it expires, or until the key that signed it is regenerated.
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
 */
export function createSasTokens({ clock }: { readonly clock: Clock }): Credential {
  const remembered = new Map<string, { readonly key: string; readonly token: Token }>()
  return {
    refusal(presented, guarded) {
      const digest = hash('sha256', presented, 'base64')
      const known = remembered.get(digest)
      if (known && guarded.keys.includes(known.key)) {
        const refused = refusalOf(known.token, guarded, clock.now())
        if (refused !== undefined) remembered.delete(digest)
        return refused
      }
      const token = decodeToken(presented)
      if (typeof token === 'string') return token
      const key = guarded.keys.find((candidate) => isSignedBy(candidate, token))
      if (key === undefined) return 'The signature was not made with a key of this resource.'
      const refused = refusalOf(token, guarded, clock.now())
      if (refused !== undefined) return refused
      if (remembered.size >= rememberedTokens) remembered.clear()
      remembered.set(digest, { key, token })
      return undefined
    },
  }
}

interface Token {
  readonly signed: string
  readonly signature: Buffer
  readonly host: string
  readonly path: string
  readonly expiresAt: EpochMs
}

/** The token's parts, or what is wrong with its form. */
function decodeToken(text: string): Token | string {
  const parts = /^(r=([^&]+)&e=([^&]+))&s=([^&]+)$/.exec(text)
  if (!parts) return 'The token is not of the form r=<resource>&e=<expiry>&s=<signature>.'
  const [, signed = '', r = '', e = '', s = ''] = parts
  // A `+` is a space to form encoding, but base64 has no spaces.
  const resource = decodePercent(r)
  const expiry = decodePercent(e.replaceAll('+', ' '))
  const signature = decodePercent(s)
  if (resource === undefined || expiry === undefined || signature === undefined)
    return 'The token is not percent-encoded as it must be.'
  const expiresAt = decodeExpiry(expiry)
  if (expiresAt === undefined) return `The token's expiry '${expiry}' is no date and time.`
  const url = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]+)([^?#]*)/i.exec(resource)
  if (!url) return `The token's resource '${resource}' is no absolute URL.`
  const [, host = '', path = ''] = url
  return {
    signed,
    signature: Buffer.from(signature, 'base64'),
    host: host.toLowerCase(),
    path: normalPath(path),
    expiresAt,
  }
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function isSignedBy(key: string, { signed, signature }: Token): boolean {
  const expected = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest()
  return signature.length === expected.length && timingSafeEqual(signature, expected)
}

function refusalOf({ host, path, expiresAt }: Token, guarded: Guarded, now: EpochMs): string | undefined {
  if (expiresAt <= now) return `The token expired at ${new Date(expiresAt).toISOString()}.`
  const asked = normalPath(guarded.path)
  const isPrefix = asked === path || asked.startsWith(`${path}/`)
  return (isPrefix && guarded.isOwnHost(host)) || guarded.isOwnEndpoint(host, path)
    ? undefined
    : 'The token was made for another resource.'
}

const normalPath = (path: string) => withoutTrailingSlashes(path.toLowerCase())
