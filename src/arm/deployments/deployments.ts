import type { Caller } from '../../auth/caller.ts'
import { type Origin, withoutRequest } from '../../auth/origin.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { within } from '../../base/within.ts'
import type { StoredCatalog } from '../../catalog/stored-catalog.ts'
import { type HttpRequest, type HttpResponse, jsonResponse } from '../../http/http.ts'
import type { Records } from '../../store/store.ts'
import { minifiedTemplate, type Plan, templateHash } from '../../templates/templates.ts'
import { allow, type Call, type Perform } from '../call.ts'
import { notFound } from '../errors.ts'
import { pollAgain } from '../headers.ts'
import { checkUnlocked } from '../management-locks.ts'
import type { Operations } from '../operations.ts'
import { pageOf } from '../pages.ts'
import { operationNameOf, type ResourceEvents, telling } from '../resource-events.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import type { Subscriptions } from '../subscriptions.ts'
import type { Writes } from '../writes.ts'
import { type DeploymentPath, type DeploymentScope, deploymentScopeOf } from './deployment-path.ts'
import { planDeployment } from './deployment-plan.ts'
import { type DeploymentRequest, decodeDeployment, readBodyText } from './deployment-request.ts'
import { type Active, DeploymentRuns } from './deployment-runs.ts'
import { deploymentId, describeDeployment } from './describe-deployment.ts'
import {
  deploymentActive,
  deploymentNotFound,
  invalidLocation,
  noDeploymentsThere,
  notCancelable,
  operationOfDeploymentNotFound,
} from './errors.ts'
import { History, type HistoryEntry } from './history.ts'
import { diagnosticsOf } from './known-types.ts'
import { deployOwn, type EndedDeployment, type OwnDeployment } from './own-deployment.ts'
import { type CallContext, ResourceCalls } from './resource-calls.ts'
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

/** How long an answer waits for the deployment, so that the first poll of a small one finds it ended. */
const answerWithinMs = 1_000
const pages = { defaultTop: 100, maxTop: 1000 }

export class Deployments {
  readonly #options: DeploymentsOptions
  readonly #history: History
  readonly #calls: ResourceCalls
  readonly #runs: DeploymentRuns

  constructor(options: DeploymentsOptions) {
    this.#options = options
    this.#history = new History(options.records)
    this.#calls = new ResourceCalls(options)
    this.#runs = new DeploymentRuns({ ...options, history: this.#history, calls: this.#calls })
  }

  load(): Promise<void> {
    return this.#runs.load()
  }

  close(): Promise<void> {
    return this.#runs.close()
  }

  /** A group goes, and with it the deployments to it. */
  async forget(groupId: string): Promise<void> {
    await this.#runs.cancelAll(groupId)
    // oxlint-disable-next-line no-await-in-loop
    for (const entry of this.#history.entries(groupId)) await this.#history.remove(groupId, entry)
  }

  /** See `deployOwn`. */
  deploy(own: OwnDeployment, signal: AbortSignal): Promise<EndedDeployment> {
    const parts = { history: this.#history, calls: this.#calls, runs: this.#runs }
    return deployOwn(own, { ...this.#options, ...parts }, signal)
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
    const { id: deployed, operationId } = active.deployment
    await within(clock, answerWithinMs, active.ended)
    const id = deployed.split('/').map(encodeURIComponent).join('/')
    const version = `?api-version=${encodeURIComponent(apiVersion)}`
    return jsonResponse(created ? 201 : 200, encodeDeployment(active.deployment), {
      'Azure-AsyncOperation': `${request.base}${id}/operationStatuses/${operationId}${version}`,
      ...pollAgain,
    })
  }

  async #begin(call: Call, scope: DeploymentScope, name: string): Promise<Active> {
    checkUnlocked(this.#options.catalog, deploymentId(scope, name), 'write')
    const wanted = await this.#decode(call.request, scope, name)
    const plan = this.#plan(wanted, call.caller)
    const entry = this.#history.find(scope.id, name)
    checkLocation(wanted, entry && (await this.#history.read(entry)))
    return this.#runs.start(wanted, plan, contextOf(call), call.origin)
  }

  async #delete({ request, apiVersion }: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const { operations, catalog } = this.#options
    checkUnlocked(catalog, deploymentId(scope, name), 'delete')
    if (this.#runs.find(scope.id, name)) throw deploymentActive(name)
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
      (after) => (after === undefined ? entries : entries.filter((entry) => isAfter(entry, after))),
      {
        ...pages,
        filterFields: ['provisioningstate'],
        fields: ({ state }) => [(field) => (field === 'provisioningstate' ? [state] : [])],
        position: positionOf,
        encode: async (entry) => {
          const found = this.#runs.find(scope.id, entry.name) ?? (await this.#history.read(entry))
          return found && encodeDeployment(found)
        },
      },
    )
    const found = await Promise.all(page.value)
    return jsonResponse(200, { ...page, value: found.filter((each) => each !== undefined) })
  }

  async #cancel(scope: DeploymentScope, name: string): Promise<HttpResponse> {
    if (await this.#runs.cancel(scope.id, name)) return { status: 204 }
    throw notCancelable(name, (await this.#find(scope, name)).state)
  }

  async #validate(call: Call, scope: DeploymentScope, name: string): Promise<HttpResponse> {
    const wanted = await this.#decode(call.request, scope, name)
    const plan = this.#plan(wanted, call.caller)
    const { refs, clock } = this.#options
    const more = { origin: call.origin, created: true, refs, now: clock.now() }
    const body = encodeDeployment({ ...describeDeployment(wanted, plan, more), state: 'Succeeded' })
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
    const wanted = await this.#decode(call.request, scope, name)
    const plan = this.#plan(wanted, call.caller)
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

  /** Throws where the caller may not deploy to where a deployment within it goes: it would learn of that place. */
  #plan(wanted: DeploymentRequest, caller: Caller): Plan {
    const plan = planDeployment(wanted, this.#options)
    this.#checkNested(plan, caller)
    return plan
  }

  #checkNested({ resources }: Plan, caller: Caller): void {
    const { access } = this.#options.catalog
    for (const { id, nested } of resources)
      if (nested) {
        access.check(caller, operationNameOf(id, 'write'), id)
        if (nested.preview) this.#checkNested(nested.preview, caller)
      }
  }

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

  async #decode(request: HttpRequest, scope: DeploymentScope, name: string): Promise<DeploymentRequest> {
    return decodeDeployment(readBodyText(await request.body(this.#options.bodyBytes)), name, scope)
  }

  async #find(scope: DeploymentScope, name: string): Promise<StoredDeployment> {
    const entry = this.#history.find(scope.id, name)
    const found = this.#runs.find(scope.id, name) ?? (entry && (await this.#history.read(entry)))
    if (!found) throw deploymentNotFound(name)
    return found
  }
}

const contextOf = ({ request, caller, origin }: Call): CallContext => ({
  caller,
  origin: withoutRequest(origin),
  base: request.base,
})

function checkLocation({ name, location }: DeploymentRequest, before: StoredDeployment | undefined): void {
  if (before?.location !== undefined && location !== undefined && before.location !== location)
    throw invalidLocation(name, location, before.location)
}

/** Where a list goes on: the newest come first, and of one moment those that come first by name. */
const positionOf = ({ startedAt, key }: HistoryEntry) => `${startedAt} ${key}`

function isAfter({ startedAt, key }: HistoryEntry, position: string): boolean {
  const [moment = '', ...rest] = position.split(' ')
  const at = Number(moment)
  return startedAt < at || (startedAt === at && key > rest.join(' '))
}
