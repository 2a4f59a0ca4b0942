import { suggestion } from '../base/nearest.ts'
import { ExpressionFault, invalidContentLink, invalidTemplate } from './errors.ts'
import {
  isArray,
  isObject,
  Measures,
  memberOf,
  type ObjectValue,
  typeOf,
  type Value,
} from './language/value.ts'
import { templateLimits } from './limits.ts'
import type { Scope } from './surroundings.ts'
import { propertyLoops } from './tree.ts'

/** A template whose shape has been checked; expressions are still texts. */
export interface Template {
  readonly source: ObjectValue
  /** True when resources have symbolic names, by which others refer to them (languageVersion 2.0). */
  readonly isSymbolic: boolean
  /** User-defined types, by name. */
  readonly definitions: ReadonlyMap<string, ObjectValue>
  /** Under their lower-case names, as is everything below. */
  readonly parameters: ReadonlyMap<string, Declared>
  readonly variables: ReadonlyMap<string, Declared<Value>>
  /** `namespace.name` of user functions. */
  readonly functions: ReadonlyMap<string, Declared>
  readonly resources: readonly ResourceDeclaration[]
  readonly outputs: ReadonlyMap<string, Declared>
}

export interface Declared<Kind extends Value = ObjectValue> {
  readonly name: string
  readonly value: Kind
  /** Where it stands in the template. */
  readonly path: string
}

export interface ResourceDeclaration {
  readonly path: string
  readonly symbol: string | undefined
  readonly body: ObjectValue
  readonly children: readonly ResourceDeclaration[]
}

const templateMembers = [
  '$schema',
  'languageVersion',
  'contentVersion',
  'apiProfile',
  'metadata',
  'definitions',
  'parameters',
  'functions',
  'variables',
  'resources',
  'outputs',
]

const resourceMembers = [
  'type',
  'apiVersion',
  'name',
  'scope',
  'existing',
  'condition',
  'copy',
  'dependsOn',
  'comments',
  'metadata',
  'location',
  'extendedLocation',
  'tags',
  'sku',
  'kind',
  'plan',
  'identity',
  'zones',
  'managedBy',
  'managedByExtended',
  'scale',
  'subscriptionId',
  'resourceGroup',
  'properties',
  'resources',
]

const schemas: Readonly<Record<string, Scope['kind']>> = {
  deploymenttemplate: 'group',
  subscriptiondeploymenttemplate: 'subscription',
  managementgroupdeploymenttemplate: 'managementGroup',
  tenantdeploymenttemplate: 'tenant',
}

/**
 * Checks the shape of a template. Throws InvalidTemplate.
 *
 * @param scope what the template must be written for; undefined for one within another, which Azure does not ask
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/syntax
 */
export function decodeTemplate(value: Value, scope: Scope | undefined): Template {
  if (!isObject(value))
    throw invalidTemplate(`The template must be an Object; it is of type '${typeOf(value)}'.`, '')
  checkSize(value)
  checkMembers(value, templateMembers, 'Template', '')
  checkSchema(value, scope)
  checkVersions(value)
  const resources = memberOf(value, 'resources')
  const symbolic = isObject(resources)
  const declared = decodeResources(resources, 'resources', memberOf(value, 'languageVersion'))
  return {
    source: value,
    isSymbolic: symbolic,
    definitions: new Map(
      [...section(value, 'definitions', undefined).values()].map(({ name, value: each }) => [name, each]),
    ),
    parameters: section(value, 'parameters', templateLimits.parameters),
    variables: decodeVariables(memberOf(value, 'variables') ?? {}),
    functions: decodeFunctions(memberOf(value, 'functions') ?? []),
    resources: declared,
    outputs: section(value, 'outputs', templateLimits.outputs),
  }
}

function checkSize(value: ObjectValue): void {
  try {
    new Measures().check(value)
  } catch (error) {
    if (error instanceof ExpressionFault) throw invalidTemplate(error.message, '', error)
    throw error
  }
}

