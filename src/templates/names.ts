import { ExpressionFault, invalidTemplate, NotYetKnown } from './errors.ts'
import type { Environment, Names, UserFunction } from './language/environment.ts'
import { isObject, memberOf, type ObjectValue, type Value } from './language/value.ts'
import { lowerName, notHere } from './lookup.ts'
import { at } from './placed.ts'
import { type Declared, isLoopVariable, type Template } from './template.ts'
import { evaluateTree, FaultAt } from './tree.ts'
import { checkType, isSecure, resolveType, TypeFault, type TypeName, typeNameOf } from './type-check.ts'
import { userFunction } from './user-functions.ts'

/** What came with a deployment for its template's parameters. */
export interface GivenParameter {
  readonly value: Value
  /** True when it must not be shown, whatever the template declares. */
  readonly isSecret: boolean
}
export type GivenParameters = ReadonlyMap<string, GivenParameter>

/**
 * Reads `properties.parameters` of a deployment: `{name: {value}}`. Throws InvalidTemplate.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/parameter-files
 */
export function decodeParameters(value: Value): GivenParameters {
  if (!isObject(value))
    throw invalidTemplate("The 'parameters' of a deployment must be an Object.", 'parameters')
  const given = new Map<string, GivenParameter>()
  for (const [name, each] of Object.entries(value)) {
    const path = `parameters.${name}`
    if (!isObject(each)) throw invalidTemplate(`'${path}' must be an Object with a 'value'.`, path)
    if (memberOf(each, 'reference') !== undefined)
      throw invalidTemplate(
        `'${path}' refers to a secret in a key vault, which this version of Busbar does not have. Give its 'value'.`,
        path,
      )
    const inner = memberOf(each, 'value')
    if (inner === undefined) throw invalidTemplate(`'${path}' must have a 'value'.`, path)
    given.set(name, { value: inner, isSecret: false })
  }
  return given
}

/** The template's names, twice: as they are, and with everything secret not yet known. */
export interface TemplateNames {
  readonly shown: Names
  readonly withheld: WithholdingNames
  /** As deployments print them: `{name: {type, value}}`, a secret without its value. */
  readonly printed: ObjectValue
}

export interface WithholdingNames extends Names {
  /** How often a secret has been asked for. */
  readonly secretsAsked: number
}

interface Parameter {
  readonly name: string
  readonly type: TypeName
  readonly value: Value
  readonly isSecret: boolean
}

/**
 * Gives the names in a template's expressions their meaning: every parameter is checked at once, a variable is
 * evaluated when it is first asked for.
 *
 * @param around what the expressions of parameters and variables may use besides
 */
export function createNames(
  template: Template,
  given: GivenParameters,
  around: Omit<Environment, 'names'>,
): TemplateNames {
  const parameters = resolveParameters(template, given, around)
  const values = [...parameters.values()]
  return {
    shown: new KnownNames(template, parameters, around, false),
    withheld: new KnownNames(template, parameters, around, true),
    printed: Object.fromEntries(
      values.map(({ name, type, value, isSecret }) => [
        name,
        isSecret ? { type: secureType(type) } : { type, value },
      ]),
    ),
  }
}

const secureType = (type: TypeName) =>
  type === 'String' ? 'SecureString' : type === 'Object' ? 'SecureObject' : type

type Parameters = ReadonlyMap<string, Parameter>

