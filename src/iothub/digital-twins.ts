import { encodeTwinEtag } from '../registry/encode.ts'
import { invalid } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import { checkSection } from '../registry/twin.ts'
import { isObject, type WireObject } from '../wire/shape.ts'

/*
 * A device twin in the form of its model: root properties and components, each with what was wanted and what was
 * acknowledged. Models themselves are not read: a component is what is marked as one.
 *
 * Source: learn.microsoft.com/azure/iot/concepts-digital-twin
 */

/** How twins mark the properties of a component, with the value `c`. */
const mark = '__t'
const isComponent = (value: unknown): value is WireObject => isObject(value) && value[mark] === 'c'

export function encodeDigitalTwin({ deviceId, twin }: StoredIdentity): WireObject {
  const { desired, reported, modelId = '' } = twin
  const root = encodeProperties(desired.value, reported.value, desired.metadata, reported.metadata)
  const names = new Set([...Object.keys(reported.value), ...Object.keys(desired.value)])
  const components = [...names]
    .filter((name) => isComponent(own(reported.value, name)) || isComponent(own(desired.value, name)))
    .map((name) => {
      const inner = [desired.value, reported.value, desired.metadata, reported.metadata].map((from) =>
        objectAt(from, name),
      ) as [WireObject, WireObject, WireObject, WireObject]
      const { values, metadata } = encodeProperties(...inner)
      return [name, { ...values, $metadata: metadata }] as const
    })
  return {
    $dtId: deviceId,
    ...root.values,
    ...Object.fromEntries(components),
    $metadata: { $model: modelId, ...root.metadata },
  }
}

/** Properties may be called as what every object has: `constructor`, `__proto__`. */
const own = (from: WireObject, name: string): unknown => (Object.hasOwn(from, name) ? from[name] : undefined)

const objectAt = (from: WireObject, name: string): WireObject => {
  const value = own(from, name)
  return isObject(value) ? value : {}
}

function encodeProperties(
  desired: WireObject,
  reported: WireObject,
  desiredMetadata: WireObject,
  reportedMetadata: WireObject,
): { readonly values: WireObject; readonly metadata: WireObject } {
  const values: [string, unknown][] = []
  const metadata: [string, unknown][] = []
  for (const name of new Set([...Object.keys(reported), ...Object.keys(desired)])) {
    const value = own(reported, name)
    const wantedValue = own(desired, name)
    if (name === mark || isComponent(value) || isComponent(wantedValue)) continue
    const wanted = objectAt(desiredMetadata, name)
    const said = objectAt(reportedMetadata, name)
    const isAcknowledged = isObject(value) && 'ac' in value && 'av' in value
    if (value !== undefined) values.push([name, isAcknowledged ? value.value : value])
    metadata.push([
      name,
      {
        ...(wantedValue !== undefined && {
          desiredValue: wantedValue,
          desiredVersion: wanted.$lastUpdatedVersion,
        }),
        ...(isAcknowledged && {
          ackVersion: value.av,
          ackCode: value.ac,
          ...(value.ad !== undefined && { ackDescription: value.ad }),
        }),
        lastUpdateTime: said.$lastUpdated ?? wanted.$lastUpdated,
      },
    ])
  }
  return { values: Object.fromEntries(values), metadata: Object.fromEntries(metadata) }
}

export const digitalTwinEtag = ({ twin }: StoredIdentity): string => `"${encodeTwinEtag(twin.etag)}"`

interface Placement {
  readonly path: readonly string[]
  readonly value: unknown
}

const operationsMost = 100

/**
 * What a JSON Patch puts where in the desired properties: a property at the root, a component, or a property of one.
 *
 * Source: RFC 6902, and learn.microsoft.com/rest/api/iothub/service/digital-twin/update-digital-twin
 */
export function decodeDigitalTwinPatch(body: unknown): readonly Placement[] {
  if (!Array.isArray(body) || body.length === 0 || body.length > operationsMost)
    throw invalid('The body', `an array of 1 to ${operationsMost} operations of a JSON Patch`, body)
  return body.flatMap((operation: unknown) => decodeOperation(operation))
}

function decodeOperation(operation: unknown): readonly Placement[] {
  if (!isObject(operation)) throw invalid('An operation', 'an object', operation)
  const { op, path, value } = operation
  if (op !== 'add' && op !== 'replace' && op !== 'remove') throw invalid('op', 'add, replace or remove', op)
  const names = decodePointer(path)
  if (op === 'remove') return [{ path: names, value: null }]
  if (value === undefined || value === null) throw invalid(`The value at ${String(path)}`, 'given', value)
  const [name = '', inner] = names
  // How a whole component is told from a property that is an object.
  const isWhole = inner === undefined && isObject(value) && '$metadata' in value
  const members = isWhole ? Object.entries(value).filter(([member]) => !member.startsWith('$')) : []
  const placed = isWhole ? { ...Object.fromEntries(members), [mark]: 'c' } : value
  checkSection({ [name]: inner === undefined ? placed : { [inner]: placed } }, 'The patch')
  if (inner === undefined) return [{ path: names, value: placed }]
  return [
    { path: [name, mark], value: 'c' },
    { path: names, value: placed },
  ]
}

/** Source: RFC 6901 */
function decodePointer(path: unknown): readonly string[] {
  const [first, ...names] = typeof path === 'string' ? path.split('/') : ['-']
  const decoded = names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  const isPlain = decoded.every((name) => name !== '' && !name.startsWith('$'))
  if (first !== '' || decoded.length === 0 || decoded.length > 2 || !isPlain)
    throw invalid('path', '/property, /component or /component/property', path)
  return decoded
}
