import { claimsWithoutToken } from '../../auth/claims.ts'
import { type Origin, withoutRequest } from '../../auth/origin.ts'
import type { Clock } from '../../base/clock.ts'
import { newGuid } from '../../base/ids.ts'
import type { Log } from '../../base/log.ts'
import { within } from '../../base/within.ts'
import type { StoredCatalog } from '../../catalog/stored-catalog.ts'
import { type HttpRequest, type HttpResponse, jsonResponse } from '../../http/http.ts'
import type { Records } from '../../store/store.ts'
import type { ObjectValue } from '../../templates/language/value.ts'
import {
  createPlan,
  minifiedTemplate,
  type Plan,
  type PlannedResource,
  templateHash,
} from '../../templates/templates.ts'
import { nameInId, typeOfId } from '../../wire/arm-id.ts'
import { allow, type Call, type Perform } from '../call.ts'
import { gatewayError, notFound } from '../errors.ts'
import { pollAgain } from '../headers.ts'
import { checkUnlocked } from '../management-locks.ts'
import type { Operations } from '../operations.ts'
import { pageOf } from '../pages.ts'
import { operationNameOf, type ResourceEvents, telling } from '../resource-events.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import { defaultSubscriptionId, type Subscriptions } from '../subscriptions.ts'
import type { Writes } from '../writes.ts'
import { createSurroundings } from './arm-surroundings.ts'
import {
  type DeploymentPath,
  type DeploymentScope,
  deploymentScopeOf,
  isDeployedTo,
} from './deployment-path.ts'
import { type DeploymentRequest, decodeDeployment, readBodyText } from './deployment-request.ts'
import { DeploymentRun, stops } from './deployment-run.ts'
import {
  deploymentActive,
  deploymentNotFound,
  interrupted,
  invalidDeployment,
  invalidLocation,
  noDeploymentsThere,
  notCancelable,
  operationOfDeploymentNotFound,
  quotaExceeded,
  tooManyRunning,
} from './errors.ts'
import { deploymentsPerScope, History, historyKey } from './history.ts'
import { checkTypes, diagnosticsOf } from './known-types.ts'
import { type CallContext, managerVersion, ResourceCalls } from './resource-calls.ts'
import { encodeDeployment, encodeOperation, isActive, type StoredDeployment } from './stored-deployment.ts'
import { whatIfChanges } from './what-if-changes.ts'

/*
 * Template deployments: in come templates over HTTP, out go the same writes that clients make one by one. A
 * deployment is answered when it has begun; what becomes of it is kept, and the oldest of a scope make room.
 *
 * A deployment that a stop or a crash cuts off is Failed with the code DeploymentInterrupted after the next start:
 * values that its template must not keep, such as secret parameters, are gone with the process, so that it cannot
 * go on. Deploying the template again does.
 *
 * Source: learn.microsoft.com/rest/api/resources/deployments
 */

export interface DeploymentsOptions {
  readonly catalog: StoredCatalog
  readonly records: Records
  readonly refs: ResourceRefs
  readonly writes: Writes
  readonly operations: Operations
  readonly perform: Perform
  readonly resourceEvents: ResourceEvents
  readonly subscriptions: Subscriptions
  readonly tenantId: string
  readonly publicUrl: () => string
  readonly bodyBytes: number
  readonly clock: Clock
  readonly log: Log
}

/** How many deployments may be under way, those within others not counted. */
const deploymentsTogether = 100
/** How long an answer waits for the deployment, so that the first poll of a small one finds it ended. */
const answerWithinMs = 1_000
const pages = { defaultTop: 100, maxTop: 1000 }

interface Active {
  deployment: StoredDeployment
  readonly run: DeploymentRun
  readonly stop: AbortController
  readonly ended: Promise<StoredDeployment>
}

export class Deployments {
  readonly #options: DeploymentsOptions
  readonly #history: History
  readonly #calls: ResourceCalls
  /** By their key in the history. */
  readonly #active = new Map<string, Active>()
  #isClosing = false

