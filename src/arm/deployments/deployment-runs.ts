import type { Origin } from '../../auth/origin.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { StoredCatalog } from '../../catalog/stored-catalog.ts'
import type { Plan } from '../../templates/templates.ts'
import { gatewayError } from '../errors.ts'
import { operationNameOf, type ResourceEvents } from '../resource-events.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import type { Writes } from '../writes.ts'
import { checkPlan } from './deployment-plan.ts'
import type { DeploymentRequest } from './deployment-request.ts'
import { DeploymentRun, stops } from './deployment-run.ts'
import { deploymentId, describeDeployment } from './describe-deployment.ts'
import { deploymentActive, interrupted, quotaExceeded, tooManyRunning } from './errors.ts'
import { deploymentsPerScope, type History, historyKey } from './history.ts'
import type { CallContext, ResourceCalls } from './resource-calls.ts'
import type { StoredDeployment } from './stored-deployment.ts'

/*
 * The deployments that are under way, each from its beginning to its last record.
 */

export interface DeploymentRunsOptions {
  readonly history: History
  readonly calls: ResourceCalls
  readonly catalog: StoredCatalog
  readonly refs: ResourceRefs
  readonly writes: Writes
  readonly resourceEvents: ResourceEvents
  readonly clock: Clock
  readonly log: Log
}

/** How many deployments may be under way, those within others not counted. */
const deploymentsTogether = 100

/** A deployment under way. */
export interface Active {
  /** As it is now. */
  readonly deployment: StoredDeployment
  /** Resolves when nothing of it is under way any more. Never rejects. */
  readonly ended: Promise<StoredDeployment>
}

interface Running extends Active {
  deployment: StoredDeployment
  readonly isOuter: boolean
  readonly run: DeploymentRun
  readonly stop: AbortController
}

export class DeploymentRuns {
  readonly #options: DeploymentRunsOptions
  /** By their key in the history. */
  readonly #running = new Map<string, Running>()
  #isClosing = false

  constructor(options: DeploymentRunsOptions) {
    this.#options = options
  }

  /** What the last process left under way has failed. */
  async load(): Promise<void> {
    const { history, clock } = this.#options
    for (const each of await history.load()) {
      const changedAt = clock.now()
      const failed: StoredDeployment = { ...each, state: 'Failed', changedAt, error: interrupted }
      // oxlint-disable-next-line no-await-in-loop
      await this.#tellEnd(failed)
      // oxlint-disable-next-line no-await-in-loop
      await history.put(failed)
    }
  }

  /** Stops what is under way; each deployment says that it was interrupted. */
  async close(): Promise<void> {
    this.#isClosing = true
    const all = [...this.#running.values()]
    for (const { stop } of all) stop.abort(stops.closing)
    await Promise.all(all.map(({ ended }) => ended))
  }

  /** The deployment as it is now; undefined when it is not under way. */
  find(scopeId: string, name: string): StoredDeployment | undefined {
    const running = this.#running.get(historyKey(scopeId, name))
    return running && { ...running.deployment, operations: running.run.operations }
  }

  /** Resolves when it has ended; to false when it was not under way. */
  async cancel(scopeId: string, name: string): Promise<boolean> {
    const running = this.#running.get(historyKey(scopeId, name))
    if (!running) return false
    running.stop.abort(stops.canceled)
    await running.ended
    return true
  }

  async cancelAll(scopeId: string): Promise<void> {
    const inside = [...this.#running.values()].filter(
      ({ deployment }) => deployment.scopeId.toLowerCase() === scopeId.toLowerCase(),
    )
    for (const { stop } of inside) stop.abort(stops.canceled)
    await Promise.all(inside.map(({ ended }) => ended))
  }

  /**
   * Begins a deployment; it is durable when the promise resolves.
   *
   * @param origin of the deployment itself
   * @param outer of the deployment that this one is within, or of whoever may give it up
   */
  async start(
    request: DeploymentRequest,
    plan: Plan,
    context: CallContext,
    origin: Origin,
    outer?: AbortSignal,
  ): Promise<Active> {
    const { history, clock, refs } = this.#options
    const { name, scope, template } = request
    const key = historyKey(scope.id, name)
    this.#checkRoom(request, outer)
    const stop = new AbortController()
    const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal
    const created = history.find(scope.id, name) === undefined
    const begun = Promise.withResolvers<void>()
    const running: Running = {
      deployment: describeDeployment(request, plan, { origin, created, refs, now: clock.now() }),
      isOuter: outer === undefined,
      run: new DeploymentRun(
        { ...this.#options, deploy: this.#deployNested },
        request,
        plan,
        context,
        signal,
      ),
      stop,
      ended: begun.promise.then(() => this.#run(key, running)),
    }
    this.#running.set(key, running)
    try {
      await history.put(running.deployment, template)
    } catch (error) {
      this.#running.delete(key)
      throw error
    }
    begun.resolve()
    return running
  }

  #checkRoom({ scope, name }: DeploymentRequest, outer: AbortSignal | undefined): void {
    const { history } = this.#options
    if (this.#isClosing)
      throw gatewayError(503, 'ServiceUnavailable', 'The server is stopping.', { 'Retry-After': '5' })
    if (this.#running.has(historyKey(scope.id, name))) throw deploymentActive(name)
    const outermost = [...this.#running.values()].filter(({ isOuter }) => isOuter)
    if (!outer && outermost.length >= deploymentsTogether) throw tooManyRunning(deploymentsTogether)
    if (!history.find(scope.id, name) && history.isFull(scope.id))
      throw quotaExceeded(scope.id, deploymentsPerScope)
  }

  readonly #deployNested = async (
    request: DeploymentRequest,
    plan: Plan,
    context: CallContext,
    signal: AbortSignal,
  ): Promise<StoredDeployment> => {
    checkPlan(request.name, plan, this.#options.refs)
    const id = deploymentId(request.scope, request.name)
    this.#options.catalog.access.check(context.caller, operationNameOf(id, 'write'), id)
    return (await this.start(request, plan, context, context.origin, signal)).ended
  }

  async #run(key: string, running: Running): Promise<StoredDeployment> {
    const { history, clock, log } = this.#options
    running.deployment = { ...running.deployment, state: 'Running' }
    const result = await running.run.run()
    running.deployment = { ...running.deployment, ...result, changedAt: clock.now() }
    try {
      await this.#tellEnd(running.deployment)
      await history.put(running.deployment)
    } catch (error) {
      // What is stored says that it runs, and the next start that it was interrupted.
      log.error({ error, id: running.deployment.id }, 'What became of a deployment could not be stored.')
    }
    this.#running.delete(key)
    return running.deployment
  }

  #tellEnd({ id, origin, created, state, operationId }: StoredDeployment): Promise<void> {
    return this.#options.resourceEvents.ended({
      ...{ origin, created, resourceId: id, operationName: operationNameOf(id, 'write') },
      status: state === 'Succeeded' || state === 'Canceled' ? state : 'Failed',
      repeatKey: operationId,
    })
  }
}
