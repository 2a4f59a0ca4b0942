import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '../base/clock.ts'
import { type InTurn, inTurn } from '../base/in-turn.ts'
import type { Log } from '../base/log.ts'
import { compileQuery } from '../hubquery/query.ts'
import type { Records } from '../store/store.ts'
import type { WireObject } from '../wire/shape.ts'
import {
  type ConfigurationRequest,
  compileTarget,
  encodeConfiguration,
  faultOfMetric,
  faultOfTarget,
  type StoredConfiguration,
  settingsOf,
} from './configuration.ts'
import { encodeTwin, type Presence } from './encode.ts'
import { HubError, preconditionFailed } from './errors.ts'
import type { StoredIdentity } from './identity.ts'
import { byPriority, type Layer, layConfigurations } from './lay.ts'
import type { RegistryLimits } from './limits.ts'
import type { Etag, Registry } from './registry.ts'

export interface ConfigurationsOptions {
  readonly hubUid: string
  readonly records: Records
  readonly clock: Clock
  readonly log: Log
  readonly limits: RegistryLimits
}

/** Twins that are looked at together while a configuration is applied. */
const appliedAtOnce = 200
const retryMs = 10_000

/**
 * The configurations of one hub. Each change of a twin has them laid on it in the same write; when a configuration is
 * written, every identity is walked over once, behind the answer. That the walk is due is durable with the configuration,
 * so that the next start ends what a crash has cut off.
 */
export class Configurations {
  readonly #options: ConfigurationsOptions
  readonly #prefix: string
  readonly #turns: InTurn = inTurn()
  #layers: readonly Layer[] = []
  #registry: Registry | undefined
  #walking: Promise<void> | undefined
  #isDue = false
  #isClosed = false
  #retry: Timer | undefined

  private constructor(options: ConfigurationsOptions) {
    this.#options = options
    this.#prefix = `hub/${options.hubUid}/`
  }

  static async open(options: ConfigurationsOptions): Promise<Configurations> {
    const opened = new Configurations(options)
    const stored = await options.records.list(`${opened.#prefix}configuration/`)
    opened.#layers = stored.map(({ value }) => layerOf(value as StoredConfiguration)).toSorted(byPriority)
    opened.#isDue = (await options.records.get(`${opened.#prefix}applying`)) !== undefined
    return opened
  }

