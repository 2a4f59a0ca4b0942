import {
  isArray,
  isObject,
  isSame,
  memberOf,
  type ObjectValue,
  typeOf,
  type Value,
} from './language/value.ts'

/*
 * Types of parameters, outputs and user-defined types.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/definitions, templates/parameters
 */

export type TypeName = 'String' | 'SecureString' | 'Int' | 'Bool' | 'Object' | 'SecureObject' | 'Array'

const typeNames: readonly TypeName[] = [
  'String',
  'SecureString',
  'Int',
  'Bool',
  'Object',
  'SecureObject',
  'Array',
]

/** JSON's type of each. */
const jsonTypes: Readonly<Record<TypeName, readonly string[]>> = {
  String: ['String'],
  SecureString: ['String'],
  Int: ['Integer'],
  Bool: ['Boolean'],
  Object: ['Object'],
  SecureObject: ['Object'],
  Array: ['Array'],
}

/** What is wrong with a value: where in it, and what. It never shows the value. */
export class TypeFault {
  readonly path: string
  readonly what: string

  constructor(path: string, what: string) {
    this.path = path
    this.what = what
  }
}

export type Definitions = ReadonlyMap<string, ObjectValue>

/** References that may lead to one another; more must be a circle. */
const longestChain = 32

/** A declaration with its `$ref` followed. What it says itself stands before what is referred to. */
export function resolveType(declaration: ObjectValue, definitions: Definitions): ObjectValue | TypeFault {
  let resolved = declaration
  for (let count = 0; count < longestChain; count++) {
    const reference = memberOf(resolved, '$ref')
    if (reference === undefined) return resolved
    const name = typeof reference === 'string' ? /^#\/definitions\/(.+)$/.exec(reference)?.[1] : undefined
    const target = name === undefined ? undefined : definitions.get(decodePointer(name))
    if (!target)
      return new TypeFault(
        '',
        `the type reference '${typeof reference === 'string' ? reference.slice(0, 200) : typeOf(reference)}' is not a definition of the template`,
      )
    const own = Object.fromEntries(Object.entries(resolved).filter(([key]) => key.toLowerCase() !== '$ref'))
    resolved = { ...target, ...own }
  }
  return new TypeFault('', 'its type reference leads in a circle')
}

const decodePointer = (name: string) => name.replaceAll('~1', '/').replaceAll('~0', '~')

/** The name of a resolved declaration's type; undefined when it names none. */
export function typeNameOf(declaration: ObjectValue): TypeName | undefined {
  const type = memberOf(declaration, 'type')
  const lower = typeof type === 'string' ? type.toLowerCase() : undefined
  return typeNames.find((each) => each.toLowerCase() === lower)
}

export const isSecure = (type: TypeName) => type.startsWith('Secure')

/** What is wrong with a value of that type, or undefined. */
export function checkType(
  value: Value,
  declaration: ObjectValue,
  definitions: Definitions,
  path = '',
): TypeFault | undefined {
  const resolved = resolveType(declaration, definitions)
  if (resolved instanceof TypeFault) return new TypeFault(path, resolved.what)
  if (value === null && memberOf(resolved, 'nullable') === true) return undefined
  // Within a user-defined type, what says nothing of its type may be anything.
  if (path !== '' && memberOf(resolved, 'type') === undefined) return undefined
  const type = typeNameOf(resolved)
  if (!type) return new TypeFault(path, `its type must be one of ${typeNames.join(', ')}`)
  if (!jsonTypes[type].includes(typeOf(value)))
    return new TypeFault(path, `expected '${jsonTypes[type].join(', ')}', actual '${typeOf(value)}'`)
  return (
    checkAllowed(value, resolved, type, path) ??
    checkRange(value, resolved, path) ??
    (isObject(value) ? checkObject(value, resolved, definitions, path) : undefined) ??
    (isArray(value) ? checkArray(value, resolved, definitions, path) : undefined)
  )
}

