import type { Section } from '../registry/twin.ts'
import { isObject, type WireObject } from '../wire/shape.ts'

/**
 * What a device is told of a change of its desired properties: the members that the change has named, with null for
 * those that it has taken away, and the new version.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub, "Receive desired properties update notifications"
 */
export function encodeDesiredPatch(before: Section, after: Section): WireObject {
  return { ...named(before.value, after.value, after.metadata, after.version), $version: after.version }
}

/** Members that were written with that version, by what is noted beside each. */
function named(before: WireObject, after: WireObject, metadata: WireObject, version: number): WireObject {
  const patch: [string, unknown][] = []
  for (const name of Object.keys(before)) if (!(name in after)) patch.push([name, null])
  for (const [name, value] of Object.entries(after)) {
    const noted = metadata[name]
    if (!isObject(noted) || noted.$lastUpdatedVersion !== version) continue
    const old = before[name]
    patch.push([name, isObject(value) ? named(isObject(old) ? old : {}, value, noted, version) : value])
  }
  return Object.fromEntries(patch)
}