  constructor(options: DeploymentsOptions) {
    this.#options = options
    this.#history = new History(options.records)
    this.#calls = new ResourceCalls(options)
  }

  async load(): Promise<void> {
    const now = this.#options.clock.now()
    const unfinished = await this.#history.load()
    for (const each of unfinished) {
      const failed: StoredDeployment = { ...each, state: 'Failed', changedAt: now, error: interrupted }
      // oxlint-disable-next-line no-await-in-loop
      await this.#tellEnd(failed)
      // oxlint-disable-next-line no-await-in-loop
      await this.#history.put(failed)
    }
  }

  /** Stops what is under way; each deployment says that it was interrupted. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const { stop } of this.#active.values()) stop.abort(stops.closing)
    await Promise.all([...this.#active.values()].map(({ ended }) => ended))
  }

  /** A group goes, and with it the deployments to it. */
  async forget(groupId: string): Promise<void> {
    const inside = [...this.#active.values()].filter(
      ({ deployment }) => deployment.scopeId.toLowerCase() === groupId.toLowerCase(),
    )
    for (const { stop } of inside) stop.abort(stops.canceled)
    await Promise.all(inside.map(({ ended }) => ended))
    // oxlint-disable-next-line no-await-in-loop
    for (const entry of this.#history.entries(groupId)) await this.#history.remove(groupId, entry)
  }

  // ------------------------------------------------------------ routes

  answer(call: Call, path: DeploymentPath): Promise<HttpResponse> | HttpResponse {
    const { request } = call
    const { name, word, item } = path
    if (word === 'calculatetemplatehash') return this.#templateHash(request)
    if (!path.scope) throw noDeploymentsThere()
    const scope = this.#canonical(path.scope)
    if (name === undefined) return this.#list(request, scope)
    if (word === undefined) return this.#one(call, scope, name)
    if (item === undefined && word !== 'operationstatuses') {
      if (word === 'operations') return this.#operations(request, scope, name)
      const act = this.#actions[word]
      if (!act) throw notFound(request.path)
      allow(request, ['POST'])
      const [verb, work] = act(call, scope, name)
      return telling(this.#options.resourceEvents, this.#operation(scope, name, verb, call.origin), work)
    }
    allow(request, ['GET'])
    if (item !== undefined && word === 'operations') return this.#oneOperation(scope, name, item)
    if (item !== undefined && word === 'operationstatuses') return this.#status(scope, name, item)
    throw notFound(request.path)
  }

  /** By their words in lower case: what each is called, and what it does. */
  readonly #actions: Readonly<
    Record<
      string,
      (call: Call, scope: DeploymentScope, name: string) => readonly [string, () => Promise<HttpResponse>]
    >
  > = {
    cancel: (_call, scope, name) => ['cancel', () => this.#cancel(scope, name)],
    validate: (call, scope, name) => ['validate', () => this.#validate(call, scope, name)],
    whatif: (call, scope, name) => ['whatIf', () => this.#whatIf(call, scope, name)],
    exporttemplate: (_call, scope, name) => ['exportTemplate', () => this.#exportTemplate(scope, name)],
  }

  #one(call: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const { request, origin } = call
    const { resourceEvents } = this.#options
    allow(request, ['GET', 'HEAD', 'PUT', 'DELETE'])
    switch (request.method) {
      case 'PUT':
        return this.#put(call, scope, name)
      case 'DELETE':
        return telling(resourceEvents, this.#operation(scope, name, 'delete', origin), () =>
          this.#delete(call, scope, name),
        )
      case 'HEAD':
        return this.#find(scope, name).then(() => ({ status: 204 }))
      default:
        return this.#find(scope, name).then((found) => jsonResponse(200, encodeDeployment(found)))
    }
  }

  async #put(call: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const { request, apiVersion, origin } = call
    const { clock, resourceEvents } = this.#options
    const created = this.#history.find(scope.id, name) === undefined
    const active = await this.#begin(call, scope, name).catch(async (error: unknown) => {
      const operation = this.#operation(scope, name, 'write', origin)
      await resourceEvents.ended({ ...operation, created, status: 'Failed' })
      throw error
    })
    const accepted = active.deployment
    await within(clock, answerWithinMs, active.ended)
    const id = accepted.id.split('/').map(encodeURIComponent).join('/')
    const version = `?api-version=${encodeURIComponent(apiVersion)}`
    return jsonResponse(created ? 201 : 200, encodeDeployment(active.deployment), {
      'Azure-AsyncOperation': `${request.base}${id}/operationStatuses/${accepted.operationId}${version}`,
      ...pollAgain,
    })
  }

  async #begin(call: Call, scope: DeploymentScope, name: string): Promise<Active> {
    checkUnlocked(this.#options.catalog, deploymentId(scope, name), 'write')
    const wanted = await this.#read(call.request, scope, name)
    const plan = this.#plan(wanted)
    const entry = this.#history.find(scope.id, name)
    checkLocation(wanted, entry && (await this.#history.read(entry)))
    return this.#start(wanted, plan, contextOf(call), call.origin, undefined)
  }

  async #delete({ request, apiVersion }: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const { operations, catalog } = this.#options
    checkUnlocked(catalog, deploymentId(scope, name), 'delete')
    if (this.#active.has(historyKey(scope.id, name))) throw deploymentActive(name)
    const entry = this.#history.find(scope.id, name)
    if (!entry) return { status: 204 }
    await this.#history.remove(scope.id, entry)
    const version = `?api-version=${encodeURIComponent(apiVersion)}`
    return {
      status: 202,
      headers: {
        Location: `${request.base}/subscriptions/${scope.subscriptionId}/operationresults/${operations.newId()}${version}`,
        ...pollAgain,
      },
    }
  }

  async #list(request: HttpRequest, scope: DeploymentScope): Promise<HttpResponse> {
    allow(request, ['GET'])
    const entries = this.#history.entries(scope.id)
    const page = pageOf(
      request,
      (after) => (after === undefined ? entries : entries.slice(entries.findIndex(isAt(after)) + 1)),
      {
        ...pages,
        filterFields: ['provisioningstate'],
        fields: ({ state }) => [(field) => (field === 'provisioningstate' ? [state] : [])],
        position: ({ key }) => key,
        encode: async (entry) => {
          const found = this.#active.get(entry.key)?.deployment ?? (await this.#history.read(entry))
          return found && encodeDeployment(found)
        },
      },
    )
    return jsonResponse(200, { ...page, value: await Promise.all(page.value) })
  }

  async #cancel(scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const active = this.#active.get(historyKey(scope.id, name))
    if (!active) throw notCancelable(name, (await this.#find(scope, name)).state)
    active.stop.abort(stops.canceled)
    await active.ended
    return { status: 204 }
  }

  async #validate(call: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const wanted = await this.#read(call.request, scope, name)
    const plan = this.#plan(wanted)
    const fresh = this.#describe(wanted, plan, call.origin)
    const body = encodeDeployment({ ...fresh, state: 'Succeeded' })
    return jsonResponse(200, {
      ...body,
      properties: {
        ...(body.properties as object),
        validatedResources: plan.resources.map(({ id }) => ({ id })),
      },
    })
  }

  async #whatIf(call: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const { catalog, writes, refs } = this.#options
    const wanted = await this.#read(call.request, scope, name)
    const plan = this.#plan(wanted)
    const context = contextOf(call)
    const changes = await whatIfChanges(wanted, plan, {
      calls: this.#calls,
      catalog,
      writes,
      refs,
      context,
      publicUrl: this.#options.publicUrl(),
    })
    return jsonResponse(200, {
      status: 'Succeeded',
      properties: {
        correlationId: context.origin.correlationId,
        changes,
        diagnostics: diagnosticsOf(plan, refs),
      },
    })
  }

  async #exportTemplate(scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const entry = this.#history.find(scope.id, name)
    const template = entry && (await this.#history.readTemplate(entry))
    if (template === undefined) throw deploymentNotFound(name)
    return jsonResponse(200, { template })
  }

  async #operations(request: HttpRequest, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    allow(request, ['GET'])
    const found = await this.#find(scope, name)
    const { operations } = found
    const page = pageOf(
      request,
      (after) =>
        after === undefined
          ? operations
          : operations.slice(operations.findIndex(({ id }) => id === after) + 1),
      {
        ...pages,
        filterFields: [],
        fields: () => [],
        position: ({ id }) => id,
        encode: (operation) => encodeOperation(found, operation),
      },
    )
    return jsonResponse(200, page)
  }

  async #oneOperation(scope: DeploymentScope, name: string, id: string): Promise<HttpResponse> {
    const found = await this.#find(scope, name)
    const operation = found.operations.find((each) => each.id.toLowerCase() === id.toLowerCase())
    if (!operation) throw operationOfDeploymentNotFound(name, id)
    return jsonResponse(200, encodeOperation(found, operation))
  }

