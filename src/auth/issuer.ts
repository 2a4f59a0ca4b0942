import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { JWTPayload } from 'jose'
import type { Clock, EpochMs } from '../base/clock.ts'
import { replaceFile } from '../base/files.ts'
import { newGuid } from '../base/ids.ts'
import { OperatorError } from '../base/operator-error.ts'
import { TokenRefused } from './token-refused.ts'

/*
 * Busbar's own issuer: signs the tokens of its principals and those that it sends to webhooks, and verifies the
 * former. Its one key lies in the data directory and is made when it is first needed, which takes a moment that a
 * start without sign-in does not pay for.
 */

/** Whom a token is for and about. */
export interface Grant {
  /** Under which this server is reached; without a slash at its end. */
  readonly base: string
  readonly tenantId: string
  readonly audience: string
  readonly clientId: string
  readonly objectId: string
  readonly roles?: readonly string[]
  readonly version: '1.0' | '2.0'
}

export interface IssuedToken {
  readonly token: string
  readonly expiresAt: EpochMs
}

export interface Issuer {
  sign(grant: Grant): Promise<IssuedToken>
  /** The public key, as the answer of `jwks_uri`. */
  keySet(): Promise<{ readonly keys: readonly Readonly<Record<string, unknown>>[] }>
  /** Whether a token that names that key is one of ours, be it a good one or not. */
  isOwn(keyId: string | undefined): boolean
  /**
   * The claims of a token of ours for one of those audiences. Rejects with `TokenRefused`. The issuer's URL is not
   * compared: it changes with the name under which the server was reached, and the signature says more.
   */
  verify(token: string, audiences: readonly string[]): Promise<JWTPayload>
}

/** Source: learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes; there it is 60 to 90 minutes. */
export const tokenLifetimeMs = 3_600_000
/** Valid since a little while ago, for receivers whose clock is behind. */
const backdatedSeconds = 300
const keyBits = 2048

/** The `iss` of tokens, and where their discovery document is found. */
export const issuerUrl = (base: string, tenantId: string, version: Grant['version']): string =>
  version === '2.0' ? `${base}/${tenantId}/v2.0` : `${base}/${tenantId}/`

/** Rejects with an `OperatorError` when the key file is there and is no key. */
export async function openIssuer({
  keyFile,
  clock,
}: {
  readonly keyFile: string
  readonly clock: Clock
}): Promise<Issuer> {
  let pair = await readPair(keyFile)
  let making: Promise<Pair> | undefined
  const obtain = async (): Promise<Pair> => {
    if (pair) return pair
    making ??= makePair(keyFile).finally(() => (making = undefined))
    return (pair = await making)
  }
  return {
    async sign({ base, tenantId, audience, clientId, objectId, roles, version }) {
      const { privateKey, keyId } = await obtain()
      const { SignJWT } = await import('jose')
      const now = Math.floor(clock.now() / 1000)
      const expires = now + tokenLifetimeMs / 1000
      const isSecond = version === '2.0'
      const token = await new SignJWT({
        aud: audience,
        iss: issuerUrl(base, tenantId, version),
        iat: now - backdatedSeconds,
        nbf: now - backdatedSeconds,
        exp: expires,
        appid: clientId,
        ...(isSecond ? { azp: clientId, azpacr: '1' } : { appidacr: '1' }),
        idp: issuerUrl(base, tenantId, '1.0'),
        idtyp: 'app',
        oid: objectId,
        sub: objectId,
        tid: tenantId,
        ...(roles && { roles }),
        uti: newGuid(),
        ver: version,
      })
        .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: keyId })
        .sign(privateKey)
      return { token, expiresAt: expires * 1000 }
    },
    async keySet() {
      const { publicKey, keyId } = await obtain()
      const { kty, n, e } = publicKey.export({ format: 'jwk' })
      return { keys: [{ kty, use: 'sig', alg: 'RS256', kid: keyId, n, e }] }
    },
    isOwn: (keyId) => pair !== undefined && keyId === pair.keyId,
    async verify(token, audiences) {
      const { publicKey } = await obtain()
      const [{ jwtVerify }, { asRefusal }] = await Promise.all([import('jose'), import('./jose-errors.ts')])
      try {
        const { payload } = await jwtVerify(token, publicKey, {
          audience: [...audiences],
          algorithms: ['RS256'],
          requiredClaims: ['exp', 'oid', 'tid'],
          currentDate: new Date(clock.now()),
        })
        return payload
      } catch (error) {
        throw (
          asRefusal(error, audiences) ??
          new TokenRefused('The bearer token is not readable.', { cause: error })
        )
      }
    },
  }
}

interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly keyId: string
}

async function readPair(file: string): Promise<Pair | undefined> {
  try {
    return pairOf(createPrivateKey(await readFile(file)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new OperatorError(
      `The key that signs tokens, ${file}, cannot be used: ${(error as Error).message} ` +
        'Restore it, or delete it: then every token that was issued must be asked for again.',
      error,
    )
  }
}

async function makePair(file: string): Promise<Pair> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: keyBits })
  replaceFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600)
  return pairOf(privateKey)
}

function pairOf(privateKey: KeyObject): Pair {
  if (privateKey.asymmetricKeyType !== 'rsa') throw new Error('it is not an RSA key.')
  const publicKey = createPublicKey(privateKey)
  const bytes = publicKey.export({ type: 'spki', format: 'der' })
  return { privateKey, publicKey, keyId: createHash('sha256').update(bytes).digest('base64url') }
}
