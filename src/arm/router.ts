import type { Authorize, Caller } from '../auth/caller.ts'
import type { Origin } from '../auth/origin.ts'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { encodeMoment } from '../base/moment.ts'
import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import type { Connection } from '../destinations/connections.ts'
import { type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { customRoleOf, customRoles } from '../resources/custom-roles.ts'
import { eventSourceOf } from '../resources/event-subscriptions/event-source.ts'
import { genericNamespace } from '../resources/generic-providers.ts'
import type { Capabilities, ResourceType } from '../resources/resource-type.ts'
import { roleDefinitionOf } from '../resources/role-definitions.ts'
import { levelsOf } from '../wire/arm-id.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { checkApiVersion } from './api-versions.ts'
import { answerBatch, isBatch } from './batch.ts'
import { readJson, readJsonObject } from './body.ts'
import { allow, type Call, type Perform } from './call.ts'
import { CallPermission } from './call-permission.ts'
import { deploymentPathOf } from './deployments/deployment-path.ts'
import type { Deployments } from './deployments/deployments.ts'
import {
  encodeLocations,
  encodeProvider,
  encodeSubscription,
  encodeTenant,
  type Provider,
  providerNamespaces,
} from './directory.ts'
import { encodeResource, etagOf } from './envelope.ts'
import {
  builtInRole,
  gatewayError,
  invalidContent,
  invalidNamespace,
  missingApiVersion,
  notFound,
  operationNotFound,
  roleDefinitionNotFound,
  subscriptionNotFound,
} from './errors.ts'
import { exportTemplate } from './export-template.ts'
import { encodeExtensionTopic, isExtensionTopic } from './extension-topics.ts'
import { checkNameAvailability, listKeysOf, nothingBehind, warningHeader } from './generic-resources.ts'
import { headerOf, parameterOf, pollAgain } from './headers.ts'
import { answerOfHub, type HubFacts, type HubPath, hubPathOf, isHubAction } from './hub-routes.ts'
import { Lists } from './lists.ts'
import { checkUnlocked } from './management-locks.ts'
import { actionOf } from './needed-access.ts'
import type { Operations } from './operations.ts'
import { type ParsedPath, type ProviderBlock, parsePath, splitPath } from './path.ts'
import { type PrivateLinkPath, privateLinkPathOf, readPrivateLink } from './private-links.ts'
import { operationsOf } from './provider-operations.ts'
import { changedRegistration, checkRegistered, registered } from './registrations.ts'
import { type ResourceEvents, telling } from './resource-events.ts'
import { printedForm, type ResourceRef, type ResourceRefs } from './resource-ref.ts'
import { listRoleDefinitions, roleDefinitionAt } from './role-lists.ts'
import type { SubscriptionAliases } from './subscription-aliases.ts'
import type { Subscription, Subscriptions } from './subscriptions.ts'
import { TagRoutes } from './tag-routes.ts'
import { isTags } from './tags.ts'
import { eventTypesAt, topicTypesAt } from './topic-types.ts'
import type { Verifications } from './verifications.ts'
import type { Preconditions, Writes } from './writes.ts'

export interface RouterOptions {
  readonly catalog: StoredCatalog
  readonly types: readonly ResourceType[]
  readonly refs: ResourceRefs
  readonly capabilities: Capabilities
  readonly operations: Operations
  readonly verifications: Verifications
  readonly writes: Writes
  readonly resourceEvents: ResourceEvents
  readonly deployments: Deployments
  readonly subscriptions: Subscriptions
  readonly aliases: SubscriptionAliases
  readonly tenantId: string
  readonly publicUrl: () => string
  readonly amqpsPort: () => number | undefined
  /** How a resource of a provider that is not run here is reached; undefined: it is not. */
  readonly connectionOf: (resourceId: string) => Connection | undefined
  /** What runs behind IoT hubs. */
  readonly hubFacts: HubFacts
  /** What a client is told of an error; throws for a bug. */
  readonly refusal: (error: unknown) => HttpResponse
  readonly log: Log
  readonly bodyBytes: number
  readonly clock: Clock
}

/** @param originOf where what that caller asks for by the request comes from */
export type Route = (
  request: HttpRequest,
  identify: Authorize,
  originOf: (caller: Caller) => Origin,
) => Promise<HttpResponse>

/** A request about something in a subscription that there is. */
interface SubscriptionCall extends Call {
  readonly subscription: Subscription
}

/** Finds what a request means, and answers it. Rejects with a `RequestError` for what the caller got wrong. */
export function createRouter(options: RouterOptions): { readonly route: Route; readonly perform: Perform } {
  const router = new Router(options)
  const perform: Perform = async (request, caller, origin) => {
    const path = parsePath(splitPath(request.path))
    return router.route({ request, caller, origin, apiVersion: apiVersionOf(request, path), path })
  }
  const route: Route = async (request, identify, originOf) => {
    const segments = splitPath(request.path)
    if (segments[0]?.toLowerCase() === 'eventsubscriptions') return router.confirm(request, segments)
    const caller = await identify(request)
    const origin = originOf(caller)
    if (!isBatch(segments)) return perform(request, caller, origin)
    if (parameterOf(request, 'api-version') === undefined) throw missingApiVersion()
    const { refusal, bodyBytes } = options
    return answerBatch(request, caller, origin, { perform, refusal, bodyBytes })
  }
  return { route, perform }
}

function apiVersionOf(request: HttpRequest, path: ParsedPath): string {
  const version = parameterOf(request, 'api-version')
  if (version === undefined || version === '') throw missingApiVersion()
  checkApiVersion(version, path)
  return version
}

class Router {
  readonly #options: RouterOptions
  readonly #refs: ResourceRefs
  readonly #lists: Lists
  readonly #tags: TagRoutes
  readonly #permission: CallPermission
  /** Types of which the log says that nothing runs behind them. */
  readonly #warned = new Set<string>()

  constructor(options: RouterOptions) {
    this.#options = options
    this.#refs = options.refs
    this.#lists = new Lists(options)
    this.#tags = new TagRoutes(options)
    this.#permission = new CallPermission(options)
  }

  async route(call: Call): Promise<HttpResponse> {
    const { subscriptionId } = call.path
    if (subscriptionId === undefined) return this.#atTenant(call)
    const subscription = this.#options.subscriptions.find(subscriptionId)
    if (!subscription) throw subscriptionNotFound(subscriptionId)
    const path = { ...call.path, subscriptionId: subscription.id }
    const permitted = await this.#permission.permitted({ ...call, path })
    return this.#inSubscription({ ...permitted, path, subscription })
  }

  async #inSubscription(call: SubscriptionCall): Promise<HttpResponse> {
    const { path, subscription } = call
    const { id: subscriptionId } = subscription
    const deployment = deploymentPathOf(path)
    if (deployment) return this.#options.deployments.answer(call, deployment)
    const block = path.blocks.at(-1)
    if (path.rest.length > 0) return this.#belowScope(call)
    const eventTypes = eventTypesAt(path, this.#options.publicUrl())
    if (eventTypes !== undefined) return this.#get(call, () => eventTypes)
    if (block === undefined) {
      if (path.group !== undefined) return this.#resource(call, this.#refs.group(subscriptionId, path.group))
      return this.#get(call, () => encodeSubscription(subscription, this.#options.tenantId))
    }
    const roles = this.#roles(call, block, `/subscriptions/${subscriptionId}`)
    if (roles) return roles
    if (path.blocks.length === 1) {
      const answer =
        path.group === undefined ? this.#atProvider(call, block) : this.#eventSubscriptionList(call, block)
      if (answer) return answer
    }
    return this.#target(call)
  }

  /** Someone follows a validation URL; the token in it is the only credential. */
  async confirm(request: HttpRequest, segments: readonly string[]): Promise<HttpResponse> {
    const [, name, verb] = segments
    if (segments.length !== 3 || name === undefined || verb?.toLowerCase() !== 'validate')
      throw notFound(request.path)
    allow(request, ['GET', 'POST'])
    const code = parameterOf(request, 'id') ?? ''
    const token = parameterOf(request, 'token') ?? ''
    if (!(await this.#options.verifications.confirm(name, code, token)))
      throw gatewayError(404, 'NotFound', 'This validation URL is not known, or its time has run out.')
    return {
      status: 200,
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body: 'Webhook successfully validated as a subscription endpoint.',
    }
  }

  // ------------------------------------------------------------ Resource Manager itself

  #atTenant(call: Call): Promise<HttpResponse> | HttpResponse {
    const { request, path } = call
    const { tenantId, subscriptions, deployments, catalog } = this.#options
    const deployment = deploymentPathOf(path)
    if (deployment) return deployments.answer(call, deployment)
    const [block] = path.blocks
    if (block !== undefined && path.blocks.length === 1 && path.rest.length === 0) {
      if (isAlias(block)) {
        const verb = { GET: 'read', HEAD: 'read', DELETE: 'delete' }[request.method] ?? 'write'
        catalog.access.check(call.caller, `Microsoft.Subscription/aliases/${verb}`, '/')
        return this.#options.aliases.answer(call, block)
      }
      if (block.types.length === 0) return this.#get(call, () => this.#providerOf(block.namespace, ''))
      if (!this.#refs.isKnownNamespace(block.namespace)) throw invalidNamespace(block.namespace)
      if (block.names.length === 0 && block.types[0]?.toLowerCase() === 'operations') {
        const { namespace } = this.#providerOf(block.namespace, '')
        return this.#get(call, () => ({ value: operationsOf(namespace, this.#options.types) }))
      }
      if (isVerifiedPartners(block)) {
        const [name] = block.names
        // To verify partners is Microsoft's business; none has been here.
        if (name === undefined) return this.#get(call, () => ({ value: [] }))
        throw gatewayError(404, 'ResourceNotFound', `The verified partner '${name}' does not exist.`)
      }
      const topicTypes = topicTypesAt(block, this.#options.publicUrl())
      if (topicTypes !== undefined) return this.#get(call, () => topicTypes)
    }
    const word = path.rest.length === 1 ? path.rest[0]?.toLowerCase() : undefined
    const roles = block && path.rest.length === 0 && this.#roles(call, block, '')
    if (roles) return roles
    if (word === 'tenants') return this.#get(call, () => ({ value: [encodeTenant(tenantId)] }))
    if (word === 'subscriptions')
      return this.#get(call, () => {
        const value = subscriptions
          .all()
          .filter(({ id }) => catalog.access.reaches(call.caller, `/subscriptions/${id}`))
          .map((each) => encodeSubscription(each, tenantId))
        return { value, count: { type: 'Total', value: value.length } }
      })
    if (word === 'providers') return this.#get(call, () => ({ value: this.#providersOf('') }))
    throw notFound(request.path)
  }

  /** `/subscriptions/{id}[/resourceGroups/{name}]` and a word that is not a provider. */
  #belowScope(call: SubscriptionCall): Promise<HttpResponse> | HttpResponse {
    const { request, path } = call
    const { writes } = this.#options
    const { id: subscriptionId } = call.subscription
    const [word = '', name] = path.rest
    const route = path.rest.length === 1 ? word.toLowerCase() : `${word.toLowerCase()}/`
    if (word.toLowerCase() === 'tagnames' && path.group === undefined && path.blocks.length === 0)
      return this.#tags.names(call, path.rest.slice(1)).then((answer) => {
        if (!answer) throw notFound(request.path)
        return answer
      })
    if (path.blocks.length > 0 || path.rest.length > 2) throw notFound(request.path)
    if (route === 'resources') {
      if (path.group !== undefined) writes.find(this.#refs.group(subscriptionId, path.group))
      return this.#get(call, () =>
        this.#lists.resources(request, subscriptionId, path.group, this.#permission.readable(call)),
      )
    }
    if (path.group !== undefined) return this.#actOnGroup(call, route)
    if (route === 'locations')
      return this.#get(call, () => ({ value: encodeLocations(subscriptionId, this.#ownLocations) }))
    if (route === 'resourcegroups')
      return this.#get(call, () =>
        this.#lists.groups(request, subscriptionId, this.#permission.readable(call)),
      )
    if (route === 'providers')
      return this.#get(call, () => ({
        value: this.#providersOf(`/subscriptions/${subscriptionId}`, call.subscription),
      }))
    if (route === 'operationresults/') return this.#operationResult(call, name as string, 200)
    throw notFound(request.path)
  }

  /** Resource Manager's own actions on a group. */
  async #actOnGroup({ request, path, subscription, origin, caller }: SubscriptionCall, route: string) {
    const { writes, bodyBytes, catalog } = this.#options
    const actions = ['exportTemplate', 'moveResources', 'validateMoveResources'] as const
    const action = actions.find((name) => name.toLowerCase() === route)
    if (action === undefined) throw notFound(request.path)
    allow(request, ['POST'])
    const ref = this.#refs.group(subscription.id, path.group as string)
    const readBody = async () => {
      const body = (await readJson(request, bodyBytes)) ?? {}
      if (isObject(body)) return body
      throw invalidContent('the body must be a JSON object')
    }
    if (action !== 'exportTemplate') {
      await writes.move(ref, action, readBody, origin, ({ type, id }) =>
        catalog.access.check(caller, actionOf(type, 'write'), id),
      )
      return { status: 204 }
    }
    const work = async () => {
      const { resource } = writes.find(ref)
      return jsonResponse(200, exportTemplate(resource.id, await readBody(), this.#options))
    }
    return writes.answer(ref, action, origin, work, 'read')
  }

  /** `/subscriptions/{id}/providers/{namespace}…`, where it is not about a resource. */
  #atProvider(
    call: SubscriptionCall,
    block: ProviderBlock,
  ): Promise<HttpResponse> | HttpResponse | undefined {
    const { namespace, types, names } = block
    const scope = `/subscriptions/${call.subscription.id}`
    if (types.length === 0)
      return this.#get(call, () => this.#providerOf(namespace, scope, call.subscription))
    const route = types.join('/').toLowerCase()
    const last = names.at(-1) as string
    if (types.length === 1 && names.length === 0) {
      const done = isOfSubscriptions(block) && this.#options.aliases.act(call, call.subscription.id, route)
      if (done) return done
      if (route === 'register' || route === 'unregister') {
        allow(call.request, ['POST'])
        return this.#register(call, this.#providerOf(namespace, scope, call.subscription), route)
      }
      if (route === 'checknameavailability' && genericNamespace(namespace) !== undefined)
        return this.#checkName(call, namespace)
      if (route === 'resourcetypes')
        return this.#get(call, () => ({
          value: this.#providerOf(namespace, scope, call.subscription).resourceTypes,
        }))
      if (route === 'providerpermissions') return this.#get(call, () => ({ value: [] }))
    }
    if (types.length === names.length && /^(locations\/)?operationsstatus$/.test(route))
      return this.#operationStatus(call, last)
    if (types.length === names.length && /^(locations\/)?operationresults$/.test(route))
      return this.#operationResult(call, last, 204)
    return this.#eventSubscriptionList(call, block)
  }

  async #register(
    { origin, subscription }: SubscriptionCall,
    provider: Provider,
    action: 'register' | 'unregister',
  ): Promise<HttpResponse> {
    const { resourceEvents, subscriptions, catalog } = this.#options
    const operation = {
      origin,
      resourceId: provider.id,
      operationName: `${provider.namespace}/${action}/action`,
    }
    return telling(resourceEvents, operation, async () => {
      checkUnlocked(catalog, `/subscriptions/${subscription.id}`, 'write')
      const after = await subscriptions.change(subscription.id, (now) =>
        changedRegistration(now, provider, action, catalog),
      )
      return jsonResponse(200, registered(provider, after))
    })
  }

  async #checkName({ request }: Call, namespace: string): Promise<HttpResponse> {
    allow(request, ['POST'])
    const body = await readJsonObject(request, this.#options.bodyBytes)
    return jsonResponse(200, checkNameAvailability(namespace, body, this.#options.catalog))
  }

  /** Lists of event subscriptions by location and topic type, over a subscription or a group. */
  #eventSubscriptionList(
    call: SubscriptionCall,
    { namespace, types, names }: ProviderBlock,
  ): Promise<HttpResponse> | HttpResponse | undefined {
    if (namespace.toLowerCase() !== 'microsoft.eventgrid' || names.length !== types.length - 1)
      return undefined
    const route = types.join('/').toLowerCase()
    if (!/^(locations\/)?(topictypes\/)?eventsubscriptions$/.test(route)) return undefined
    const { request, path } = call
    const { writes } = this.#options
    const { id: subscriptionId } = call.subscription
    if (path.group !== undefined) writes.find(this.#refs.group(subscriptionId, path.group))
    const location = route.startsWith('locations/') ? names[0] : undefined
    const topicType = route.includes('topictypes/') ? names.at(-1) : undefined
    const scope = { subscriptionId, group: path.group, location, topicType }
    return this.#get(call, () =>
      this.#lists.eventSubscriptions(request, scope, this.#permission.readable(call)),
    )
  }

  /** `{any scope}/providers/Microsoft.Authorization/…`, as far as it is not about one role assignment. */
  #roles(
    call: Call,
    { namespace, types, names }: ProviderBlock,
    printed: string,
  ): Promise<HttpResponse> | HttpResponse | undefined {
    if (namespace.toLowerCase() !== 'microsoft.authorization' || types.length !== 1) return undefined
    const { request, caller, path } = call
    const { catalog } = this.#options
    const [name] = names
    const id = printed === '' ? '' : this.#refs.scopeOf(path)
    switch (types[0]?.toLowerCase()) {
      case 'permissions':
        if (name !== undefined) return undefined
        return this.#get(call, () => ({ value: catalog.access.permissionsAt(caller, id) }))
      case 'roledefinitions': {
        const read = 'Microsoft.Authorization/roleDefinitions/read'
        const isReadable = (scope: string) => catalog.access.permission(caller, read, scope) !== undefined
        const scope = { id, printed, isReadable }
        if (name === undefined)
          return this.#get(call, () => ({
            value: listRoleDefinitions(catalog, parameterOf(request, '$filter'), scope),
          }))
        if (request.method !== 'GET' && isSubscriptionCall(call)) return this.#customRole(call, name)
        const definition = roleDefinitionAt(catalog, name, scope)
        if (!definition) throw roleDefinitionNotFound(name)
        return this.#get(call, () => definition)
      }
      default:
        return undefined
    }
  }

  /** A change of a role of a user's own, which is kept with the subscription where it was made. */
  async #customRole(call: SubscriptionCall, name: string): Promise<HttpResponse> {
    const { catalog } = this.#options
    const id = `/providers/${customRoles.type}/${name}`
    if (roleDefinitionOf(id)) throw builtInRole(name)
    const parentId = customRoleOf(id, catalog.stored)?.parentId ?? `/subscriptions/${call.subscription.id}`
    const ref = this.#refs.of(customRoles, parentId, name)
    if (call.request.method === 'DELETE') await this.#permission.linkedDelete(call, ref)
    return this.#resource(call, ref)
  }

  // ------------------------------------------------------------ resources

  #target(call: SubscriptionCall): Promise<HttpResponse> | HttpResponse {
    const { request, path, apiVersion } = call
    const { catalog } = this.#options
    if (isTags(path.blocks.at(-1) as ProviderBlock)) return this.#tags.onScope(call, this.#tagged(call))
    if (isExtensionTopic(path.blocks.at(-1) as ProviderBlock))
      return this.#get(call, () => encodeExtensionTopic(this.#refs.scopeOf(path), catalog.stored))
    const privateLink = privateLinkPathOf(path.blocks.at(-1) as ProviderBlock)
    if (privateLink) return this.#privateLink(call, privateLink)
    const hubPath = hubPathOf(path.blocks.at(-1) as ProviderBlock)
    if (hubPath) return this.#ofHub(call, hubPath)
    const target = this.#refs.target(path, apiVersion, request.method)
    if (target.kind === 'resource') return this.#resource(call, target.ref)
    if (target.kind === 'action' && target.ref.type.generic) return this.#actOnGeneric(call, target)
    if (target.kind === 'action') {
      const { type, form } = target.ref
      const known = Object.keys(type.actions).some(
        (name) => name.toLowerCase() === target.action.toLowerCase(),
      )
      if (!known)
        throw gatewayError(404, 'NotFound', `The type '${form}' has no action or child '${target.action}'.`)
      allow(request, ['POST'])
      return this.#act(call, target.ref, target.action)
    }
    const { ref } = target
    return this.#get(call, () =>
      this.#lists.collection(request, call.subscription.id, ref, this.#permission.readable(call)),
    )
  }

  /** What has the tags that a path is about; undefined: the subscription. */
  #tagged({ path, subscription, apiVersion }: SubscriptionCall): ResourceRef | undefined {
    const blocks = path.blocks.slice(0, -1)
    if (blocks.length === 0)
      return path.group === undefined ? undefined : this.#refs.group(subscription.id, path.group)
    const target = this.#refs.target({ ...path, blocks }, apiVersion)
    if (target.kind !== 'resource') throw notFound(this.#refs.scopeOf(path))
    return target.ref
  }

  #privateLink(call: Call, link: PrivateLinkPath): HttpResponse {
    const { path, apiVersion } = call
    const blocks = [...path.blocks.slice(0, -1), link.parent]
    const parent = this.#refs.target({ ...path, blocks }, apiVersion)
    assert(parent.kind === 'resource', 'a private link is of a resource')
    const { resource } = this.#options.writes.find(parent.ref)
    const found = readPrivateLink(link, resource.id, resource.type)
    return this.#get(call, () => found)
  }

  /** What is asked of an IoT hub, and what it is told to do, that is no resource. */
  async #ofHub(call: Call, asked: HubPath): Promise<HttpResponse> {
    const { request, path, apiVersion, origin } = call
    const { writes, hubFacts, bodyBytes } = this.#options
    const hub = this.#refs.target(
      { ...path, blocks: [...path.blocks.slice(0, -1), asked.parent] },
      apiVersion,
    )
    assert(hub.kind === 'resource', 'what is asked of a hub has its name')
    const { resource } = writes.find(hub.ref)
    const answer = () =>
      answerOfHub(asked, resource.id, request, hubFacts, () => readJsonObject(request, bodyBytes))
    return isHubAction(asked) ? writes.answer(hub.ref, asked.word, origin, answer) : answer()
  }

  /** What can be said of a resource that is not run here: the keys of its connection. */
  async #actOnGeneric(
    { request, origin }: Call,
    { ref, action }: { readonly ref: ResourceRef; readonly action: string },
  ): Promise<HttpResponse> {
    const { catalog, writes, bodyBytes, connectionOf } = this.#options
    const answer = await writes.answer(ref, action, origin, async () => {
      const body = await readJson(request, bodyBytes)
      const isStored = (id: string) => catalog.find(this.#refs.typeOf(id)?.type ?? '', id)
      return listKeysOf(ref, action, body, {
        ...{ connectionOf, isStored, find: () => writes.find(ref) },
        hubPolicies: (id) => catalog.iotHubs.byId(id)?.policies,
      })
    })
    return jsonResponse(200, answer)
  }

  /** Told in the answer each time, and in the log once for each type. */
  #warning({ type, id, form }: ResourceRef): Record<string, string> {
    const warning = type.generic && type.warning === undefined ? nothingBehind(form) : type.warning
    if (typeof warning !== 'string' || this.#options.connectionOf(id)) return {}
    if (!this.#warned.has(form)) {
      this.#warned.add(form)
      this.#options.log.warn({ type: form, id }, warning)
    }
    return { [warningHeader]: warning }
  }

  async #act(call: Call, ref: ResourceRef, action: string): Promise<HttpResponse> {
    const { request, origin } = call
    const { writes, bodyBytes } = this.#options
    const readBody = () => readJson(request, bodyBytes)
    const answer = await writes.act(ref, action, readBody, origin, preconditionsOf(request))
    return answer === undefined ? this.#encode(call, 200, ref) : jsonResponse(200, answer)
  }

  async #resource(call: SubscriptionCall, ref: ResourceRef): Promise<HttpResponse> {
    const { request, origin } = call
    const { writes, bodyBytes } = this.#options
    allow(request, ['GET', 'HEAD', 'PUT', ...(ref.type.patch ? ['PATCH'] : []), 'DELETE'])
    const { statuses } = ref.type
    switch (request.method) {
      case 'GET':
        return this.#encode(call, 200, ref)
      case 'HEAD':
        writes.find(ref)
        return { status: 204 }
      case 'PUT': {
        const readBody = () => {
          checkRegistered(call.subscription, ref, this.#options.catalog)
          return this.#readPut(request, ref).then((body) => this.#permission.linked(call, ref, body))
        }
        const { created, operationId } = await writes.put(ref, readBody, preconditionsOf(request), origin)
        return this.#encode(call, created ? statuses.create : statuses.replace, ref, {
          ...this.#pollHeaders(call, ref, operationId),
          ...this.#warning(ref),
        })
      }
      case 'PATCH': {
        const readBody = async () =>
          this.#permission.linked(call, ref, await readJsonObject(request, bodyBytes))
        const { operationId } = await writes.patch(ref, readBody, preconditionsOf(request), origin)
        if (ref.type.updatesSilently) return { status: statuses.update }
        return this.#encode(call, statuses.update, ref, this.#pollHeaders(call, ref, operationId))
      }
      default:
        return this.#delete(call, ref)
    }
  }

  /** A type of which there is nothing to say is made by a PUT without a body. */
  async #readPut(request: HttpRequest, { type }: ResourceRef): Promise<WireObject> {
    const { bodyBytes } = this.#options
    if (Object.keys(type.example.body).length > 0) return readJsonObject(request, bodyBytes)
    const body = (await readJson(request, bodyBytes)) ?? {}
    if (isObject(body)) return body
    throw invalidContent('the body must be a JSON object')
  }

  async #delete(call: SubscriptionCall, ref: ResourceRef): Promise<HttpResponse> {
    const { request, apiVersion, origin } = call
    const { catalog, writes } = this.#options
    const { id: subscriptionId } = call.subscription
    // Asked before the resource, and with it its location, is gone.
    const operationUrl = this.#operationUrl(call, ref)
    const known = catalog.find(ref.type.type, ref.id)
    const before = ref.type.statuses.delete === 200 && known ? this.#encode(call, 200, ref) : undefined
    const operationId = await writes.delete(ref, preconditionsOf(request), origin)
    if (operationId === undefined) return { status: 204 }
    if (before) return before
    const version = `?api-version=${encodeURIComponent(apiVersion)}`
    if (ref.type.scope === 'subscription')
      return {
        status: 202,
        headers: {
          Location: `${request.base}/subscriptions/${subscriptionId}/operationresults/${operationId}${version}`,
          ...pollAgain,
        },
      }
    const status = operationUrl(operationId)
    return {
      status: 202,
      headers: {
        'Azure-AsyncOperation': status,
        Location: status.replace('/operationsStatus/', '/operationResults/'),
        ...pollAgain,
      },
    }
  }

  #encode(
    { apiVersion }: Call,
    status: number,
    ref: ResourceRef,
    headers: Record<string, string> = {},
  ): HttpResponse {
    const { writes, publicUrl, amqpsPort, connectionOf, catalog } = this.#options
    const { resource, version } = writes.find(ref)
    const form = printedForm(ref.form, ref.type, resource)
    const { stored } = catalog
    const context = { publicUrl: publicUrl(), amqpsPort: amqpsPort(), apiVersion, connectionOf, stored }
    const body = encodeResource(resource, ref.type, form, context)
    return jsonResponse(status, body, { ETag: etagOf(version), ...headers })
  }

  get #ownLocations(): readonly string[] {
    return this.#options.capabilities.locations ?? []
  }

  #providerOf(namespace: string, scope: string, subscription?: Subscription): Provider {
    const provider = encodeProvider(namespace, scope, this.#ownLocations)
    if (!provider) throw invalidNamespace(namespace)
    return subscription ? registered(provider, subscription) : provider
  }

  #providersOf(scope: string, subscription?: Subscription): readonly Provider[] {
    return providerNamespaces.map((namespace) => this.#providerOf(namespace, scope, subscription))
  }

  // ------------------------------------------------------------ operations

  #pollHeaders(call: SubscriptionCall, ref: ResourceRef, operationId: string): Record<string, string> {
    if (!ref.type.longRunning) return {}
    return { 'Azure-AsyncOperation': this.#operationUrl(call, ref)(operationId), ...pollAgain }
  }

  #operationUrl(
    { request, apiVersion, subscription }: SubscriptionCall,
    ref: ResourceRef,
  ): (operationId: string) => string {
    const location = this.#locationOf(ref)
    const place = location === undefined ? '' : `/locations/${location}`
    // Another provider does not know the versions of this one.
    const [namespace] = (ref.type.generic ? ref.form : ref.type.type).split('/')
    const provider = `${request.base}/subscriptions/${subscription.id}/providers/${namespace}`
    const version = `?api-version=${encodeURIComponent(apiVersion)}`
    return (operationId) => `${provider}${place}/operationsStatus/${operationId.toUpperCase()}${version}`
  }

  /** Where the resource is, or what it lives in; undefined where that has no region. */
  #locationOf({ type, id, parentId }: ResourceRef): string | undefined {
    const { catalog, capabilities } = this.#options
    const own = catalog.find(type.type, id)?.resource.location
    if (own !== undefined) return own
    for (const level of levelsOf(parentId).toReversed()) {
      const shelfType = this.#refs.typeOf(level.id)
      const location = shelfType && catalog.find(shelfType.type, level.id)?.resource.location
      if (location !== undefined && shelfType?.scope !== 'subscription') return location
    }
    const { location } = eventSourceOf(parentId, catalog.stored, capabilities)
    return location === 'global' ? undefined : location
  }

  #operationStatus(call: Call, id: string): Promise<HttpResponse> | HttpResponse {
    const { request } = call
    const operation = this.#options.operations.status(id)
    if (!operation) throw operationNotFound(id)
    return this.#get(
      call,
      () => ({
        id: request.base + request.url,
        name: id.toLowerCase(),
        status: operation.status,
        startTime: encodeMoment(operation.startedAt),
        ...(operation.status === 'Failed' && { error: operation.error }),
      }),
      operation.status === 'InProgress' ? pollAgain : {},
    )
  }

  #operationResult({ request }: Call, id: string, doneStatus: 200 | 204): HttpResponse {
    allow(request, ['GET'])
    const operation = this.#options.operations.status(id)
    if (!operation) throw operationNotFound(id)
    if (operation.status === 'InProgress')
      return { status: 202, headers: { Location: request.base + request.url, ...pollAgain } }
    if (operation.status === 'Failed') return jsonResponse(400, { error: operation.error })
    return { status: doneStatus }
  }

  #get(call: Call, body: () => unknown, headers: Record<string, string> = {}): HttpResponse {
    allow(call.request, ['GET'])
    return jsonResponse(200, body(), headers)
  }
}

const isSubscriptionCall = (call: Call): call is SubscriptionCall => 'subscription' in call
const isOfSubscriptions = ({ namespace }: ProviderBlock) =>
  namespace.toLowerCase() === 'microsoft.subscription'

const isAlias = (block: ProviderBlock) =>
  isOfSubscriptions(block) && block.types[0]?.toLowerCase() === 'aliases'

const isVerifiedPartners = ({ namespace, types }: ProviderBlock) =>
  `${namespace}/${types.join('/')}`.toLowerCase() === 'microsoft.eventgrid/verifiedpartners'

const preconditionsOf = (request: HttpRequest): Preconditions => ({
  ifMatch: headerOf(request, 'if-match'),
  ifNoneMatch: headerOf(request, 'if-none-match'),
})
