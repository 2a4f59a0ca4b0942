import type { Principal, Principals } from '../auth/principals.ts'
import { guidOf } from '../base/ids.ts'
import type { StoredResource } from '../resources/resource-type.ts'

export const identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

/** An identity that is a resource, and signs in by being asked for on this machine. */
export interface ManagedIdentity extends Principal {
  readonly resourceId: string
}

/**
 * The user-assigned managed identities that are stored here. They have no secret and no certificate: their tokens are
 * had from the managed identity endpoints alone. When the resource goes, its tokens are good no more.
 */
export class Identities implements Principals {
  readonly #byResourceId = new Map<string, ManagedIdentity>()
  readonly #byClientId = new Map<string, ManagedIdentity>()
  readonly #byObjectId = new Map<string, ManagedIdentity>()

  put(resource: StoredResource): void {
    const { id, name } = resource
    const key = id.toLowerCase()
    // The same as wherever the identity is assigned; not what its body may say, for then anyone could be anyone.
    const clientId = guidOf(`client ${key}`)
    const objectId = guidOf(`principal ${key}`)
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