  /** Ends what was under way when the process before this one ended. */
  start(registry: Registry): void {
    this.#registry = registry
    if (this.#isDue) this.#walk()
  }

  /** See `layConfigurations`. */
  lay(before: StoredIdentity | undefined, after: StoredIdentity): StoredIdentity {
    const { clock, limits } = this.#options
    return layConfigurations(this.#layers, before, after, clock.now(), limits)
  }

  all(): readonly StoredConfiguration[] {
    return this.#layers.map(({ configuration }) => configuration).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Throws where there is none. */
  get(id: string): StoredConfiguration {
    const found = this.#find(id)
    if (found) return found
    throw new HubError('ConfigurationNotFound', `There is no configuration '${id}'.`)
  }

  #find = (id: string) => this.#layers.find(({ configuration }) => configuration.id === id)?.configuration

  /** @param most how many the hub may have */
  async create(id: string, request: ConfigurationRequest, most: number): Promise<StoredConfiguration> {
    return this.#turns(['configurations'], async () => {
      if (this.#find(id))
        throw new HubError('ConfigurationAlreadyExists', `There is a configuration '${id}' already.`)
      if (this.#layers.length >= most)
        throw new HubError('ConfigurationCountLimitExceeded', `This hub has at most ${most} configurations.`)
      const { content } = request
      if (!content) throw new HubError('InvalidConfigurationContent', 'A new configuration has content.')
      const now = this.#options.clock.now()
      const orders = this.#layers.map(({ configuration }) => configuration.order)
      const made: StoredConfiguration = {
        id,
        schemaVersion: request.schemaVersion ?? '1.0',
        labels: request.labels ?? {},
        content,
        targetCondition: request.targetCondition ?? '',
        priority: request.priority ?? 0,
        metrics: request.metrics ?? {},
        etag: 1,
        createdAt: now,
        order: Math.max(0, ...orders) + 1,
        changedAt: now,
      }
      await this.#write(made)
      return made
    })
  }

  /** What a request does not say stays. */
  async update(id: string, request: ConfigurationRequest, etag: Etag): Promise<StoredConfiguration> {
    return this.#turns(['configurations'], async () => {
      const before = this.get(id)
      if (etag !== undefined && etag !== before.etag) throw preconditionFailed()
      if (request.content && !isDeepStrictEqual(plain(request.content), plain(before.content)))
        throw new HubError(
          'CannotModifyImmutableConfigurationContent',
          'The content of a configuration stays as it was made: make another one.',
        )
      const after: StoredConfiguration = {
        ...before,
        schemaVersion: request.schemaVersion ?? before.schemaVersion,
        labels: request.labels ?? before.labels,
        targetCondition: request.targetCondition ?? before.targetCondition,
        priority: request.priority ?? before.priority,
        metrics: request.metrics ?? before.metrics,
        etag: before.etag + 1,
        changedAt: this.#options.clock.now(),
      }
      await this.#write(after)
      return after
    })
  }

  async remove(id: string, etag: Etag): Promise<void> {
    await this.#turns(['configurations'], async () => {
      const before = this.get(id)
      if (etag !== undefined && etag !== before.etag) throw preconditionFailed()
      await this.#options.records.write([
        { key: `${this.#prefix}configuration/${id}`, value: undefined },
        { key: `${this.#prefix}applying`, value: {} },
      ])
      this.#layers = this.#layers.filter(({ configuration }) => configuration.id !== id)
      this.#walk()
    })
  }

  async #write(configuration: StoredConfiguration): Promise<void> {
    const { id, targetCondition, metrics, content } = configuration
    const layer = layerOf(configuration)
    for (const [name, query] of Object.entries(metrics)) {
      const fault = faultOfMetric(query)
      if (fault !== undefined)
        throw new HubError('InvalidConfigurationCustomMetricsQuery', `The query of '${name}': ${fault}`)
    }
    if (content.deviceContent && layer.target.kind === 'module')
      throw new HubError(
        'InvalidConfigurationTargetCondition',
        'deviceContent is for devices: ask of devices.',
      )
    if (content.moduleContent && layer.target.kind === 'device' && targetCondition.trim() !== '')
      throw new HubError(
        'InvalidConfigurationTargetCondition',
        "moduleContent is for modules: begin with 'FROM devices.modules WHERE'.",
      )
    await this.#options.records.write([
      { key: `${this.#prefix}configuration/${id}`, value: configuration },
      { key: `${this.#prefix}applying`, value: {} },
    ])
    const others = this.#layers.filter((each) => each.configuration.id !== id)
    this.#layers = [...others, layer].toSorted(byPriority)
    this.#walk()
  }

  // ---------------------------------------------------------------- the walk

  #walk(): void {
    this.#isDue = true
    this.#retry?.cancel()
    this.#walking ??= this.#applyAll()
      .catch((error: unknown) => {
        const { hubUid, log, clock } = this.#options
        log.error({ err: error, hub: hubUid }, 'Configurations could not be applied; it is tried again.')
        this.#retry = clock.at(clock.now() + retryMs, () => this.#walk())
      })
      .finally(() => {
        this.#walking = undefined
      })
  }

  async #applyAll(): Promise<void> {
    const registry = this.#registry as Registry
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false
      try {
        // Changes on their way have other configurations laid on them, and a page would not show them yet.
        await registry.written()
        for (const kind of ['device', 'module'] as const) await this.#applyTo(registry, kind)
      } catch (error) {
        this.#isDue = true
        throw error
      }
      // In turn with what writes configurations: one that came meanwhile is applied yet.
      await this.#turns(['configurations'], async () => {
        if (!this.#isDue && !this.#isClosed) await this.#options.records.delete(`${this.#prefix}applying`)
      })
    }
  }

  async #applyTo(registry: Registry, kind: 'device' | 'module'): Promise<void> {
    let last: StoredIdentity | undefined
    // Another configuration has come: the walk begins anew.
    while (!this.#isClosed && !this.#isDue) {
      const some = await registry.page(kind, last, appliedAtOnce)
      // Whoever changes one of these in the meantime lays the same configurations on it.
      const affected = some.filter((identity) => this.lay(identity, identity) !== identity)
      await Promise.all(affected.map((identity) => registry.lay(identity)))
      last = some.at(-1)
      if (some.length < appliedAtOnce) return
    }
  }

  /** Resolves when nothing is being applied. */
  async settle(): Promise<void> {
    while (this.#walking) await this.#walking
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#retry?.cancel()
    await this.settle()
  }

  // ---------------------------------------------------------------- what clients see

  /** With the results of all metrics, by one walk over the identities that they ask about. */
  async encode(
    configurations: readonly StoredConfiguration[],
    presenceOf: (identity: StoredIdentity) => Presence,
  ): Promise<readonly WireObject[]> {
    const registry = this.#registry as Registry
    // One walk at a time, however many ask.
    const results = await this.#turns(['metrics'], () => countMetrics(registry, configurations, presenceOf))
    return configurations.map((configuration, n) =>
      encodeConfiguration(configuration, registry.configurationCounts(configuration.id), results[n] ?? {}),
    )
  }
}

/** What the two questions of a configuration would be answered before it is made. */
export function testQueries(targetCondition: string, metrics: Readonly<Record<string, string>>): WireObject {
  const errors = Object.entries(metrics).map(([name, query]) => [name, faultOfMetric(query)] as const)
  return {
    targetConditionError: faultOfTarget(targetCondition) ?? null,
    customMetricQueryErrors: Object.fromEntries(errors.filter(([, fault]) => fault !== undefined)),
  }
}

async function countMetrics(
  registry: Registry,
  configurations: readonly StoredConfiguration[],
  presenceOf: (identity: StoredIdentity) => Presence,
): Promise<readonly Readonly<Record<string, number>>[]> {
  const asked = configurations.map(({ metrics }) =>
    Object.entries(metrics).map(([name, text]) => {
      const query = compileQuery(text)
      return { name, query, aggregation: query.aggregate?.(), count: 0 }
    }),
  )
  const all = asked.flat()
  for (const [kind, from] of [
    ['device', 'devices'],
    ['module', 'devices.modules'],
  ] as const) {
    const some = all.filter(({ query }) => query.from === from)
    if (some.length === 0) continue
    for await (const identity of registry.walk(kind)) {
      const twin = encodeTwin(identity, presenceOf(identity))
      for (const metric of some)
        if (metric.query.matches(twin)) {
          metric.aggregation?.add(twin)
          metric.count++
        }
    }
  }
  return asked.map((metrics) =>
    Object.fromEntries(
      metrics.map(({ name, query, aggregation, count }) => {
        // How many results the query gives.
        const found = aggregation ? aggregation.results().length : count
        return [name, Math.min(found, query.top ?? found)]
      }),
    ),
  )
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

function layerOf(configuration: StoredConfiguration): Layer {
  const { content, targetCondition } = configuration
  const { deviceContent, moduleContent } = content
  return {
    configuration,
    target: compileTarget(targetCondition),
    settings: settingsOf(
      deviceContent ?? moduleContent ?? {},
      deviceContent ? 'deviceContent' : 'moduleContent',
    ),
  }
}
