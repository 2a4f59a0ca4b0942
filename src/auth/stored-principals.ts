import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import type { Records } from '../store/store.ts'
import type { Principal, Principals } from './principals.ts'

/*
 * Principals that are made while the server runs, kept in the records. Their secrets are long random texts of our own
 * making, of which a plain hash tells nobody anything; the secret itself is shown once and kept nowhere.
 */

/** What is told of a principal that is stored here. */
export interface StoredPrincipal extends Principal {
  /** ISO 8601. */
  readonly createdAt: string
  readonly createdBy: string
}

interface Kept extends Omit<StoredPrincipal, 'administrator'> {
  /** SHA-256 in hex. */
  readonly secretHash: string
}

const recordPrefix = 'principal/'
const secretBytes = 32
export const principalLimits = { principals: 10_000, nameCharacters: 120 }

/** Loads those that there are. @param configured their names and ids are taken already */
export async function openStoredPrincipals(options: {
  readonly records: Records
  readonly configured: Principals
  readonly clock: Clock
}): Promise<StoredPrincipals> {
  const principals = new StoredPrincipals(options)
  await principals.load()
  return principals
}

export class StoredPrincipals implements Principals {
  readonly #records: Records
  readonly #configured: Principals
  readonly #clock: Clock
  readonly #byClientId = new Map<string, StoredPrincipal>()
  readonly #byObjectId = new Map<string, StoredPrincipal>()
  readonly #hashes = new Map<Principal, Buffer>()
  /** Names in lower case, also of those that are being made. */
  readonly #names = new Set<string>()
  readonly #listeners: (() => void)[] = []

  constructor({
    records,
    configured,
    clock,
  }: {
    readonly records: Records
    readonly configured: Principals
    readonly clock: Clock
  }) {
    this.#records = records
    this.#configured = configured
    this.#clock = clock
  }

  async load(): Promise<void> {
    for (const { value } of await this.#records.list(recordPrefix)) this.#place(value as Kept)
  }

  /** Those made here, in the order of their names. */
  all(): readonly StoredPrincipal[] {
    return [...this.#byClientId.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }

  /**
   * Makes a principal, durable when the promise resolves. Rejects with a `RequestError` for a name that cannot be had.
   *
   * @returns the secret too, which cannot be had again
   */
  async create(
    name: string,
    createdBy: string,
  ): Promise<{ readonly principal: StoredPrincipal; readonly secret: string }> {
    checkName(name)
    const lower = name.toLowerCase()
    if (this.#names.has(lower) || this.#configured.byName(name)) throw nameTaken(name)
    if (this.#names.size >= principalLimits.principals) throw tooMany()
    this.#names.add(lower)
    const secret = randomBytes(secretBytes).toString('base64url')
    const kept: Kept = {
      name,
      clientId: newGuid(),
      objectId: newGuid(),
      createdAt: new Date(this.#clock.now()).toISOString(),
      createdBy,
      secretHash: sha256(secret).toString('hex'),
    }
    try {
      await this.#records.put(recordPrefix + kept.clientId, kept, 0)
    } catch (error) {
      this.#names.delete(lower)
      throw error
    }
    return { principal: this.#place(kept), secret }
  }

  /** From now on it can neither sign in nor use the tokens that it has; false when it is none of those made here. */
  async delete(clientId: string): Promise<boolean> {
    const known = this.#byClientId.get(clientId.toLowerCase())
    if (!known) return false
    await this.#records.delete(recordPrefix + known.clientId)
    this.#byClientId.delete(known.clientId)
    this.#byObjectId.delete(known.objectId)
    this.#hashes.delete(known)
    this.#names.delete(known.name.toLowerCase())
    for (const listener of this.#listeners) listener()
    return true
  }

  /** The listener is called when one is gone, before whoever asked for it is answered. */
  onDelete(listener: () => void): void {
    this.#listeners.push(listener)
  }

  byClientId(clientId: string): StoredPrincipal | undefined {
    return this.#byClientId.get(clientId.toLowerCase())
  }

  byObjectId(objectId: string): StoredPrincipal | undefined {
    return this.#byObjectId.get(objectId.toLowerCase())
  }

  byName(name: string): StoredPrincipal | undefined {
    const lower = name.toLowerCase()
    return this.#names.has(lower) ? this.all().find((each) => each.name.toLowerCase() === lower) : undefined
  }

  isSecretOf(principal: Principal, secret: string): boolean {
    const hash = this.#hashes.get(principal)
    return hash !== undefined && timingSafeEqual(hash, sha256(secret))
  }

  certificateOf(): undefined {
    return undefined
  }

  #place({ secretHash, ...kept }: Kept): StoredPrincipal {
    const principal = { ...kept, administrator: false }
    this.#byClientId.set(principal.clientId, principal)
    this.#byObjectId.set(principal.objectId, principal)
    this.#hashes.set(principal, Buffer.from(secretHash, 'hex'))
    this.#names.add(principal.name.toLowerCase())
    return principal
  }
}

function checkName(name: string): void {
  if (name.trim() !== '' && name.length <= principalLimits.nameCharacters && !/\p{Cc}/u.test(name)) return
  throw new RequestError(
    400,
    'InvalidRequest',
    `The name of a principal must be 1 to ${principalLimits.nameCharacters} characters, none of them a control; got '${name.slice(0, 200)}'.`,
    { target: 'name' },
  )
}

const nameTaken = (name: string) =>
  new RequestError(409, 'Conflict', `There is a principal '${name}' already.`, { target: 'name' })

const tooMany = () =>
  new RequestError(
    409,
    'Conflict',
    `There are ${principalLimits.principals} principals already, as many as there may be: delete one.`,
  )

const sha256 = (text: string) => createHash('sha256').update(text).digest()