function checkAllowed(
  value: Value,
  declaration: ObjectValue,
  type: TypeName,
  path: string,
): TypeFault | undefined {
  const allowed = memberOf(declaration, 'allowedValues')
  if (!isArray(allowed)) return undefined
  const isAllowed = (each: Value) => allowed.some((one) => isSame(one, each, () => {}))
  if (isAllowed(value) || (isArray(value) && value.every(isAllowed))) return undefined
  const shown = isSecure(type)
    ? ''
    : `: '${allowed
        .map((each) => JSON.stringify(each))
        .join(', ')
        .slice(0, 500)}'`
  return new TypeFault(path, `the value is not part of the allowed value(s)${shown}`)
}

function checkRange(value: Value, declaration: ObjectValue, path: string): TypeFault | undefined {
  const isLength = typeof value === 'string' || isArray(value)
  if (!isLength && typeof value !== 'number') return undefined
  const size = typeof value === 'number' ? value : value.length
  const [least, most] = isLength ? ['minLength', 'maxLength'] : ['minValue', 'maxValue']
  const [min, max] = [memberOf(declaration, least), memberOf(declaration, most)]
  const what = isLength ? 'the length' : 'the value'
  if (typeof min === 'number' && size < min) return new TypeFault(path, `${what} must be at least ${min}`)
  if (typeof max === 'number' && size > max) return new TypeFault(path, `${what} must be at most ${max}`)
  return undefined
}

function checkObject(
  value: ObjectValue,
  declaration: ObjectValue,
  definitions: Definitions,
  path: string,
): TypeFault | undefined {
  const variant = variantOf(value, declaration, definitions, path)
  if (variant) return variant instanceof TypeFault ? variant : checkObject(value, variant, definitions, path)
  const properties = memberOf(declaration, 'properties')
  const declared = isObject(properties) ? properties : {}
  for (const [name, type] of Object.entries(declared)) {
    if (!isObject(type)) continue
    const member = memberOf(value, name) ?? null
    const resolved = resolveType(type, definitions)
    if (member === null && !(resolved instanceof TypeFault) && memberOf(resolved, 'nullable') !== true)
      return new TypeFault(`${path}.${name}`, 'the property is required')
    const fault = checkType(member, type, definitions, `${path}.${name}`)
    if (fault) return fault
  }
  const additional = memberOf(declaration, 'additionalProperties')
  for (const [name, member] of Object.entries(value)) {
    if (memberOf(declared, name) !== undefined) continue
    if (additional === false) return new TypeFault(`${path}.${name}`, 'the property is not declared')
    const fault = isObject(additional)
      ? checkType(member, additional, definitions, `${path}.${name}`)
      : undefined
    if (fault) return fault
  }
  return undefined
}

/** The type that a discriminated object is of, without the discriminator. */
function variantOf(
  value: ObjectValue,
  declaration: ObjectValue,
  definitions: Definitions,
  path: string,
): ObjectValue | TypeFault | undefined {
  const discriminator = memberOf(declaration, 'discriminator')
  if (!isObject(discriminator)) return undefined
  const [name, mapping] = [memberOf(discriminator, 'propertyName'), memberOf(discriminator, 'mapping')]
  if (typeof name !== 'string' || !isObject(mapping)) return undefined
  const word = memberOf(value, name)
  const variant = typeof word === 'string' ? memberOf(mapping, word) : undefined
  if (!isObject(variant))
    return new TypeFault(
      `${path}.${name}`,
      `the property must be one of '${Object.keys(mapping).join(', ')}'`,
    )
  return resolveType(variant, definitions)
}

function checkArray(
  value: readonly Value[],
  declaration: ObjectValue,
  definitions: Definitions,
  path: string,
): TypeFault | undefined {
  const [prefix, items] = [memberOf(declaration, 'prefixItems'), memberOf(declaration, 'items')]
  const first = isArray(prefix) ? prefix : []
  if (value.length < first.length)
    return new TypeFault(path, `the array must have at least ${first.length} items`)
  for (const [index, item] of value.entries()) {
    const type = first[index] ?? items
    if (type === false) return new TypeFault(path, `the array must have at most ${first.length} items`)
    const fault = isObject(type) ? checkType(item, type, definitions, `${path}[${index}]`) : undefined
    if (fault) return fault
  }
  return undefined
}
