import { randomBytes } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import type { Clock, EpochMs } from '../../base/clock.ts'
import { RequestError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { StoredCatalog } from '../../catalog/stored-catalog.ts'
import type { Plan, PlannedResource, Runtime } from '../../templates/templates.ts'
import { type ResourceOutcome, runPlan } from '../../templates/templates.ts'
import { nameInId } from '../../wire/arm-id.ts'
import { operationNameOf, type ResourceEvents } from '../resource-events.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import type { Writes } from '../writes.ts'
import { isDeployedTo } from './deployment-path.ts'
import type { DeploymentRequest } from './deployment-request.ts'
import {
  type ArmError,
  deploymentFailed,
  detailOf,
  interrupted,
  NestedFailed,
  OperationFailed,
  statusCodeOf,
  statusMessageOf,
} from './errors.ts'
import { omittedResources } from './omitted-resources.ts'
import { refOf } from './ref-of.ts'
import { type CallContext, type ResourceCalls, versionFor } from './resource-calls.ts'
import type { DeploymentState, StoredDeployment, StoredOperation } from './stored-deployment.ts'

/** How many resources of one deployment are written at the same time. */
const resourcesTogether = 32

/** A deployment's signal is aborted with one of these. */
export const stops = { canceled: new Error('canceled'), closing: new Error('closing') } as const

export interface RunOptions {
  readonly calls: ResourceCalls
  readonly catalog: StoredCatalog
  readonly writes: Writes
  readonly refs: ResourceRefs
  readonly resourceEvents: ResourceEvents
  readonly clock: Clock
  readonly log: Log
  /** Runs a deployment within this one to its end. */
  readonly deploy: (
    request: DeploymentRequest,
    plan: Plan,
    context: CallContext,
    signal: AbortSignal,
  ) => Promise<StoredDeployment>
}

/** What a run adds to its deployment. */
export type RunResult = Pick<StoredDeployment, 'outputs' | 'outputResources' | 'error' | 'operations'> & {
  readonly state: DeploymentState
}

/**
 * One deployment on its way: writes the resources of a plan, deletes what a template of mode Complete omits, and
 * evaluates the outputs.
 */
export class DeploymentRun {
  readonly #options: RunOptions
  readonly #request: DeploymentRequest
  readonly #plan: Plan
  readonly #context: CallContext
  readonly #signal: AbortSignal
  readonly #runtime: Runtime
  readonly #operations: StoredOperation[] = []
  readonly #nestedResources = new Map<string, readonly string[]>()

  constructor(
    options: RunOptions,
    request: DeploymentRequest,
    plan: Plan,
    context: CallContext,
    signal: AbortSignal,
  ) {
    this.#options = options
    this.#request = request
    this.#plan = plan
    this.#context = context
    this.#signal = signal
    this.#runtime = options.calls.runtime(context)
  }

  /** What has been done so far. */
  get operations(): readonly StoredOperation[] {
    return this.#operations
  }

  /** Never rejects. */
  async run(): Promise<RunResult> {
    const { clock } = this.#options
    const outcome = await runPlan({
      plan: this.#plan,
      deploy: (resource, signal) => this.#deploy(resource, signal),
      concurrency: resourcesTogether,
      clock,
      signal: this.#signal,
      onOutcome: (resource, each) => this.#note('Create', resource.id, each),
    })
    const failures = outcome.resources.flatMap(({ resource, outcome: each }) =>
      each.kind === 'failed' ? [detailOf(each.error, resource.id)] : [],
    )
    if (failures.length > 0) return this.#ended('Failed', { error: deploymentFailed(failures) })
    if (outcome.state !== 'Succeeded') return this.#stopped()
    const notDeleted = this.#request.mode === 'Complete' ? await this.#deleteOmitted() : []
    if (this.#signal.aborted) return this.#stopped()
    if (notDeleted.length > 0) return this.#ended('Failed', { error: deploymentFailed(notDeleted) })
    return this.#evaluateOutputs()
  }

  #stopped(): RunResult {
    return this.#signal.reason === stops.closing
      ? this.#ended('Failed', { error: interrupted })
      : this.#ended('Canceled', {})
  }

  async #evaluateOutputs(): Promise<RunResult> {
    const { clock } = this.#options
    const startedAt = clock.now()
    try {
      const outputs = await this.#plan.outputs(this.#runtime)
      this.#note('EvaluateDeploymentOutput', undefined, {
        kind: 'succeeded',
        result: undefined,
        startedAt,
        endedAt: clock.now(),
      })
      return this.#ended('Succeeded', { outputs, outputResources: this.#deployedIds() })
    } catch (error) {
      this.#report(error, 'the outputs')
      this.#note('EvaluateDeploymentOutput', undefined, {
        kind: 'failed',
        error,
        startedAt,
        endedAt: clock.now(),
      })
      const { code, message } = detailOf(error, '')
      return this.#ended('Failed', { error: { code, message } })
    }
  }

  #ended(state: DeploymentState, more: Partial<RunResult>): RunResult {
    return { state, operations: this.#operations, ...more }
  }

  #deployedIds(): readonly string[] {
    return this.#plan.resources.flatMap(({ id, nested }) =>
      nested ? (this.#nestedResources.get(id) ?? []) : [id],
    )
  }

  // ------------------------------------------------------------ one resource

  async #deploy(resource: PlannedResource, signal: AbortSignal): Promise<void> {
    try {
      if (resource.nested) await this.#deployNested(resource, resource.nested, signal)
      else {
        const body = await this.#plan.evaluate(resource, this.#runtime)
        await this.#options.calls.put(resource.id, resource.apiVersion, body, this.#context, signal)
      }
    } catch (error) {
      if (!signal.aborted) this.#report(error, resource.id)
      else if (signal.reason === stops.canceled && !resource.nested) await this.#cancelWrite(resource)
      throw error
    }
  }

  /** The resource's write has been accepted and waits for an endpoint: it waits no longer. */
  async #cancelWrite({ id, apiVersion }: PlannedResource): Promise<void> {
    const { writes, refs } = this.#options
    const ref = refOf(id, apiVersion, refs)
    if (ref) await writes.cancel(ref)
  }

  async #deployNested(
    resource: PlannedResource,
    nested: NonNullable<PlannedResource['nested']>,
    signal: AbortSignal,
  ): Promise<void> {
    const plan = await nested.open(this.#runtime)
    const { scope, mode, template } = nested
    assert(isDeployedTo(scope), 'a plan is checked before it is run')
    const { location, tags } = await this.#plan.evaluate(resource, this.#runtime)
    const ended = await this.#options.deploy(
      {
        name: nameInId(resource.id),
        scope,
        location: typeof location === 'string' ? location : undefined,
        tags: tags as Readonly<Record<string, string>> | undefined,
        template,
        parameters: {},
        mode,
        resultFormat: 'FullResourcePayloads',
      },
      plan,
      this.#context,
      signal,
    )
    this.#nestedResources.set(resource.id, ended.outputResources ?? [])
    if (ended.state === 'Failed') throw new NestedFailed(ended.error as ArmError)
    if (ended.state !== 'Succeeded')
      throw new NestedFailed({
        code: 'DeploymentCanceled',
        message: `The deployment '${ended.name}' was canceled.`,
      })
  }

  /** Anything but a refusal or an operation's failure is a bug, and must be seen. */
  #report(error: unknown, id: string): void {
    if (error instanceof RequestError || error instanceof OperationFailed || error instanceof NestedFailed)
      return
    this.#options.log.error({ error, id }, 'A deployment could not deploy a resource.')
  }

  // ------------------------------------------------------------ mode Complete

  /** Deletes what the template omits, as long as there is something that can be deleted. */
  async #deleteOmitted(): Promise<readonly ArmError[]> {
    const { calls, catalog, clock } = this.#options
    let left = await omittedResources(this.#request.scope.id, this.#plan, {
      calls,
      catalog,
      context: this.#context,
    })
    for (;;) {
      const failed: { readonly id: string; readonly error: unknown; readonly startedAt: EpochMs }[] = []
      for (const { id } of left) {
        if (this.#signal.aborted) {
          // oxlint-disable-next-line no-await-in-loop
          await this.#tellNotDeleted(left.slice(left.findIndex((each) => each.id === id)))
          return []
        }
        const startedAt = clock.now()
        try {
          // One after the other: what one stands on may be among them.
          // oxlint-disable-next-line no-await-in-loop
          await calls.delete(id as string, versionFor(id as string), this.#context, this.#signal)
          this.#note('Delete', id as string, {
            kind: 'succeeded',
            result: undefined,
            startedAt,
            endedAt: clock.now(),
          })
        } catch (error) {
          failed.push({ id: id as string, error, startedAt })
        }
      }
      if (failed.length === 0 || failed.length === left.length) {
        for (const { id, error, startedAt } of failed) {
          this.#report(error, id)
          const kind = this.#signal.aborted ? 'canceled' : 'failed'
          this.#note('Delete', id, { kind, error, startedAt, endedAt: clock.now() })
        }
        return failed.map(({ id, error }) => detailOf(error, id))
      }
      left = left.filter((each) => failed.some(({ id }) => id === each.id))
    }
  }

  async #tellNotDeleted(left: readonly { readonly id?: unknown }[]): Promise<void> {
    const { origin } = this.#context
    for (const { id } of left) {
      const resourceId = id as string
      const operationName = operationNameOf(resourceId, 'delete')
      // oxlint-disable-next-line no-await-in-loop
      await this.#options.resourceEvents.ended({ origin, resourceId, operationName, status: 'Canceled' })
    }
  }

  // ------------------------------------------------------------ operations

  #note(kind: StoredOperation['kind'], targetId: string | undefined, outcome: ResourceOutcome<void>): void {
    if (outcome.kind === 'notStarted') return
    const { startedAt, endedAt } = outcome
    const common = { id: newOperationId(), kind, startedAt, endedAt, targetId }
    if (outcome.kind === 'succeeded')
      this.#operations.push({
        ...common,
        state: 'Succeeded',
        statusCode: kind === 'Create' ? 'Created' : 'OK',
      })
    else if (outcome.kind === 'canceled')
      this.#operations.push({ ...common, state: 'Canceled', statusCode: 'Conflict' })
    else
      this.#operations.push({
        ...common,
        state: 'Failed',
        statusCode: statusCodeOf(outcome.error),
        statusMessage: statusMessageOf(outcome.error),
      })
  }
}

const newOperationId = () => randomBytes(8).toString('hex').toUpperCase()
