import type { Clock, EpochMs } from '../base/clock.ts'
import { type InTurn, inTurn } from '../base/in-turn.ts'
import type { Log } from '../base/log.ts'
import type { Sealer } from '../base/sealer.ts'
import type { RecordChange, Records } from '../store/store.ts'
import type { ConfigurationCounts, Setting } from './configuration.ts'
import { Configurations } from './configurations.ts'
import {
  deviceExists,
  deviceNotFound,
  HubError,
  moduleExists,
  moduleNotFound,
  preconditionFailed,
  twinPreconditionFailed,
} from './errors.ts'
import {
  type IdentityRequest,
  keyPurpose,
  newIdentity,
  type StoredIdentity,
  updatedIdentity,
} from './identity.ts'
import { patchTo } from './lay.ts'
import type { RegistryLimits } from './limits.ts'
import { patchTwin, replaceTwin, reportTwin, type Twin, type TwinChange } from './twin.ts'

/*
 * The devices and modules of one IoT hub, with their twins. In come checked requests; out go identities, and a word to
 * whoever listens of each that has changed. It promises that a change is durable when its promise resolves, that changes
 * of one device follow each other, and that memory does not grow with the number of devices: they stay in the records.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-identity-registry
 */

/** A device, or a module of one. */
export interface IdentityName {
  readonly deviceId: string
  readonly moduleId?: string | undefined
}

/** What has become of an identity; undefined before: it is new, undefined after: it is gone. */
export interface IdentityChange {
  readonly before: StoredIdentity | undefined
  readonly after: StoredIdentity | undefined
  /** The service side has put another twin in the place of the one there was. */
  readonly isReplaced?: boolean
}

/** Awaited before the change is answered. */
export type IdentityListener = (changes: readonly IdentityChange[]) => Promise<void> | void

export interface RegistryOptions {
  /** Of the hub: names its records. */
  readonly hubUid: string
  readonly records: Records
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly limits: RegistryLimits
  readonly onChange: IdentityListener
}

export interface Counts {
  readonly devices: number
  readonly enabled: number
  readonly modules: number
  /** How many devices, or modules, each configuration is laid on, by its id. */
  readonly configurations?: Readonly<Record<string, ConfigurationCounts>>
}

/** Which version a change is made to; undefined: whatever there is. */
export type Etag = number | undefined

const walkedAtOnce = 500

export class Registry {
  readonly configurations: Configurations
  readonly #options: RegistryOptions
  readonly #turns: InTurn = inTurn()
  readonly #prefix: string
  #counts: Counts
  /** Written together at the end of this turn of the event loop. */
  #pending: RecordChange[] = []
  #flushing: Promise<void> | undefined
  /** Writes that are not durable yet. */
  readonly #writing = new Set<Promise<void>>()

  private constructor(options: RegistryOptions, configurations: Configurations, counts: Counts) {
    this.#options = options
    this.configurations = configurations
    this.#prefix = prefixOf(options.hubUid)
    this.#counts = counts
  }

  static async open(options: RegistryOptions): Promise<Registry> {
    const stored = await options.records.get(`${prefixOf(options.hubUid)}counts`)
    const none: Counts = { devices: 0, enabled: 0, modules: 0 }
    const configurations = await Configurations.open(options)
    const registry = new Registry(options, configurations, (stored?.value as Counts | undefined) ?? none)
    configurations.start(registry)
    return registry
  }

  /** Removes every record of a hub that is gone. */
  static async forget(records: Records, hubUid: string): Promise<void> {
    for (;;) {
      const some = await records.page(prefixOf(hubUid), undefined, walkedAtOnce)
      if (some.length === 0) return
      await records.write(some.map(({ key }) => ({ key, value: undefined })))
    }
  }

  counts(): Counts {
    return this.#counts
  }

  async find(name: IdentityName): Promise<StoredIdentity | undefined> {
    const stored = await this.#options.records.get(this.#keyOf(name))
    return stored?.value as StoredIdentity | undefined
  }