function resolveParameters(
  template: Template,
  given: GivenParameters,
  around: Omit<Environment, 'names'>,
): Parameters {
  const { parameters: declared, definitions } = template
  refuseUnknown(declared, given)
  const byLower = new Map([...given].map(([name, each]) => [name.toLowerCase(), each]))
  const resolved = new Map<string, Parameter>()
  const resolving = new Set<string>()

  const resolve = (lower: string): Parameter => {
    const known = resolved.get(lower)
    if (known) return known
    const declaration = declared.get(lower) as Declared
    const { name } = declaration
    if (resolving.has(lower))
      throw new ExpressionFault(
        `The defaults of the template parameters '${[...resolving].join(', ')}' depend on one another.`,
      )
    resolving.add(lower)
    const type = resolveType(declaration.value, definitions)
    if (type instanceof TypeFault) throw wrongParameter(declaration, type)
    const typeName = typeNameOf(type)
    if (!typeName)
      throw wrongParameter(
        declaration,
        checkType(null, { type: memberOf(type, 'type') ?? null }, definitions) as TypeFault,
      )
    const each = byLower.get(lower)
    const value = each ? each.value : defaultOf(declaration, type)
    const fault = checkType(value, type, definitions)
    if (fault) throw wrongParameter(declaration, fault)
    const made = { name, type: typeName, value, isSecret: isSecure(typeName) || each?.isSecret === true }
    resolving.delete(lower)
    resolved.set(lower, made)
    return made
  }

  const defaultOf = ({ name, value, path }: Declared, type: ObjectValue): Value => {
    const preset = memberOf(value, 'defaultValue')
    if (preset !== undefined) {
      const names: Names = {
        parameter: (other) => resolve(lowerName(declared, other, 'parameter')).value,
        variable: () => {
          throw notHere('variables')
        },
        userFunction: (namespace, member) => userFunction(template, namespace, member),
      }
      return at(`The template parameter '${name}' is not valid`, () =>
        evaluateTree(
          preset,
          `${path}.defaultValue`,
          { ...around, names, isParameterDefault: true, runtime: undefined },
          'collect',
        ),
      )
    }
    if (memberOf(type, 'nullable') === true) return null
    throw invalidTemplate(
      `The value for the template parameter '${name}' is not provided. Please see https://aka.ms/arm-create-parameter-file for usage details.`,
      path,
    )
  }

  for (const lower of declared.keys()) resolve(lower)
  return resolved
}

function refuseUnknown(declared: ReadonlyMap<string, Declared>, given: GivenParameters): void {
  const unknown = [...given.keys()].filter((name) => !declared.has(name.toLowerCase()))
  if (unknown.length === 0) return
  const known = [...declared.values()].map(({ name }) => name)
  throw invalidTemplate(
    `The template parameters '${unknown.slice(0, 20).join(', ')}' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. The only supported parameters for this template are '${known.join(', ')}'. Please see https://aka.ms/arm-pass-parameter-values for usage details.`,
    `parameters.${unknown[0]}`,
  )
}

const wrongParameter = ({ name, path }: Declared, { path: inside, what }: TypeFault) =>
  invalidTemplate(
    `The provided value for the template parameter '${name}' is not valid${inside === '' ? '' : ` at '${name}${inside}'`}: ${what}. Please see https://aka.ms/arm-create-parameter-file for usage details.`,
    path,
  )

class KnownNames implements WithholdingNames {
  secretsAsked = 0
  readonly #template: Template
  readonly #parameters: Parameters
  readonly #environment: Environment
  readonly #withholdsSecrets: boolean
  readonly #variables = new Map<string, Value>()
  readonly #evaluating = new Set<string>()

  constructor(
    template: Template,
    parameters: Parameters,
    around: Omit<Environment, 'names'>,
    withholdsSecrets: boolean,
  ) {
    this.#template = template
    this.#parameters = parameters
    this.#environment = { ...around, names: this, isParameterDefault: false, runtime: undefined }
    this.#withholdsSecrets = withholdsSecrets
  }

  parameter(name: string): Value {
    const found = this.#parameters.get(lowerName(this.#parameters, name, 'parameter')) as Parameter
    if (!found.isSecret || !this.#withholdsSecrets) return found.value
    this.secretsAsked++
    throw new NotYetKnown('A secret is not shown.')
  }

  variable(name: string): Value {
    const { variables } = this.#template
    const lower = lowerName(variables, name, 'variable')
    const known = this.#variables.get(lower)
    if (known !== undefined) return known
    const declared = variables.get(lower) as Declared<Value>
    if (this.#evaluating.has(lower))
      throw new ExpressionFault(
        `The template variables '${[...this.#evaluating].join(', ')}' depend on one another.`,
      )
    this.#evaluating.add(lower)
    try {
      const value = this.#evaluate(declared)
      this.#variables.set(lower, value)
      return value
    } finally {
      this.#evaluating.delete(lower)
    }
  }

  #evaluate(declared: Declared<Value>): Value {
    const { name, path } = declared
    try {
      const value = evaluateTree(declared.value, path, this.#environment, 'collect')
      return isLoopVariable(declared) ? (memberOf(value as ObjectValue, name) as Value) : value
    } catch (error) {
      if (error instanceof FaultAt && !error.message.startsWith('The template variable'))
        throw new ExpressionFault(`The template variable '${name}' is not valid: ${error.message}`, {
          cause: error,
        })
      throw error
    }
  }

  userFunction(namespace: string, name: string): UserFunction {
    return userFunction(this.#template, namespace, name)
  }
}
