import { assert } from '../base/assert.ts'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Plan, PlannedResource } from './plan.ts'

export interface RunRequest<Result> {
  readonly plan: Pick<Plan, 'resources'>
  /** Deploys one resource, and resolves when it is there. The signal tells it to stop. */
  deploy(resource: PlannedResource, signal: AbortSignal): Promise<Result>
  /** How many resources may be under way at once. */
  readonly concurrency: number
  readonly clock: Pick<Clock, 'now'>
  readonly signal: AbortSignal
  /** Told of each outcome when it is there. */
  onOutcome?(resource: PlannedResource, outcome: ResourceOutcome<Result>): void
}

interface Times {
  readonly startedAt: EpochMs
  readonly endedAt: EpochMs
}

/** What became of one resource. */
export type ResourceOutcome<Result> =
  | ({ readonly kind: 'succeeded'; readonly result: Result } & Times)
  | ({ readonly kind: 'failed'; readonly error: unknown } & Times)
  /** It was under way when the run was canceled, and did not come to an end of its own. */
  | ({ readonly kind: 'canceled'; readonly error: unknown } & Times)
  | { readonly kind: 'notStarted' }

export interface RunOutcome<Result> {
  readonly state: 'Succeeded' | 'Failed' | 'Canceled'
  /** Every resource of the plan, in the plan's order. */
  readonly resources: readonly {
    readonly resource: PlannedResource
    readonly outcome: ResourceOutcome<Result>
  }[]
}

/**
 * Deploys the resources of a plan, each when what it depends on is there, as many at a time as are ready. After a
 * failure, or once canceled, nothing more is started. Resolves when nothing is under way any more; never rejects.
 */
export async function runPlan<Result>(request: RunRequest<Result>): Promise<RunOutcome<Result>> {
  const { plan, concurrency, signal } = request
  assert(concurrency >= 1, 'a plan is run with a concurrency of at least 1')
  const run = new Run(request)
  const waiting = new Set(plan.resources)
  const running = new Set<Promise<void>>()
  for (;;) {
    for (const resource of waiting) {
      if (running.size >= concurrency || run.hasFailed || signal.aborted) break
      if (!run.isReady(resource)) continue
      waiting.delete(resource)
      const ended: Promise<void> = run.deploy(resource).then(() => void running.delete(ended))
      running.add(ended)
    }
    if (running.size === 0) break
    // One at a time: which is next depends on what has ended.
    // oxlint-disable-next-line no-await-in-loop
    await Promise.race(running)
  }
  return run.outcome()
}

class Run<Result> {
  readonly #request: RunRequest<Result>
  readonly #outcomes = new Map<string, ResourceOutcome<Result>>()
  readonly #done = new Set<string>()
  hasFailed = false

  constructor(request: RunRequest<Result>) {
    this.#request = request
  }

  isReady({ dependsOn }: PlannedResource): boolean {
    return dependsOn.every((id) => this.#done.has(id))
  }

  /** Never rejects. */
  async deploy(resource: PlannedResource): Promise<void> {
    const { clock, signal } = this.#request
    const startedAt = clock.now()
    const outcome = await this.#attempt(resource, startedAt)
    if (outcome.kind === 'succeeded') this.#done.add(resource.id)
    else if (!signal.aborted) this.hasFailed = true
    this.#outcomes.set(resource.id, outcome)
    this.#request.onOutcome?.(resource, outcome)
  }

  async #attempt(resource: PlannedResource, startedAt: EpochMs): Promise<ResourceOutcome<Result>> {
    const { clock, signal } = this.#request
    try {
      const result = await this.#request.deploy(resource, signal)
      return { kind: 'succeeded', result, startedAt, endedAt: clock.now() }
    } catch (error) {
      const kind = signal.aborted ? 'canceled' : 'failed'
      return { kind, error, startedAt, endedAt: clock.now() }
    }
  }

  outcome(): RunOutcome<Result> {
    const { plan } = this.#request
    const resources = plan.resources.map((resource) => ({
      resource,
      outcome: this.#outcomes.get(resource.id) ?? { kind: 'notStarted' as const },
    }))
    const isWhole = resources.every(({ outcome }) => outcome.kind === 'succeeded')
    return { state: isWhole ? 'Succeeded' : this.hasFailed ? 'Failed' : 'Canceled', resources }
  }
}