  /** Throws where there is none. */
  async get(name: IdentityName): Promise<StoredIdentity> {
    const found = await this.find(name)
    if (found) return found
    throw await this.#notFound(name)
  }

  /** Primary and secondary. */
  keysOf(identity: StoredIdentity): readonly [string, string] {
    const text = this.#options.sealer.unseal(identity.sealedKeys, keyPurpose(this.#options.hubUid, identity))
    const [primary = '', secondary = ''] = text.split(' ')
    return [primary, secondary]
  }

  async create(name: IdentityName, request: IdentityRequest, twin: TwinChange = {}): Promise<StoredIdentity> {
    const { clock, hubUid, limits } = this.#options
    return this.#turns([name.deviceId], async () => {
      if (await this.find(name)) throw exists(name)
      const { devices, modules } = this.#counts
      if (devices + modules >= limits.identities)
        throw new HubError('TooManyDevices', `A hub has at most ${limits.identities} devices and modules.`)
      if (name.moduleId !== undefined) await this.#checkModules(name.deviceId)
      const now = clock.now()
      const made = newIdentity(hubUid, name, request, now, this.#keys)
      // What comes with a new twin is no change of it.
      const { tags, desired } = patchTwin(made.twin, twin, now, limits)
      const after = { ...made, twin: { ...made.twin, tags, desired: { ...desired, version: 1 } } }
      return this.#writeOne(undefined, after)
    })
  }

  async update(name: IdentityName, request: IdentityRequest, etag: Etag): Promise<StoredIdentity> {
    const { clock, hubUid } = this.#options
    return this.#change(name, (before) => {
      if (etag !== undefined && etag !== before.etag) throw preconditionFailed()
      return updatedIdentity(hubUid, before, request, clock.now(), this.#keys)
    })
  }

  /** Modules go with their device. */
  async remove(name: IdentityName, etag: Etag): Promise<void> {
    await this.#turns([name.deviceId], async () => {
      const before = await this.get(name)
      if (etag !== undefined && etag !== before.etag) throw preconditionFailed()
      const modules = name.moduleId === undefined ? await this.modulesOf(name.deviceId) : []
      await this.#write([...modules, before].map((each) => ({ before: each, after: undefined })))
    })
  }

  /** What the service side wants of a twin. */
  async changeTwin(
    name: IdentityName,
    change: TwinChange,
    how: 'patch' | 'replace',
    etag: Etag,
  ): Promise<StoredIdentity> {
    const { clock, limits } = this.#options
    const next = how === 'patch' ? patchTwin : replaceTwin
    return this.#changeTwin(
      name,
      (twin) => {
        if (etag !== undefined && etag !== twin.etag) throw twinPreconditionFailed(name.deviceId)
        return next(twin, change, clock.now(), limits)
      },
      how === 'replace',
    )
  }

  /** Puts values at paths below the desired properties, in the place of what is there. */
  async setDesired(name: IdentityName, settings: readonly Setting[], etag?: Etag): Promise<StoredIdentity> {
    const { clock, limits } = this.#options
    return this.#changeTwin(name, (twin) => {
      if (etag !== undefined && etag !== twin.etag) throw twinPreconditionFailed(name.deviceId)
      const desired = patchTo(twin.desired.value, settings)
      return patchTwin(twin, { desired }, clock.now(), limits)
    })
  }

  /** What a device says of itself. */
  async report(name: IdentityName, patch: NonNullable<TwinChange['desired']>): Promise<StoredIdentity> {
    const { clock, limits } = this.#options
    return this.#changeTwin(name, (twin) => reportTwin(twin, patch, clock.now(), limits))
  }

  /** When it was last heard of, and came or went; of an identity that is gone, nothing. */
  async noteActivity(
    name: IdentityName,
    {
      lastActivityAt,
      connectionChangedAt,
    }: { readonly lastActivityAt: EpochMs | undefined; readonly connectionChangedAt?: EpochMs | undefined },
  ): Promise<void> {
    await this.#changeIfThere(name, (before) => ({
      ...before,
      ...(lastActivityAt !== undefined && {
        lastActivityAt: Math.max(lastActivityAt, before.lastActivityAt ?? 0),
      }),
      ...(connectionChangedAt !== undefined && { connectionChangedAt }),
    }))
  }

  /** The model that a device says it has. */
  async announceModel(name: IdentityName, modelId: string): Promise<void> {
    await this.#changeIfThere(name, (before) => ({ ...before, twin: { ...before.twin, modelId } }))
  }

  /** Lays the configurations of now on it, where that changes it. */
  async lay(name: IdentityName): Promise<void> {
    await this.#turns([name.deviceId], async () => {
      const before = await this.find(name)
      if (before && this.configurations.lay(before, before) !== before) await this.#writeOne(before, before)
    })
  }

  /** Resolves when every change that has been made so far is to be found, or has failed. */
  async written(): Promise<void> {
    await Promise.allSettled([...this.#writing])
  }

  configurationCounts(id: string): ConfigurationCounts {
    const { configurations = {} } = this.#counts
    // An id may be `constructor`.
    return (Object.hasOwn(configurations, id) ? configurations[id] : undefined) ?? { targeted: 0, applied: 0 }
  }

  async modulesOf(deviceId: string): Promise<readonly StoredIdentity[]> {
    const stored = await this.#options.records.list(`${this.#prefix}module/${deviceId}/`)
    return stored.map(({ value }) => value as StoredIdentity)
  }

  /** At most `limit` devices, or modules, that come after that one, in the order of their ids. */
  async page(
    kind: 'device' | 'module',
    after: IdentityName | undefined,
    limit: number,
  ): Promise<readonly StoredIdentity[]> {
    const start = after && this.#keyOf(after)
    const stored = await this.#options.records.page(`${this.#prefix}${kind}/`, start, limit)
    return stored.map(({ value }) => value as StoredIdentity)
  }

  /** Every device, or module, that comes after that one; other work goes on in between. */
  async *walk(kind: 'device' | 'module', after?: IdentityName): AsyncGenerator<StoredIdentity> {
    let last = after
    for (;;) {
      const some = await this.page(kind, last, walkedAtOnce)
      yield* some
      last = some.at(-1)
      if (some.length < walkedAtOnce) return
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  // ---------------------------------------------------------------- how changes are made

  readonly #keys = {
    seal: (keys: readonly [string, string], purpose: string) =>
      this.#options.sealer.seal(keys.join(' '), purpose),
    of: (identity: StoredIdentity) => this.keysOf(identity),
  }

  #keyOf({ deviceId, moduleId }: IdentityName): string {
    return moduleId === undefined
      ? `${this.#prefix}device/${deviceId}`
      : `${this.#prefix}module/${deviceId}/${moduleId}`
  }

  async #notFound({ deviceId, moduleId }: IdentityName): Promise<HubError> {
    if (moduleId === undefined || !(await this.find({ deviceId }))) return deviceNotFound(deviceId)
    return moduleNotFound(deviceId, moduleId)
  }

  async #checkModules(deviceId: string): Promise<void> {
    const { modulesPerDevice, modulesPerEdgeDevice } = this.#options.limits
    const { isEdge } = await this.get({ deviceId })
    const most = isEdge ? modulesPerEdgeDevice : modulesPerDevice
    if ((await this.modulesOf(deviceId)).length >= most)
      throw new HubError('TooManyModulesOnDevice', `Device '${deviceId}' may have ${most} modules.`)
  }

  #changeTwin(name: IdentityName, next: (twin: Twin) => Twin, isReplaced = false): Promise<StoredIdentity> {
    return this.#change(name, (before) => ({ ...before, twin: next(before.twin) }), isReplaced)
  }

  async #changeIfThere(name: IdentityName, next: (before: StoredIdentity) => StoredIdentity): Promise<void> {
    await this.#turns([name.deviceId], async () => {
      const before = await this.find(name)
      if (before) await this.#writeOne(before, next(before))
    })
  }

  #change(
    name: IdentityName,
    next: (before: StoredIdentity) => StoredIdentity,
    isReplaced = false,
  ): Promise<StoredIdentity> {
    return this.#turns([name.deviceId], async () => {
      const before = await this.get(name)
      return this.#writeOne(before, next(before), isReplaced)
    })
  }

  /** In the turn of the device. Resolves to what is there now, with what configurations make of it. */
  async #writeOne(
    before: StoredIdentity | undefined,
    after: StoredIdentity,
    isReplaced = false,
  ): Promise<StoredIdentity> {
    const laid = this.configurations.lay(before, after)
    await this.#write([{ before, after: laid, isReplaced }])
    return laid
  }

  /** In the turn of the device. */
  async #write(changes: readonly IdentityChange[]): Promise<void> {
    for (const { before, after } of changes) {
      this.#pending.push({ key: this.#keyOf((after ?? before) as StoredIdentity), value: after })
      this.#counts = counted(this.#counts, before, after)
    }
    await (this.#flushing ??= this.#follow(this.#flush()))
    await this.#options.onChange(changes)
  }

  async #follow(writing: Promise<void>): Promise<void> {
    this.#writing.add(writing)
    try {
      await writing
    } finally {
      this.#writing.delete(writing)
    }
  }

  /** One write for all that was changed in this turn of the event loop. */
  async #flush(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    const changes = this.#pending
    this.#pending = []
    this.#flushing = undefined
    try {
      await this.#options.records.write([...changes, { key: `${this.#prefix}counts`, value: this.#counts }])
    } catch (error) {
      // None of them was made.
      const stored = await this.#options.records.get(`${this.#prefix}counts`)
      this.#counts = (stored?.value as Counts | undefined) ?? { devices: 0, enabled: 0, modules: 0 }
      throw error
    }
  }
}