function checkMembers(object: ObjectValue, known: readonly string[], what: string, path: string): void {
  const lower = new Set(known.map((each) => each.toLowerCase()))
  for (const name of Object.keys(object))
    if (!lower.has(name.toLowerCase()))
      throw invalidTemplate(
        `Could not find member '${name.slice(0, 100)}' on object of type '${what}'. Path '${path === '' ? '' : `${path}.`}${name.slice(0, 100)}'.${suggestion(name.slice(0, 100), known)}`,
        path,
      )
}

function checkSchema(template: ObjectValue, scope: Scope | undefined): void {
  const schema = memberOf(template, '$schema')
  if (typeof schema !== 'string')
    throw invalidTemplate("The template must have a '$schema' that is a String.", '$schema')
  if (!scope) return
  const kind = schemas[/\/(\w+)\.json#?$/.exec(schema)?.[1]?.toLowerCase() ?? '']
  if (kind === undefined)
    throw invalidTemplate(
      `The template schema '${schema.slice(0, 200)}' is not supported. Its last part must be one of deploymentTemplate.json#, subscriptionDeploymentTemplate.json#, managementGroupDeploymentTemplate.json# and tenantDeploymentTemplate.json#.`,
      '$schema',
    )
  if (kind !== scope.kind)
    throw invalidTemplate(
      `The template schema '${schema.slice(0, 200)}' is for deployments to a ${wordFor[kind]}; this is a deployment to a ${wordFor[scope.kind]}.`,
      '$schema',
    )
}

const wordFor = {
  group: 'resource group',
  subscription: 'subscription',
  managementGroup: 'management group',
  tenant: 'tenant',
} as const

function checkVersions(template: ObjectValue): void {
  const content = memberOf(template, 'contentVersion')
  if (content !== undefined && (typeof content !== 'string' || !/^\d+(\.\d+){0,3}$/.test(content)))
    throw invalidTemplate("The 'contentVersion' must be a version, such as '1.0.0.0'.", 'contentVersion')
  const language = memberOf(template, 'languageVersion')
  if (language !== undefined && language !== '1.0' && language !== '2.0')
    throw invalidTemplate("The 'languageVersion' must be '1.0' or '2.0'.", 'languageVersion')
}

/** The objects of one section of the template. */
function section(
  template: ObjectValue,
  name: string,
  most: number | undefined,
): ReadonlyMap<string, Declared> {
  const value = memberOf(template, name) ?? {}
  if (!isObject(value)) throw wrongType(name, 'Object', value)
  const entries = Object.entries(value)
  checkCount(name, entries.length, most)
  return declaredOf(entries, name)
}

function declaredOf(entries: readonly (readonly [string, Value])[], path: string): Map<string, Declared> {
  const found = new Map<string, Declared>()
  for (const [name, value] of entries) {
    if (!isObject(value)) throw wrongType(`${path}.${name}`, 'Object', value)
    checkTwice(found, name, `${path}.${name}`)
    found.set(name.toLowerCase(), { name, value, path: `${path}.${name}` })
  }
  return found
}

function checkCount(path: string, count: number, most: number | undefined): void {
  if (most !== undefined && count > most)
    throw invalidTemplate(
      `The number of template ${path} limit exceeded. Limit: ${most} and actual: ${count}.`,
      path,
    )
}

function checkTwice(found: ReadonlyMap<string, unknown>, name: string, path: string): void {
  if (found.has(name.toLowerCase()))
    throw invalidTemplate(
      `The name '${name}' is used twice; names differ in more than their letter case.`,
      path,
    )
}

const wrongType = (path: string, expected: string, value: Value) =>
  invalidTemplate(`'${path}' must be of type '${expected}'; it is of type '${typeOf(value)}'.`, path)

function decodeVariables(value: Value): ReadonlyMap<string, Declared<Value>> {
  if (!isObject(value)) throw wrongType('variables', 'Object', value)
  const found = new Map<string, Declared<Value>>()
  const add = (name: string, each: Value, path: string) => {
    checkTwice(found, name, path)
    found.set(name.toLowerCase(), { name, value: each, path })
  }
  for (const [name, each] of Object.entries(value)) {
    const loops = name.toLowerCase() === 'copy' ? propertyLoops(each) : undefined
    if (!loops) add(name, each, `variables.${name}`)
    // A loop is a variable whose value is that of an object with this one loop.
    for (const [index, loop] of (loops ?? []).entries())
      add(loop.name, { copy: [{ ...loop }] }, `variables.copy[${index}]`)
  }
  checkCount('variables', found.size, templateLimits.variables)
  return found
}

/** True for a variable that `decodeVariables` made of a loop: its value is the loop's array. */
export const isLoopVariable = ({ path }: Declared<Value>) => path.startsWith('variables.copy[')

function decodeFunctions(value: Value): ReadonlyMap<string, Declared> {
  if (!isArray(value)) throw wrongType('functions', 'Array', value)
  const found = new Map<string, Declared>()
  for (const [index, each] of value.entries()) {
    const path = `functions[${index}]`
    if (!isObject(each)) throw wrongType(path, 'Object', each)
    const [namespace, members] = [memberOf(each, 'namespace'), memberOf(each, 'members')]
    if (typeof namespace !== 'string' || !isObject(members))
      throw invalidTemplate(
        `'${path}' must have a 'namespace' that is a String and 'members' that is an Object.`,
        path,
      )
    for (const [name, { value: member }] of declaredOf(Object.entries(members), `${path}.members`)) {
      const key = `${namespace}.${name}`
      checkTwice(found, key, path)
      found.set(key.toLowerCase(), { name: key, value: member, path: `${path}.members.${name}` })
    }
  }
  return found
}

function decodeResources(value: Value | undefined, path: string, language: Value | undefined) {
  if (value === undefined)
    throw invalidTemplate("The template must have 'resources', an Array or an Object.", path)
  if (isArray(value)) return value.map((each, index) => decodeResource(each, `${path}[${index}]`, undefined))
  if (!isObject(value)) throw wrongType(path, 'Array', value)
  if (language !== '2.0')
    throw invalidTemplate("'resources' may be an Object only when the 'languageVersion' is '2.0'.", path)
  const symbols = new Map<string, true>()
  return Object.entries(value).map(([symbol, each]) => {
    checkTwice(symbols, symbol, `${path}.${symbol}`)
    symbols.set(symbol.toLowerCase(), true)
    return decodeResource(each, `${path}.${symbol}`, symbol)
  })
}

function decodeResource(value: Value, path: string, symbol: string | undefined): ResourceDeclaration {
  if (!isObject(value)) throw wrongType(path, 'Object', value)
  checkMembers(value, resourceMembers, 'TemplateResource', path)
  for (const name of ['type', 'name', 'apiVersion']) {
    const member = memberOf(value, name)
    if (typeof member !== 'string' || member === '')
      throw invalidTemplate(
        `The template resource at '${path}' must have a '${name}' that is a String.`,
        `${path}.${name}`,
      )
  }
  if (memberOf(value, 'existing') !== undefined && symbol === undefined)
    throw invalidTemplate(
      `The template resource at '${path}' may be 'existing' only when it has a symbolic name.`,
      path,
    )
  const children = memberOf(value, 'resources') ?? []
  if (!isArray(children)) throw wrongType(`${path}.resources`, 'Array', children)
  checkLinks(value, path)
  return {
    path,
    symbol,
    body: value,
    children: children.map((each, index) => decodeResource(each, `${path}.resources[${index}]`, undefined)),
  }
}

const deploymentsType = 'microsoft.resources/deployments'

export const isDeployment = (type: string) => type.toLowerCase() === deploymentsType

function checkLinks(resource: ObjectValue, path: string): void {
  const [type, properties] = [memberOf(resource, 'type'), memberOf(resource, 'properties')]
  if (typeof type !== 'string' || !isDeployment(type) || !isObject(properties)) return
  if (memberOf(properties, 'templateLink') !== undefined)
    throw invalidContentLink(`${path}.properties.templateLink`, 'A template that must be fetched')
  if (memberOf(properties, 'parametersLink') !== undefined)
    throw invalidContentLink(`${path}.properties.parametersLink`, 'A parameter file that must be fetched')
}
