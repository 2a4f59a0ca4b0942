import { isArray, isObject, keyOf, memberOf, type ObjectValue, type Value } from './language/value.ts'
import { murmurHash64 } from './murmur-hash.ts'

/*
 * The hash of a template, as deployments print it and `calculateTemplateHash` answers it: of its text without white
 * space, in upper case, its members in the order in which the service keeps them. The service does not document
 * this; the hashes that the Bicep compiler wrote into several hundred public templates fix it, but for templates
 * with user-defined types or functions, of which the hash is merely stable.
 */

/** In this order come the members of a template; others follow as they are. */
const templateOrder = [
  '$schema',
  'apiProfile',
  'languageVersion',
  'contentVersion',
  'definitions',
  'parameters',
  'functions',
  'variables',
  'resources',
  'outputs',
  'metadata',
]

const parameterOrder = [
  'defaultValue',
  'allowedValues',
  'minLength',
  'maxLength',
  'minValue',
  'maxValue',
  'type',
  'metadata',
]

const resourceOrder = [
  'type',
  'apiVersion',
  'name',
  'existing',
  'subscriptionId',
  'location',
  'dependsOn',
  'plan',
  'extendedLocation',
  'tags',
  'sku',
  'zones',
  'kind',
  'identity',
  'managedBy',
  'properties',
  'scope',
  'resourceGroup',
  'copy',
  'condition',
  'resources',
]

const copyOrder = ['name', 'count', 'mode', 'batchSize']
const outputOrder = ['condition', 'copy', 'type', 'value', 'metadata']

/** The text that is hashed. */
export function minifiedTemplate(template: Value): string {
  return JSON.stringify(isObject(template) ? orderedTemplate(template) : template).toUpperCase()
}

/** A number of 64 bits in decimal digits. */
export const templateHash = (template: Value): string =>
  murmurHash64(Buffer.from(minifiedTemplate(template), 'utf8')).toString()

const orderedTemplate = (template: ObjectValue): ObjectValue =>
  ordered(template, templateOrder, {
    parameters: ofEach((parameter) => ordered(parameter, parameterOrder)),
    outputs: ofEach((output) => ordered(output, outputOrder)),
    resources: ofEach(orderedResource),
    metadata: withoutOwnHash,
  })

const orderedResource = (resource: ObjectValue): ObjectValue =>
  ordered(resource, resourceOrder, {
    copy: (loop) => (isObject(loop) ? ordered(loop, copyOrder) : loop),
    resources: ofEach(orderedResource),
  })

/** The hash that the Bicep compiler notes in a template is of the template without it. */
function withoutOwnHash(metadata: Value): Value {
  const generator = isObject(metadata) ? memberOf(metadata, '_generator') : undefined
  if (!isObject(metadata) || !isObject(generator)) return metadata
  const { [keyOf(generator, 'templateHash') ?? '']: _, ...rest } = generator
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [name, value === generator ? rest : value]),
  )
}

type Change = (value: Value) => Value

/** The same change for each object in an array or an object. */
const ofEach =
  (change: (object: ObjectValue) => Value): Change =>
  (value) => {
    const one = (each: Value) => (isObject(each) ? change(each) : each)
    if (isArray(value)) return value.map(one)
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, one(each)]))
  }

/** @param changes by member name, what becomes of members */
function ordered(
  object: ObjectValue,
  order: readonly string[],
  changes: Readonly<Record<string, Change>> = {},
): ObjectValue {
  const lower = order.map((name) => name.toLowerCase())
  const rank = (name: string) => {
    const at = lower.indexOf(name.toLowerCase())
    return at < 0 ? lower.length : at
  }
  const entries = Object.entries(object).toSorted(([one], [other]) => rank(one) - rank(other))
  return Object.fromEntries(entries.map(([name, value]) => [name, changes[name]?.(value) ?? value]))
}