const prefixOf = (hubUid: string): string => `hub/${hubUid}/`

const exists = ({ deviceId, moduleId }: IdentityName) =>
  moduleId === undefined ? deviceExists(deviceId) : moduleExists(deviceId, moduleId)

function counted(
  counts: Counts,
  before: StoredIdentity | undefined,
  after: StoredIdentity | undefined,
): Counts {
  const count = (identity: StoredIdentity | undefined) => {
    const isDevice = identity !== undefined && identity.moduleId === undefined
    return {
      devices: isDevice ? 1 : 0,
      enabled: isDevice && identity.status === 'enabled' ? 1 : 0,
      modules: identity !== undefined && !isDevice ? 1 : 0,
    }
  }
  const [left, right] = [count(before), count(after)]
  const configurations = countedConfigurations(counts, before, after)
  return {
    devices: counts.devices - left.devices + right.devices,
    enabled: counts.enabled - left.enabled + right.enabled,
    modules: counts.modules - left.modules + right.modules,
    ...(configurations && { configurations }),
  }
}

function countedConfigurations(
  { configurations }: Counts,
  before: StoredIdentity | undefined,
  after: StoredIdentity | undefined,
): Counts['configurations'] {
  if (before?.configurations === after?.configurations) return configurations
  const counts = new Map(Object.entries(configurations ?? {}))
  for (const [identity, sign] of [
    [before, -1],
    [after, 1],
  ] as const)
    for (const [id, { status }] of Object.entries(identity?.configurations ?? {})) {
      const { targeted, applied } = counts.get(id) ?? { targeted: 0, applied: 0 }
      counts.set(id, { targeted: targeted + sign, applied: applied + (status === 'Applied' ? sign : 0) })
    }
  const left = [...counts].filter(([, { targeted }]) => targeted > 0)
  return left.length > 0 ? Object.fromEntries(left) : undefined
}
