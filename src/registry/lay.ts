import { isDeepStrictEqual } from 'node:util'
import type { EpochMs } from '../base/clock.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import type { Setting, StoredConfiguration, Target } from './configuration.ts'
import { absent, encodeTwin } from './encode.ts'
import { HubError } from './errors.ts'
import type { StoredIdentity } from './identity.ts'
import type { RegistryLimits } from './limits.ts'
import { patchTwin } from './twin.ts'

/** A configuration as it is laid on twins. */
export interface Layer {
  readonly configuration: StoredConfiguration
  readonly target: Target
  readonly settings: readonly Setting[]
}

/** The one that wins comes last: the higher priority, and of the same the later one. */
export const byPriority = ({ configuration: a }: Layer, { configuration: b }: Layer): number =>
  a.priority - b.priority || a.createdAt - b.createdAt || a.order - b.order

/**
 * The identity with every configuration laid on it that matches it, and with what it says of them: `Applied` where at
 * least one of its settings is what the twin has by it; `Targeted` where others have won all of them, or where the
 * properties would become too large. The same object where nothing changes. Pure: one write holds the change of a twin
 * and what configurations make of it.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-automatic-device-management
 *
 * @param layers the winner last
 * @param before what was there; undefined for a new identity
 */
export function layConfigurations(
  layers: readonly Layer[],
  before: StoredIdentity | undefined,
  identity: StoredIdentity,
  now: EpochMs,
  limits: RegistryLimits,
): StoredIdentity {
  if (layers.length === 0 && !identity.configurations) return identity
  const kind = identity.moduleId === undefined ? 'device' : 'module'
  const twin = encodeTwin(identity, absent)
  const matching = layers.filter(({ target }) => target.kind === kind && target.matches(twin))
  const patch = patchTo(
    identity.twin.desired.value,
    matching.flatMap(({ settings }) => settings),
  )
  const next = Object.keys(patch).length > 0 ? patched(before, identity, patch, now, limits) : identity.twin
  const statuses = matching.map(({ configuration, settings }, n) => {
    const later = matching.slice(n + 1).flatMap((layer) => layer.settings)
    const holds =
      settings.length === 0 || settings.some(({ path }) => !later.some((other) => covers(other.path, path)))
    return [
      configuration.id,
      { status: next && holds ? ('Applied' as const) : ('Targeted' as const) },
    ] as const
  })
  const configurations = statuses.length > 0 ? Object.fromEntries(statuses) : undefined
  if ((!next || next === identity.twin) && isDeepStrictEqual(configurations, identity.configurations))
    return identity
  const { configurations: _, ...rest } = identity
  return { ...rest, ...(configurations && { configurations }), twin: next ?? identity.twin }
}

const covers = (outer: readonly string[], inner: readonly string[]): boolean =>
  outer.length <= inner.length && outer.every((name, n) => name === inner[n])

/** Undefined: the properties would become too large. */
function patched(
  before: StoredIdentity | undefined,
  identity: StoredIdentity,
  patch: WireObject,
  now: EpochMs,
  limits: RegistryLimits,
) {
  // A version that this very write has made is told to the device once, with everything that it changes.
  const isOwn = before !== undefined && before.twin.desired.version !== identity.twin.desired.version
  try {
    const { desired } = identity.twin
    const base = isOwn
      ? { ...identity.twin, desired: { ...desired, version: desired.version - 1 } }
      : identity.twin
    return patchTwin(base, { desired: patch }, now, limits)
  } catch (error) {
    if (error instanceof HubError) return undefined
    throw error
  }
}

/** What puts values at their paths, one after the other, as a patch that merges. */
export function patchTo(value: WireObject, settings: readonly Setting[]): WireObject {
  let wanted = value
  for (const { path, value: setting } of settings) wanted = placed(wanted, path, setting)
  return difference(value, wanted)
}

/** That value at that path, in the place of whatever is there; null takes it away. */
function placed(target: WireObject, path: readonly string[], value: unknown): WireObject {
  const [name, ...rest] = path
  if (name === undefined) return isObject(value) ? withoutNulls(value) : {}
  const members = new Map(Object.entries(target))
  const inner = members.get(name)
  if (rest.length > 0) members.set(name, placed(isObject(inner) ? inner : {}, rest, value))
  else if (value === null) members.delete(name)
  else members.set(name, isObject(value) ? withoutNulls(value) : value)
  return Object.fromEntries(members)
}

const withoutNulls = (value: WireObject): WireObject =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([name, member]) => [name, isObject(member) ? withoutNulls(member) : member]),
  )

/** The patch that makes the second of the first; empty where they are the same. */
function difference(from: WireObject, to: WireObject): WireObject {
  const patch: [string, unknown][] = []
  for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) patch.push([name, null])
  for (const [name, value] of Object.entries(to)) {
    const old = Object.hasOwn(from, name) ? from[name] : undefined
    if (isDeepStrictEqual(old, value)) continue
    patch.push([name, isObject(old) && isObject(value) ? difference(old, value) : value])
  }
  return Object.fromEntries(patch)
}
