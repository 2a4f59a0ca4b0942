import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  type Item,
  readArray,
  readBoolean,
  readEnum,
} from '../wire/shape.ts'
import type { DeliveryAttribute } from './destination.ts'

/** Source: learn.microsoft.com/azure/event-grid/delivery-properties */
export const attributeLimits = { attributes: 10, valueBytes: 4096, nameCharacters: 128, fieldCharacters: 512 }

/** What HTTP itself or Event Grid writes on each delivery, and no attribute may. */
const reservedNames = new Set(
  'connection content-encoding content-length content-type expect host keep-alive proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Source: RFC 9110, section 5.5, "Field Values": no control characters but the tab, nothing beyond one byte. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

export const hiddenValue = 'Hidden'
const secretKey = (name: string) => `attribute:${name.toLowerCase()}`

/** A decoded entry of `deliveryAttributeMappings`, in the wire's form, with a secret value left out. */
interface StoredAttribute {
  readonly name: string
  readonly type: 'Static' | 'Dynamic'
  readonly properties: {
    readonly value?: string | null
    readonly isSecret?: boolean
    readonly sourceField?: string
  }
}

/**
 * @param secrets takes in the secret values
 * @param known secret values of the event subscription as it is: an update that echoes a hidden value keeps it
 * @param authorized what the destination is, where it authorizes itself and no attribute may
 */
export function decodeAttributes(
  from: Fields,
  secrets: Record<string, string>,
  known: Readonly<Record<string, string>>,
  authorized?: string,
): readonly StoredAttribute[] | null {
  const items = readArray(from, 'deliveryAttributeMappings', attributeLimits.attributes)
  if (!items || items.length === 0) return null
  const seen = new Set<string>()
  return items.map((item) => {
    const attribute = decodeAttribute(item, secrets, known)
    const lower = attribute.name.toLowerCase()
    if (authorized !== undefined && lower === 'authorization')
      throw invalidProperty(
        `${item.path}.name`,
        `another than Authorization for ${authorized}`,
        attribute.name,
      )
    if (seen.has(lower))
      throw invalidProperty(`${item.path}.name`, 'different from the names before it', attribute.name)
    seen.add(lower)
    return attribute
  })
}

/** For destinations without delivery attributes. `null` and no items are what clients echo. */
export function refuseAttributes(from: Fields, endpointType: string): void {
  const name = 'deliveryAttributeMappings'
  if ((readArray(from, name, attributeLimits.attributes) ?? []).length > 0)
    throw invalidRequest(
      `A destination of type ${endpointType} has no delivery attributes: '${from.at(name)}' must be left out.`,
      from.at(name),
    )
}

function decodeAttribute(
  { value: wire, path }: Item,
  secrets: Record<string, string>,
  known: Readonly<Record<string, string>>,
): StoredAttribute {
  const from = fields(wire, path)
  const name = checkName(
    checkString(from.raw('name') ?? '', from.at('name'), attributeLimits.nameCharacters),
    path,
  )
  const type = readEnum(from, 'type', ['Static', 'Dynamic'])
  if (type === undefined) throw invalidProperty(from.at('type'), 'one of Static, Dynamic', undefined)
  const properties = fields(from.raw('properties') ?? {}, from.at('properties'))
  if (type === 'Dynamic') {
    const at = properties.at('sourceField')
    const sourceField = checkString(properties.raw('sourceField') ?? '', at, attributeLimits.fieldCharacters)
    if (sourceField.trim() === '')
      throw invalidProperty(at, 'the name of a field, such as data.key1', properties.raw('sourceField'))
    return { name, type, properties: { sourceField } }
  }
  const isSecret = readBoolean(properties, 'isSecret') ?? false
  const raw = properties.raw('value')
  const kept = isSecret && (raw === undefined || raw === hiddenValue) ? known[secretKey(name)] : undefined
  const value = kept ?? checkValue(raw, properties.at('value'), isSecret)
  if (!isSecret) return { name, type, properties: { value, isSecret } }
  secrets[secretKey(name)] = value
  return { name, type, properties: { value: hiddenValue, isSecret } }
}

function checkName(name: string, path: string): string {
  if (!headerName.test(name)) throw invalidProperty(`${path}.name`, 'a valid header name', name)
  const lower = name.toLowerCase()
  if (lower.startsWith('aeg-'))
    throw invalidProperty(`${path}.name`, "a name that does not begin with 'aeg-'", name)
  if (reservedNames.has(lower))
    throw invalidProperty(`${path}.name`, 'a header that HTTP itself does not write', name)
  return name
}

function checkValue(value: unknown, path: string, isSecret: boolean): string {
  if (typeof value !== 'string' || value === '')
    throw invalidProperty(path, 'a string that is not empty', value)
  if (Buffer.byteLength(value) > attributeLimits.valueBytes)
    throw invalidProperty(
      path,
      `at most ${attributeLimits.valueBytes} bytes long`,
      `${Buffer.byteLength(value)} bytes`,
    )
  if (!headerValue.test(value))
    throw invalidProperty(
      path,
      'a valid header value, without control characters',
      isSecret ? hiddenValue : value,
    )
  return value
}

/** The mappings with their secret values, in the wire's form: what `getDeliveryAttributes` is for. */
export function attributeMappingsOf(
  stored: unknown,
  secrets: Readonly<Record<string, string>>,
): readonly StoredAttribute[] {
  return ((stored ?? []) as readonly StoredAttribute[]).map((attribute) =>
    attribute.properties.isSecret
      ? { ...attribute, properties: { value: secrets[secretKey(attribute.name)] ?? null, isSecret: true } }
      : attribute,
  )
}

export const attributesOf = (
  stored: unknown,
  secrets: Readonly<Record<string, string>>,
): readonly DeliveryAttribute[] =>
  attributeMappingsOf(stored, secrets).map(({ name, type, properties }) =>
    type === 'Dynamic'
      ? { name, type, sourceField: properties.sourceField as string }
      : { name, type, value: properties.value as string, isSecret: properties.isSecret ?? false },
  )