  async #status(scope: DeploymentScope, name: string, id: string): Promise<HttpResponse> {
    const found = await this.#find(scope, name)
    if (found.operationId !== id.toLowerCase()) throw operationOfDeploymentNotFound(name, id)
    const { state, error } = found
    return jsonResponse(200, { status: state, error }, isActive(state) ? pollAgain : {})
  }

  async #templateHash(request: HttpRequest): Promise<HttpResponse> {
    allow(request, ['POST'])
    const template = readBodyText(await request.body(this.#options.bodyBytes))
    return jsonResponse(200, {
      minifiedTemplate: minifiedTemplate(template),
      templateHash: templateHash(template),
    })
  }

  // ------------------------------------------------------------ what they have in common

  /** The scope with the casing that its group was given; it must be there. */
  #canonical(scope: DeploymentScope): DeploymentScope {
    const { refs, writes } = this.#options
    if (scope.kind !== 'group') return scope
    const { resource } = writes.find(refs.group(scope.subscriptionId, scope.group))
    return deploymentScopeOf(scope.subscriptionId, resource.name)
  }

  #operation(scope: DeploymentScope, name: string, verb: string, origin: Origin) {
    const resourceId = deploymentId(scope, name)
    return { origin, resourceId, operationName: operationNameOf(resourceId, verb) }
  }

  #tellEnd({ id, origin, created, state, operationId }: StoredDeployment): Promise<void> {
    return this.#options.resourceEvents.ended({
      ...{ origin, created, resourceId: id, operationName: operationNameOf(id, 'write') },
      status: state === 'Succeeded' || state === 'Canceled' ? state : 'Failed',
      repeatKey: operationId,
    })
  }

  async #read(request: HttpRequest, scope: DeploymentScope, name: string): Promise<DeploymentRequest> {
    return decodeDeployment(readBodyText(await request.body(this.#options.bodyBytes)), name, scope)
  }

  async #find(scope: DeploymentScope, name: string): Promise<StoredDeployment> {
    const active = this.#active.get(historyKey(scope.id, name))
    if (active) return { ...active.deployment, operations: active.run.operations }
    const entry = this.#history.find(scope.id, name)
    const found = entry && (await this.#history.read(entry))
    if (!found) throw deploymentNotFound(name)
    return found
  }

  #plan({ name, scope, location, template, parameters, mode }: DeploymentRequest): Plan {
    const surroundings = createSurroundings(this.#options, scope.subscriptionId)
    const plan = createPlan({ template, parameters, name, scope, mode, location, surroundings })
    this.#check(name, plan)
    return plan
  }

  /** Throws when there is something in the plan that nothing here can take. */
  #check(name: string, plan: Plan): void {
    checkTypes(name, plan, this.#options.refs)
    for (const { id, nested } of plan.resources) {
      if (!nested) continue
      if (nested.mode === 'Complete')
        throw invalidDeployment(
          `The deployment '${id}' is within another one: its mode must be 'Incremental', and is 'Complete'.`,
        )
      if (!isDeployedTo(nested.scope)) throw noDeploymentsThere()
      if (nested.preview) this.#check(nameInId(id), nested.preview)
    }
  }

  // ------------------------------------------------------------ what the server itself deploys

  /**
   * Deploys a template as the server's own, to the subscription or to a group that is made when it is not there.
   * Resolves when the deployment has ended. Rejects with a `RequestError` when it cannot begin.
   *
   * @param signal gives it up
   */
  async deploy(own: OwnDeployment, signal: AbortSignal): Promise<EndedDeployment> {
    const { refs, tenantId, publicUrl } = this.#options
    const { name, template, parameters, group } = own
    const origin = serversOwn(tenantId)
    const context = { caller: origin.caller, origin, base: publicUrl() }
    const location = defaultLocation
    if (group !== undefined) {
      const { id } = refs.group(defaultSubscriptionId, group)
      const isThere = (await this.#calls.get(id, managerVersion, context)) !== undefined
      if (!isThere) await this.#calls.put(id, managerVersion, { location }, context, signal)
    }
    const scope = deploymentScopeOf(defaultSubscriptionId, group)
    const properties = { mode: 'Incremental', template, parameters }
    const body = group === undefined ? { location, properties } : { properties }
    const wanted = decodeDeployment(body, name, this.#canonical(scope))
    const before = this.#history.find(scope.id, name)
    // Where the subscription keeps what is known of it stays as it is.
    const kept = (before && (await this.#history.read(before)))?.location ?? wanted.location
    const request = { ...wanted, location: kept }
    const active = await this.#start(request, this.#plan(request), context, origin, signal)
    return active.ended
  }

  // ------------------------------------------------------------ running

  /** @param outer of the deployment that this one is within */
  async #start(
    request: DeploymentRequest,
    plan: Plan,
    context: CallContext,
    origin: Origin,
    outer: AbortSignal | undefined,
  ): Promise<Active> {
    const { clock, catalog, writes, refs, resourceEvents, log } = this.#options
    const { name, scope, template } = request
    const key = historyKey(scope.id, name)
    if (this.#isClosing)
      throw gatewayError(503, 'ServiceUnavailable', 'The server is stopping.', { 'Retry-After': '5' })
    if (this.#active.has(key)) throw deploymentActive(name)
    if (!outer && this.#active.size >= deploymentsTogether) throw tooManyRunning(deploymentsTogether)
    if (!this.#history.find(scope.id, name) && this.#history.isFull(scope.id))
      throw quotaExceeded(scope.id, deploymentsPerScope)
    const stop = new AbortController()
    const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal
    const deploy = async (...[inner, innerPlan, innerContext, innerSignal]: Parameters<NestedDeploy>) => {
      this.#check(inner.name, innerPlan)
      return (await this.#start(inner, innerPlan, innerContext, innerContext.origin, innerSignal)).ended
    }
    const run = new DeploymentRun(
      { calls: this.#calls, catalog, writes, refs, resourceEvents, clock, log, deploy },
      request,
      plan,
      context,
      signal,
    )
    const accepted = this.#describe(request, plan, origin)
    const begun = Promise.withResolvers<void>()
    const active: Active = {
      deployment: accepted,
      run,
      stop,
      ended: begun.promise.then(() => this.#run(key, active)),
    }
    this.#active.set(key, active)
    try {
      await this.#history.put(accepted, template)
    } catch (error) {
      this.#active.delete(key)
      throw error
    }
    begun.resolve()
    return active
  }

  async #run(key: string, active: Active): Promise<StoredDeployment> {
    const { clock, log } = this.#options
    active.deployment = { ...active.deployment, state: 'Running' }
    const { state, operations, outputs, outputResources, error } = await active.run.run()
    active.deployment = {
      ...active.deployment,
      ...{ state, operations, outputs, outputResources, error },
      changedAt: clock.now(),
    }
    try {
      await this.#tellEnd(active.deployment)
      await this.#history.put(active.deployment)
    } catch (failure) {
      // What is stored says that it runs, and the next start that it was interrupted.
      log.error(
        { error: failure, id: active.deployment.id },
        'What became of a deployment could not be stored.',
      )
    }
    this.#active.delete(key)
    return active.deployment
  }

  #describe(
    { name, scope, location, tags, mode }: DeploymentRequest,
    plan: Plan,
    origin: Origin,
  ): StoredDeployment {
    const now = this.#options.clock.now()
    return {
      id: deploymentId(scope, name),
      name,
      scopeId: scope.id,
      location,
      tags,
      mode,
      templateHash: plan.templateHash,
      parameters: plan.parameters,
      state: 'Accepted',
      startedAt: now,
      changedAt: now,
      origin,
      created: this.#history.find(scope.id, name) === undefined,
      operationId: newGuid(),
      providers: providersOf(plan),
      dependencies: dependenciesOf(plan),
      diagnostics: diagnosticsOf(plan, this.#options.refs),
      operations: [],
    }
  }
}

/** A template that the server deploys of its own accord. */
export interface OwnDeployment {
  readonly name: string
  readonly template: ObjectValue
  /** `{name: {value}}` */
  readonly parameters: ObjectValue
  /** Undefined: the template is for the subscription. */
  readonly group: string | undefined
}

/** How a deployment ended. */
export type EndedDeployment = Pick<StoredDeployment, 'id' | 'state' | 'error'>

/** Where what the server makes of its own accord is, unless the template says otherwise. */
const defaultLocation = 'westus2'

function serversOwn(tenantId: string): Origin {
  const name = 'Busbar'
  const claims = claimsWithoutToken({ name, tenantId })
  return { caller: { name, claims }, correlationId: newGuid() }
}

type NestedDeploy = ConstructorParameters<typeof DeploymentRun>[0]['deploy']

const contextOf = ({ request, caller, origin }: Call): CallContext => ({
  caller,
  origin: withoutRequest(origin),
  base: request.base,
})

const deploymentId = (scope: DeploymentScope, name: string) =>
  `${scope.id}/providers/Microsoft.Resources/deployments/${name}`

const isAt =
  (position: string) =>
  ({ key }: { readonly key: string }) =>
    key === position

function checkLocation({ name, location }: DeploymentRequest, before: StoredDeployment | undefined): void {
  if (before?.location !== undefined && location !== undefined && before.location !== location)
    throw invalidLocation(name, location, before.location)
}

function providersOf(plan: Plan): readonly unknown[] {
  const namespaces = new Map<string, Map<string, Set<string | null>>>()
  for (const { type, location } of plan.resources) {
    const [namespace = '', ...words] = type.split('/')
    const types = namespaces.get(namespace) ?? new Map<string, Set<string | null>>()
    namespaces.set(namespace, types)
    const word = words.join('/')
    types.set(word, (types.get(word) ?? new Set()).add(location ?? null))
  }
  return [...namespaces].map(([namespace, types]) => ({
    namespace,
    resourceTypes: [...types].map(([resourceType, locations]) => ({
      resourceType,
      locations: [...locations],
    })),
  }))
}

function dependenciesOf(plan: Plan): readonly unknown[] {
  const describe = (id: string) => ({ id, resourceType: typeOfId(id), resourceName: nameInId(id) })
  return plan.resources
    .filter(({ dependsOn }: PlannedResource) => dependsOn.length > 0)
    .map(({ id, dependsOn }) => ({ dependsOn: dependsOn.map(describe), ...describe(id) }))
}
