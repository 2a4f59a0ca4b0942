import type { Clock, EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import { type HttpResponse, jsonResponse } from '../http/http.ts'
import type { Records } from '../store/store.ts'
import { invalidProperty, notSupported } from '../wire/errors.ts'
import { type Fields, fields, readEnum, readObject, readString, type WireObject } from '../wire/shape.ts'
import { readJsonObject } from './body.ts'
import { allow, type Call } from './call.ts'
import { decodeTags } from './envelope.ts'
import { gatewayError, notFound, subscriptionNotFound } from './errors.ts'
import type { Locks } from './locks.ts'
import type { ProviderBlock } from './path.ts'
import { type ResourceEvents, telling } from './resource-events.ts'
import type { Subscriptions } from './subscriptions.ts'

/*
 * Subscriptions that are made, renamed and canceled through REST: a new one comes with an alias, a name by which the
 * same request finds it again.
 *
 * Source: learn.microsoft.com/rest/api/subscription/alias, .../subscription/subscription
 */

const recordPrefix = 'arm-subscription-alias/'
const mostAliases = 1_000
const nameCharacters = 64

interface Alias {
  readonly name: string
  readonly subscriptionId: string
  readonly workload: string
  readonly billingScope: string | null
  readonly createdAt: EpochMs
  readonly createdBy: string
}

export interface SubscriptionAliasesOptions {
  readonly records: Records
  readonly subscriptions: Subscriptions
  readonly catalog: StoredCatalog
  readonly locks: Locks
  readonly resourceEvents: ResourceEvents
  /** A subscription is about to go. */
  readonly onGone: (subscriptionId: string) => Promise<void>
  readonly bodyBytes: number
  readonly clock: Clock
}

export class SubscriptionAliases {
  readonly #options: SubscriptionAliasesOptions
  /** By name in lower case. */
  readonly #aliases = new Map<string, Alias>()

  constructor(options: SubscriptionAliasesOptions) {
    this.#options = options
  }

  async load(): Promise<void> {
    for (const { key, value } of await this.#options.records.list(recordPrefix))
      this.#aliases.set(key.slice(recordPrefix.length), value as Alias)
  }

  /** `/providers/Microsoft.Subscription/aliases[/{name}]` */
  async answer(call: Call, { types, names }: ProviderBlock): Promise<HttpResponse> {
    const { request } = call
    if (types.length !== 1 || types[0]?.toLowerCase() !== 'aliases') throw notFound(request.path)
    const [name] = names
    if (name === undefined) {
      allow(request, ['GET'])
      return jsonResponse(200, { value: [...this.#aliases.values()].map((alias) => this.#encode(alias)) })
    }
    allow(request, ['GET', 'PUT', 'DELETE'])
    if (request.method === 'PUT') return this.#make(call, name)
    const alias = this.#aliases.get(name.toLowerCase())
    if (request.method === 'DELETE') {
      if (!alias) return { status: 204 }
      await this.#options.records.delete(recordPrefix + name.toLowerCase())
      this.#aliases.delete(name.toLowerCase())
      return { status: 200 }
    }
    if (!alias) throw gatewayError(404, 'AliasNotFound', `There is no alias '${name}'.`)
    return jsonResponse(200, this.#encode(alias))
  }

  /** `/subscriptions/{id}/providers/Microsoft.Subscription/{rename|cancel}`; undefined for any other word. */
  act(call: Call, subscriptionId: string, action: string): Promise<HttpResponse> | undefined {
    const word = ['rename', 'cancel'].find((each) => each === action.toLowerCase())
    if (word === undefined) return undefined
    allow(call.request, ['POST'])
    const { origin } = call
    const resourceId = `/subscriptions/${subscriptionId}`
    const operation = { origin, resourceId, operationName: `Microsoft.Subscription/${word}/action` }
    return telling(this.#options.resourceEvents, operation, async () => {
      await (word === 'rename' ? this.#rename(call, subscriptionId) : this.#cancel(subscriptionId))
      return jsonResponse(200, { subscriptionId })
    })
  }

  async #make({ request, origin }: Call, name: string): Promise<HttpResponse> {
    const { bodyBytes, locks, clock, records, subscriptions } = this.#options
    if (!/^[\w.-]{1,64}$/.test(name))
      throw gatewayError(
        400,
        'InvalidAliasName',
        `The alias '${name.slice(0, 80)}' must be 1 to 64 letters, digits, dots, hyphens or underscores.`,
      )
    const wanted = this.#decode(await readJsonObject(request, bodyBytes))
    const key = name.toLowerCase()
    return locks.hold([{ key: recordPrefix, shared: false }], async () => {
      const known = this.#aliases.get(key)
      if (known && (wanted.subscriptionId === undefined || wanted.subscriptionId === known.subscriptionId))
        return jsonResponse(200, this.#encode(known))
      if (known)
        throw gatewayError(409, 'Conflict', `The alias '${name}' is of '${known.subscriptionId}' already.`)
      if (this.#aliases.size >= mostAliases)
        throw gatewayError(409, 'QuotaExceeded', `There are ${mostAliases} aliases, and no more can be made.`)
      const { displayName, workload, billingScope, tags } = wanted
      const subscriptionId = wanted.subscriptionId ?? newGuid()
      if (wanted.subscriptionId === undefined)
        await subscriptions.make({ id: subscriptionId, displayName: displayName ?? name }, tags)
      const alias = {
        ...{ name, subscriptionId, workload, billingScope },
        ...{ createdAt: clock.now(), createdBy: origin.caller.name },
      }
      await records.put(recordPrefix + key, alias)
      this.#aliases.set(key, alias)
      return jsonResponse(201, this.#encode(alias))
    })
  }

  #decode(body: WireObject) {
    const properties = readObject(fields(body, ''), 'properties') ?? fields({}, 'properties')
    const more = readObject(properties, 'additionalProperties')
    for (const name of ['managementGroupId', 'subscriptionOwnerId', 'subscriptionTenantId'])
      if (more?.raw(name) !== undefined) throw notSupported(more.at(name), `'${name}' of a new subscription`)
    const given = readString(properties, 'subscriptionId', 36)?.toLowerCase()
    if (given !== undefined && !this.#options.subscriptions.find(given)) throw subscriptionNotFound(given)
    return {
      subscriptionId: given,
      displayName: readName(properties, 'displayName'),
      workload: readEnum(properties, 'workload', ['Production', 'DevTest']) ?? 'Production',
      billingScope: readString(properties, 'billingScope', 1_024) ?? null,
      tags: (more && decodeTags(more)) ?? {},
    }
  }

  async #rename({ request }: Call, subscriptionId: string): Promise<void> {
    const { bodyBytes, subscriptions } = this.#options
    const from = fields(await readJsonObject(request, bodyBytes), '')
    const displayName = readName(from, 'subscriptionName')
    if (displayName === undefined) throw invalidProperty('subscriptionName', 'the new name', undefined)
    this.#checkMade(subscriptionId)
    await subscriptions.rename(subscriptionId, displayName)
  }

  /** It is gone at once; on Azure it can be had back for a while. */
  async #cancel(subscriptionId: string): Promise<void> {
    const { catalog, subscriptions, onGone, records } = this.#options
    this.#checkMade(subscriptionId)
    const used = [...catalog.types()].find(
      (type) => catalog.count(type, `/subscriptions/${subscriptionId}/`) > 0,
    )
    if (used !== undefined)
      throw gatewayError(
        409,
        'Conflict',
        `The subscription '${subscriptionId}' has resources of type '${used}': delete them first.`,
      )
    await onGone(`/subscriptions/${subscriptionId}`)
    for (const [key, alias] of this.#aliases)
      if (alias.subscriptionId === subscriptionId) {
        await records.delete(recordPrefix + key)
        this.#aliases.delete(key)
      }
    await subscriptions.remove(subscriptionId)
  }

  #checkMade(subscriptionId: string): void {
    if (this.#options.subscriptions.isConfigured(subscriptionId))
      throw gatewayError(
        409,
        'Conflict',
        `The subscription '${subscriptionId}' is the configuration's: change it there, under 'subscriptions'.`,
      )
  }

  #encode({ name, subscriptionId, workload, billingScope, createdAt, createdBy }: Alias): WireObject {
    const displayName = this.#options.subscriptions.find(subscriptionId)?.displayName ?? null
    return {
      id: `/providers/Microsoft.Subscription/aliases/${name}`,
      name,
      type: 'Microsoft.Subscription/aliases',
      properties: {
        ...{ subscriptionId, displayName, workload, billingScope },
        ...{ provisioningState: 'Succeeded', createdTime: encodeMoment(createdAt) },
      },
      systemData: { createdBy, createdByType: 'User', createdAt: encodeMoment(createdAt) },
    }
  }
}

function readName(from: Fields, name: string): string | undefined {
  const text = readString(from, name, nameCharacters)
  if (text === undefined || text.trim() !== '') return text
  throw invalidProperty(from.at(name), `1 to ${nameCharacters} characters`, text)
}
