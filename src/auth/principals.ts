import { createHash, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'

/** An application that the configuration lets sign in, with a secret or a certificate. */
export interface PrincipalSettings extends Principal {
  readonly clientSecret: string | undefined
  readonly certificate: ClientCertificate | undefined
}

/** What assertions of a principal are verified with. */
export interface ClientCertificate {
  readonly publicKey: KeyObject
  readonly validFrom: EpochMs
  readonly validUntil: EpochMs
}

export interface Principal {
  readonly name: string
  /** A guid in lower case, as is the object id. */
  readonly clientId: string
  /** What role assignments name. */
  readonly objectId: string
  /** Its tokens are good for the control plane too. */
  readonly administrator: boolean
}

/** Principals that may sign in, each secret only as a hash. */
export interface Principals {
  readonly byClientId: (clientId: string) => Principal | undefined
  readonly byObjectId: (objectId: string) => Principal | undefined
  /** In any letter case. */
  readonly byName: (name: string) => Principal | undefined
  /** Takes the same time however much of the secret is right. */
  readonly isSecretOf: (principal: Principal, secret: string) => boolean
  readonly certificateOf: (principal: Principal) => ClientCertificate | undefined
}

/** Several sources of principals as one; of two that have the same id, the first counts. */
export function joinPrincipals(sources: readonly Principals[]): Principals {
  const first =
    (find: 'byClientId' | 'byObjectId' | 'byName') =>
    (text: string): Principal | undefined => {
      for (const source of sources) {
        const found = source[find](text)
        if (found) return found
      }
      return undefined
    }
  return {
    byClientId: first('byClientId'),
    byObjectId: first('byObjectId'),
    byName: first('byName'),
    isSecretOf: (principal, secret) => sources.some((source) => source.isSecretOf(principal, secret)),
    certificateOf: (principal) =>
      sources.map((source) => source.certificateOf(principal)).find((found) => found !== undefined),
  }
}

/** Those of the configuration. */
export function createPrincipals(settings: readonly PrincipalSettings[]): Principals {
  const byClientId = new Map<string, Principal>()
  const byObjectId = new Map<string, Principal>()
  const byName = new Map<string, Principal>()
  const hashes = new Map<Principal, Buffer>()
  const certificates = new Map<Principal, ClientCertificate>()
  for (const { clientSecret, certificate, ...principal } of settings) {
    byClientId.set(principal.clientId, principal)
    byObjectId.set(principal.objectId, principal)
    byName.set(principal.name.toLowerCase(), principal)
    if (clientSecret !== undefined) hashes.set(principal, sha256(clientSecret))
    if (certificate) certificates.set(principal, certificate)
  }
  return {
    byClientId: (clientId) => byClientId.get(clientId.toLowerCase()),
    byObjectId: (objectId) => byObjectId.get(objectId.toLowerCase()),
    byName: (name) => byName.get(name.toLowerCase()),
    isSecretOf(principal, secret) {
      const hash = hashes.get(principal)
      return hash !== undefined && timingSafeEqual(hash, sha256(secret))
    },
    certificateOf: (principal) => certificates.get(principal),
  }
}

/**
 * A guid that is always the same for the same text, for what must have one and was given none.
 *
 * Source: RFC 9562, section 5.8 (version 8)
 */
export function guidOf(text: string): string {
  const bytes = sha256(text).subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()
