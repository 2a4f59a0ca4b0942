import type { Origin } from '../auth/origin.ts'
import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import { type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { readJsonObject } from './body.ts'
import { gatewayError, methodNotAllowed } from './errors.ts'
import { checkUnlocked } from './management-locks.ts'
import { operationOf, type ResourceEvents, telling } from './resource-events.ts'
import type { ResourceRef } from './resource-ref.ts'
import type { Subscription, Subscriptions } from './subscriptions.ts'
import {
  changedTagNames,
  decodeTagsBody,
  encodeTags,
  isTagUsed,
  type TagNameChange,
  type Tags,
  tagInUse,
  tagNamesOf,
  tagsId,
} from './tags.ts'
import type { Writes } from './writes.ts'

/*
 * `{scope}/providers/Microsoft.Resources/tags/default` and `/subscriptions/{id}/tagNames`.
 *
 * Source: learn.microsoft.com/rest/api/resources/tags
 */

export interface TagRoutesOptions {
  readonly catalog: StoredCatalog
  readonly writes: Writes
  readonly subscriptions: Subscriptions
  readonly resourceEvents: ResourceEvents
  readonly bodyBytes: number
}

export interface TagRequest {
  readonly request: HttpRequest
  readonly origin: Origin
  readonly subscription: Subscription
}

export class TagRoutes {
  readonly #options: TagRoutesOptions

  constructor(options: TagRoutesOptions) {
    this.#options = options
  }

  /** @param ref what has the tags; undefined: the subscription */
  async onScope({ request, origin, subscription }: TagRequest, ref: ResourceRef | undefined) {
    const { writes, subscriptions } = this.#options
    const { method } = request
    const subscriptionId = `/subscriptions/${subscription.id}`
    if (ref && !ref.type.tracked)
      throw gatewayError(400, 'BadRequest', `Resources of type '${ref.form}' have no tags.`)
    if (method === 'GET') {
      const found = ref && writes.find(ref).resource
      return jsonResponse(
        200,
        encodeTags(found?.id ?? subscriptionId, (found ?? subscriptions.find(subscription.id))?.tags ?? {}),
      )
    }
    if (method !== 'PUT' && method !== 'PATCH' && method !== 'DELETE')
      throw methodNotAllowed(method, ['GET', 'PUT', 'PATCH', 'DELETE'])
    const decide = await this.#decision(request)
    const operation = method === 'DELETE' ? 'delete' : 'write'
    const changed = ref
      ? await writes.retag(ref, operation, decide, origin)
      : {
          id: subscriptionId,
          tags: await this.#ofSubscription({ request, origin, subscription }, operation, decide),
        }
    return method === 'DELETE' ? { status: 200 } : jsonResponse(200, encodeTags(changed.id, changed.tags))
  }

  /** A body that cannot be read is a write that failed, and so it is read before, and refused within. */
  async #decision(request: HttpRequest): Promise<(before: Tags) => Tags> {
    if (request.method === 'DELETE') return () => ({})
    try {
      const body = await readJsonObject(request, this.#options.bodyBytes)
      return (before) => decodeTagsBody(body, request.method, before)
    } catch (error) {
      return () => {
        throw error
      }
    }
  }

  #ofSubscription(
    { origin, subscription }: TagRequest,
    operation: 'write' | 'delete',
    decide: (before: Tags) => Tags,
  ): Promise<Tags> {
    const { catalog, subscriptions, resourceEvents } = this.#options
    const scope = `/subscriptions/${subscription.id}`
    const operationName = operationOf('Microsoft.Resources/tags', operation)
    return telling(resourceEvents, { origin, resourceId: tagsId(scope), operationName }, async () => {
      checkUnlocked(catalog, scope, 'write')
      const { tags } = await subscriptions.change(subscription.id, ({ tags: before }) => ({
        tags: decide(before),
      }))
      return tags
    })
  }

  /** @param words what follows `tagNames` in the path */
  async names(
    { request, origin, subscription }: TagRequest,
    words: readonly string[],
  ): Promise<HttpResponse | undefined> {
    const { catalog, subscriptions, resourceEvents } = this.#options
    const [name, literal, value] = words
    if (name === undefined) {
      if (request.method !== 'GET') throw methodNotAllowed(request.method, ['GET'])
      return jsonResponse(200, { value: tagNamesOf(catalog, subscription) })
    }
    if (literal !== undefined && (literal.toLowerCase() !== 'tagvalues' || value === undefined))
      return undefined
    const { method } = request
    if (method !== 'PUT' && method !== 'DELETE') throw methodNotAllowed(method, ['PUT', 'DELETE'])
    const change: TagNameChange = { name, value, method }
    const scope = `/subscriptions/${subscription.id}`
    const path = value === undefined ? name : `${name}/tagValues/${value}`
    const type = `Microsoft.Resources/subscriptions/tagNames${value === undefined ? '' : '/tagValues'}`
    const operationName = operationOf(type, method === 'PUT' ? 'write' : 'delete')
    return telling(
      resourceEvents,
      { origin, resourceId: `${scope}/tagNames/${path}`, operationName },
      async () => {
        checkUnlocked(catalog, scope, 'write')
        let changes = false
        const after = await subscriptions.change(subscription.id, (now) => {
          if (method === 'DELETE' && isTagUsed(catalog, now, change)) throw tagInUse(name)
          const tagNames = changedTagNames(now, change)
          changes = tagNames !== undefined
          return tagNames ? { tagNames } : {}
        })
        if (method === 'DELETE') return { status: changes ? 200 : 204 }
        const known = tagNamesOf(catalog, after).find(
          ({ tagName }) => tagName.toLowerCase() === name.toLowerCase(),
        )
        const told =
          value === undefined
            ? known
            : known?.values.find(({ tagValue }) => tagValue.toLowerCase() === value.toLowerCase())
        return jsonResponse(changes ? 201 : 200, told)
      },
    )
  }
}
