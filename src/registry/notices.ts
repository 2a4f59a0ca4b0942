import type { EpochMs } from '../base/clock.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { encodeNotice } from '../hubmessage/notice.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { encodeSection, encodeTwinEtag } from './encode.ts'
import type { StoredIdentity } from './identity.ts'
import type { IdentityChange } from './registry.ts'
import type { Section, Twin } from './twin.ts'

/*
 * What a hub tells its routes of an identity that has come, changed or gone.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-non-telemetry-event-schema
 */

/** Undefined: nothing is told, as of an identity whose keys alone have changed. */
export function noticeOf(
  hubName: string,
  { before, after, isReplaced }: IdentityChange,
  at: EpochMs,
): HubMessage | undefined {
  const identity = after ?? before
  if (!identity) return undefined
  const { deviceId, moduleId } = identity
  const said = { hubName, deviceId, moduleId, at }
  if (!before || !after)
    return encodeNotice({
      ...said,
      source: 'deviceLifecycleEvents',
      opType: after ? 'createDeviceIdentity' : 'deleteDeviceIdentity',
      body: encodeWhole(identity),
    })
  if (!hasChanged(before.twin, after.twin)) return undefined
  return encodeNotice({
    ...said,
    source: 'twinChangeEvents',
    opType: isReplaced ? 'replaceTwin' : 'updateTwin',
    body: isReplaced ? encodeWhole(after) : encodeChange(before.twin, after.twin),
  })
}

const hasChanged = (before: Twin, after: Twin) =>
  before.etag !== after.etag || before.reported.version !== after.reported.version

function encodeWhole({ deviceId, moduleId, twin }: StoredIdentity): WireObject {
  return {
    deviceId,
    ...(moduleId !== undefined && { moduleId }),
    etag: encodeTwinEtag(twin.etag),
    version: twin.version,
    ...(twin.tags && { tags: twin.tags }),
    properties: { desired: encodeSection(twin.desired), reported: encodeSection(twin.reported) },
  }
}

function encodeChange(before: Twin, after: Twin): WireObject {
  const tags = difference(before.tags ?? {}, after.tags ?? {})
  const properties = {
    ...(before.desired.version !== after.desired.version && {
      desired: encodeSectionChange(before.desired, after.desired),
    }),
    ...(before.reported.version !== after.reported.version && {
      reported: encodeSectionChange(before.reported, after.reported),
    }),
  }
  return {
    version: after.version,
    ...(Object.keys(tags).length > 0 && { tags }),
    ...(Object.keys(properties).length > 0 && { properties }),
  }
}

/** The members that differ, all the way down; null for one that is gone. */
function difference(before: WireObject, after: WireObject): WireObject {
  const found: [string, unknown][] = []
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) found.push([name, null])
  for (const [name, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined
    if (JSON.stringify(old) === JSON.stringify(value)) continue
    found.push([name, isObject(value) && isObject(old) ? difference(old, value) : value])
  }
  return Object.fromEntries(found)
}

function encodeSectionChange(before: Section, after: Section): WireObject {
  const value = written(before.value, after.value, after.metadata, after.metadata.$lastUpdated)
  return { ...value, $metadata: metadataOf(value, after.metadata), $version: after.version }
}

/** Members that the change has written, the same value or not, by the moment that is noted beside each. */
function written(before: WireObject, after: WireObject, metadata: WireObject, moment: unknown): WireObject {
  const found: [string, unknown][] = []
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) found.push([name, null])
  for (const [name, value] of Object.entries(after)) {
    const noted = metadata[name]
    if (!isObject(noted) || noted.$lastUpdated !== moment) continue
    const old = Object.hasOwn(before, name) ? before[name] : undefined
    found.push([name, isObject(value) ? written(isObject(old) ? old : {}, value, noted, moment) : value])
  }
  return Object.fromEntries(found)
}

/** What is noted of those members. */
function metadataOf(value: WireObject, metadata: WireObject): WireObject {
  const found = Object.entries(metadata).filter(([name]) => name.startsWith('$'))
  for (const [name, member] of Object.entries(value)) {
    const noted = metadata[name]
    if (isObject(noted)) found.push([name, isObject(member) ? metadataOf(member, noted) : noted])
  }
  return Object.fromEntries(found)
}
