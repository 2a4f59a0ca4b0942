import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { HubError, invalid } from './errors.ts'
import type { RegistryLimits } from './limits.ts'

/*
 * Device twins: tags, and desired and reported properties with the moment of each change. Pure functions: a twin and
 * a patch give the next twin.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins
 */

/** Desired or reported properties. */
export interface Section {
  readonly value: WireObject
  readonly version: number
  /** Of each member, when it changed last; of the desired ones, with which version too. */
  readonly metadata: WireObject
}

export interface Twin {
  /** Counts what the service side has changed. */
  readonly etag: number
  /** Counts every change. */
  readonly version: number
  readonly tags: WireObject | undefined
  readonly desired: Section
  readonly reported: Section
  /** The model that a device has announced. */
  readonly modelId?: string
}

/** What the service side wants changed; undefined: it stays. */
export interface TwinChange {
  readonly tags?: WireObject | undefined
  readonly desired?: WireObject | undefined
}

const newSection = (now: EpochMs): Section => ({
  value: {},
  version: 1,
  metadata: { $lastUpdated: encodeMoment(now) },
})

export const newTwin = (now: EpochMs): Twin => ({
  etag: 1,
  version: 2,
  tags: undefined,
  desired: newSection(now),
  reported: newSection(now),
})

/** Lays a change over what is there; null takes a member away. */
export function patchTwin(
  twin: Twin,
  { tags, desired }: TwinChange,
  now: EpochMs,
  limits: RegistryLimits,
): Twin {
  const patched = tags === undefined ? twin.tags : (merged(twin.tags ?? {}, tags) as WireObject)
  return changed(twin, patched, desired && patchSection(twin.desired, desired, now, 'desired'), limits)
}

/** Puts what is given in the place of tags and desired properties, all of them. */
export function replaceTwin(
  twin: Twin,
  { tags, desired }: TwinChange,
  now: EpochMs,
  limits: RegistryLimits,
): Twin {
  const gone = Object.fromEntries(Object.keys(twin.desired.value).map((name) => [name, null]))
  const replaced = patchSection(
    { ...twin.desired, value: {}, metadata: {} },
    { ...gone, ...desired },
    now,
    'desired',
  )
  return changed(twin, merged({}, tags ?? {}) as WireObject, replaced, limits)
}

function changed(
  twin: Twin,
  tags: WireObject | undefined,
  desired: Section | undefined,
  limits: RegistryLimits,
): Twin {
  if (tags) checkSize('tags', tags, limits.tagBytes)
  if (desired) checkSize('properties.desired', desired.value, limits.propertyBytes)
  return {
    ...twin,
    etag: twin.etag + 1,
    version: twin.version + 1,
    tags,
    desired: desired ?? twin.desired,
  }
}

/** What a device says of itself. */
export function reportTwin(twin: Twin, patch: WireObject, now: EpochMs, limits: RegistryLimits): Twin {
  const reported = patchSection(twin.reported, patch, now, 'reported')
  checkSize('properties.reported', reported.value, limits.propertyBytes)
  return { ...twin, version: twin.version + 1, reported }
}

function patchSection(
  section: Section,
  patch: WireObject,
  now: EpochMs,
  kind: 'desired' | 'reported',
): Section {
  const version = section.version + 1
  const stamp: WireObject =
    kind === 'desired'
      ? { $lastUpdated: encodeMoment(now), $lastUpdatedVersion: version }
      : { $lastUpdated: encodeMoment(now) }
  return {
    value: merged(section.value, patch) as WireObject,
    version,
    metadata: stamped(section.metadata, patch, stamp),
  }
}

/** Source: RFC 7396, section 2. Members that begin with a dollar sign are the hub's own. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch))
    if (name.startsWith('$')) continue
    else if (value === null) result.delete(name)
    else result.set(name, merged(result.get(name), value))
  return Object.fromEntries(result)
}

function stamped(metadata: WireObject, patch: WireObject, stamp: WireObject): WireObject {
  const result = new Map(Object.entries({ ...metadata, ...stamp }))
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue
    const before = result.get(name)
    if (value === null) result.delete(name)
    else result.set(name, isObject(value) ? stamped(isObject(before) ? before : {}, value, stamp) : stamp)
  }
  return Object.fromEntries(result)
}

// ---------------------------------------------------------------- rules

const nesting = 10
const nameBytes = 1024
const textBytes = 4096
/** Whole numbers beyond do not survive every client. */
const largestInteger = 4_503_599_627_370_495

/** Refuses what tags and properties may not hold. `path` is for the message. */
export function checkSection(value: unknown, path: string): WireObject {
  if (!isObject(value)) throw invalid(path, 'an object', value)
  checkMembers(value, path, 1)
  return value
}

function checkMembers(object: WireObject, path: string, level: number): void {
  if (level > nesting) throw invalid(path, `nested at most ${nesting} levels`, `${level} levels`)
  for (const [name, value] of Object.entries(object)) {
    if (level === 1 && name.startsWith('$')) continue
    const at = `${path}.${name.slice(0, 80)}`
    if (/[\p{Cc}.$ ]/u.test(name))
      throw invalid(at, 'a name without control characters, . $ and spaces', name)
    if (Buffer.byteLength(name) > nameBytes)
      throw invalid(path, `of names of at most ${nameBytes} bytes`, name)
    checkValue(value, at, level)
  }
}

function checkValue(value: unknown, at: string, level: number): void {
  if (typeof value === 'string') {
    if (Buffer.byteLength(value) > textBytes)
      throw invalid(at, `a string of at most ${textBytes} bytes`, `${Buffer.byteLength(value)} bytes`)
  } else if (typeof value === 'number') {
    if (Number.isInteger(value) && Math.abs(value) > largestInteger)
      throw invalid(at, `a whole number of at most ${largestInteger}`, value)
  } else if (Array.isArray(value)) {
    if (level >= nesting) throw invalid(at, `nested at most ${nesting} levels`, `${level + 1} levels`)
    for (const item of value) checkValue(item, at, level + 1)
  } else if (isObject(value)) checkMembers(value, at, level + 1)
}

function checkSize(path: string, value: WireObject, most: number): void {
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes > most)
    throw new HubError('ArgumentInvalid', `${path} may have ${most} bytes; they have ${bytes}.`)
}
