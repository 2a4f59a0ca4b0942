import type { Principal, Principals } from '../auth/principals.ts'
import { guidOf } from '../base/ids.ts'
import type { StoredResource } from '../resources/resource-type.ts'

export const identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

/** An identity that is a resource, and signs in by being asked for on this machine. */
export interface ManagedIdentity extends Principal {
  readonly resourceId: string
}

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * The user-assigned managed identities that are stored here. They have no secret and no certificate: their tokens are
 * had from the managed identity endpoints alone. When the resource goes, its tokens are good no more.
 */
export class Identities implements Principals {
  readonly #byResourceId = new Map<string, ManagedIdentity>()
  readonly #byClientId = new Map<string, ManagedIdentity>()
  readonly #byObjectId = new Map<string, ManagedIdentity>()

  put(resource: StoredResource): void {
    this.delete(resource)
    const { id, name, properties } = resource
    const key = id.toLowerCase()
    const guidIn = (member: string, seed: string) => {
      const given = properties[member]
      return typeof given === 'string' && guid.test(given) ? given.toLowerCase() : guidOf(`${seed} ${key}`)
    }
    const clientId = guidIn('clientId', 'client')
    const objectId = guidIn('principalId', 'principal')
    // Nobody becomes another by saying so.
    if (this.#byClientId.has(clientId) || this.#byObjectId.has(objectId)) return
    const identity = { resourceId: id, name, clientId, objectId, administrator: false }
    this.#byResourceId.set(key, identity)
    this.#byClientId.set(clientId, identity)
    this.#byObjectId.set(objectId, identity)
  }

  delete({ id }: StoredResource): void {
    const known = this.#byResourceId.get(id.toLowerCase())
    if (!known) return
    this.#byResourceId.delete(id.toLowerCase())
    this.#byClientId.delete(known.clientId)
    this.#byObjectId.delete(known.objectId)
  }

  all(): readonly ManagedIdentity[] {
    return [...this.#byResourceId.values()]
  }

  byResourceId(id: string): ManagedIdentity | undefined {
    return this.#byResourceId.get(id.toLowerCase())
  }

  byClientId(clientId: string): ManagedIdentity | undefined {
    return this.#byClientId.get(clientId.toLowerCase())
  }

  byObjectId(objectId: string): ManagedIdentity | undefined {
    return this.#byObjectId.get(objectId.toLowerCase())
  }

  /** Two in different groups may have the same name: it finds none. */
  byName(): undefined {
    return undefined
  }

  isSecretOf(): false {
    return false
  }

  certificateOf(): undefined {
    return undefined
  }
}
