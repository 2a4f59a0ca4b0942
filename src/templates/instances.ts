import { ExpressionFault, invalidTemplate } from './errors.ts'
import type { Environment } from './language/environment.ts'
import { isObject, memberOf, type ObjectValue, typeOf, type Value } from './language/value.ts'
import { templateLimits } from './limits.ts'
import { at } from './placed.ts'
import { idUnder, namesOf, scopeIdOf, targetScope } from './resource-id.ts'
import { type Scope, scopeOf, tenantScope } from './surroundings.ts'
import { isDeployment, type ResourceDeclaration } from './template.ts'
import { evaluateText, evaluateTree, loopCount, repeat } from './tree.ts'

/** One resource that a template declares, or one iteration of its copy loop. */
export interface Instance {
  readonly declaration: ResourceDeclaration
  readonly id: string
  /** Whole, also of a resource that is written within its parent. */
  readonly type: string
  readonly apiVersion: string
  readonly name: string
  /** The id of what the resource is written to: a group, a subscription, another resource. */
  readonly scopeId: string
  /** It is only referred to. */
  readonly isExisting: boolean
  /** False when its condition does not hold, so that it is not deployed. */
  readonly isWanted: boolean
  readonly loop: InstanceLoop | undefined
  /** With the indexes of the loops it is in. */
  readonly environment: Environment
}

/** The copy loop that a resource is one iteration of. */
export interface InstanceLoop {
  readonly name: string
  readonly index: number
  readonly count: number
  /** How many are deployed at a time; undefined when all are. */
  readonly batchSize: number | undefined
}

/**
 * Every resource of a template, loops unrolled and children beside their parents. Throws InvalidTemplate.
 *
 * @param scope where the resources go that name no scope of their own
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/copy-resources, child-resource-name-type,
 * scope-extension-resources
 */
export function expandResources(
  declarations: readonly ResourceDeclaration[],
  environment: Environment,
  scope: Scope,
): readonly Instance[] {
  const expansion = new Expansion(scope)
  for (const declaration of declarations) expansion.add(declaration, undefined, environment)
  return expansion.instances
}

class Expansion {
  readonly instances: Instance[] = []
  readonly #scope: Scope

  constructor(scope: Scope) {
    this.#scope = scope
  }

  add(declaration: ResourceDeclaration, parent: Instance | undefined, environment: Environment): void {
    const loop = memberOf(declaration.body, 'copy')
    if (loop === undefined) {
      this.#addOne(declaration, parent, environment, undefined)
      return
    }
    const { path } = declaration
    if (!isObject(loop))
      throw invalidTemplate(`'${path}.copy' must be an Object with 'name' and 'count'.`, `${path}.copy`)
    const { name, count, batchSize } = at(`The copy of the template resource is not valid`, () =>
      readLoop(loop, `${path}.copy`, environment, declaration.symbol),
    )
    repeat(name, count, environment, (index, inside) =>
      this.#addOne(declaration, parent, inside, { name, index, count, batchSize }),
    )
  }

  #addOne(
    declaration: ResourceDeclaration,
    parent: Instance | undefined,
    environment: Environment,
    loop: InstanceLoop | undefined,
  ): void {
    if (this.instances.length >= templateLimits.resources)
      throw invalidTemplate(
        `The number of template resources limit exceeded. Limit: ${templateLimits.resources}.`,
        declaration.path,
      )
    const instance = this.#instance(declaration, parent, environment, loop)
    this.instances.push(instance)
    for (const child of declaration.children) this.add(child, instance, environment)
  }

  #instance(
    declaration: ResourceDeclaration,
    parent: Instance | undefined,
    environment: Environment,
    loop: InstanceLoop | undefined,
  ): Instance {
    const { path, body } = declaration
    return at('Unable to process template language expressions for the template resource', () => {
      const own = { type: text(body, 'type', path, environment), name: text(body, 'name', path, environment) }
      const { type, name } = parent ? joined(parent, own) : own
      const segments = name.split('/')
      if (namesOf(type) === 0 || segments.length !== namesOf(type) || segments.includes(''))
        throw invalidTemplate(
          `The template resource '${name}' for type '${type}' at '${path}' has incorrect segment lengths. A nested resource type must have identical number of segments as its resource name. A root resource type must have segment length one greater than its resource name. Please see https://aka.ms/arm-syntax-resources for usage details.`,
          path,
        )
      const scopeId = parent ? parent.scopeId : this.#scopeId(body, type, path, environment)
      return {
        declaration,
        id: idUnder(scopeId, type, segments),
        type,
        name,
        apiVersion: text(body, 'apiVersion', path, environment),
        scopeId,
        isExisting: flag(body, 'existing', false, path, environment),
        isWanted: flag(body, 'condition', true, path, environment),
        loop,
        environment,
      }
    })
  }

  #scopeId(body: ObjectValue, type: string, path: string, environment: Environment): string {
    const named = optionalText(body, 'scope', path, environment)
    if (named !== undefined) {
      const id = scopeIdOf(named, this.#scope)
      if (id !== undefined) return id
      throw new ExpressionFault(
        `The scope '${named.slice(0, 200)}' must be an id, '/', or type and name of a resource, such as 'Microsoft.EventGrid/topics/orders'.`,
      )
    }
    const target = targetScope(
      this.#scope,
      optionalText(body, 'subscriptionId', path, environment),
      optionalText(body, 'resourceGroup', path, environment),
    )
    if (!target)
      throw new ExpressionFault(
        `A resource group can be named without its subscription only below a subscription.`,
      )
    if (target !== this.#scope && !isDeployment(type) && memberOf(body, 'existing') !== true)
      throw new ExpressionFault(
        `Only an existing resource and one of type 'Microsoft.Resources/deployments' may have 'subscriptionId' or 'resourceGroup'; this is a '${type}'.`,
      )
    if (/^microsoft\.(management\/managementgroups|subscription\/aliases)$/i.test(type)) return tenantScope.id
    return target.id
  }
}

/** Where a nested deployment writes: what its id stands on. */
export const deploymentScope = ({ scopeId }: Instance): Scope | undefined => scopeOf(scopeId)

/** Type and name of a resource that is written within its parent, where both are given relative to it. */
function joined(parent: Instance, own: { readonly type: string; readonly name: string }) {
  if (own.type.toLowerCase().startsWith(`${parent.type.toLowerCase()}/`)) {
    const isWhole = own.name.split('/').length === namesOf(own.type)
    return isWhole ? own : { type: own.type, name: `${parent.name}/${own.name}` }
  }
  return { type: `${parent.type}/${own.type}`, name: `${parent.name}/${own.name}` }
}

function readLoop(loop: ObjectValue, path: string, environment: Environment, symbol: string | undefined) {
  const given = memberOf(loop, 'name') ?? symbol ?? null
  const name = typeof given === 'string' ? evaluateText(given, `${path}.name`, environment) : given
  if (typeof name !== 'string') throw new ExpressionFault(`The 'name' of a copy must be a String.`)
  const count = loopCount(
    evaluateTree(memberOf(loop, 'count') ?? null, `${path}.count`, environment, 'collect'),
    `${path}.count`,
  )
  return { name, count, batchSize: readBatchSize(loop, path, environment) }
}

function readBatchSize(loop: ObjectValue, path: string, environment: Environment): number | undefined {
  const mode = evaluateTree(memberOf(loop, 'mode') ?? 'Parallel', `${path}.mode`, environment, 'collect')
  const word = typeof mode === 'string' ? mode.toLowerCase() : ''
  if (word !== 'parallel' && word !== 'serial')
    throw new ExpressionFault(`The 'mode' of a copy must be 'Parallel' or 'Serial'.`)
  const size = evaluateTree(memberOf(loop, 'batchSize') ?? null, `${path}.batchSize`, environment, 'collect')
  if (size === null) return word === 'serial' ? 1 : undefined
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1)
    throw new ExpressionFault(`The 'batchSize' of a copy must be an Integer of at least 1.`)
  return word === 'serial' ? size : undefined
}

function text(body: ObjectValue, name: string, path: string, environment: Environment): string {
  const value = optionalText(body, name, path, environment)
  if (value === undefined || value === '') throw new ExpressionFault(`'${path}.${name}' must not be empty.`)
  return value
}

function optionalText(
  body: ObjectValue,
  name: string,
  path: string,
  environment: Environment,
): string | undefined {
  const value = evaluated(body, name, path, environment)
  if (value === null) return undefined
  if (typeof value !== 'string')
    throw new ExpressionFault(`'${path}.${name}' must be a String; it is of type '${typeOf(value)}'.`)
  return value
}

function flag(
  body: ObjectValue,
  name: string,
  preset: boolean,
  path: string,
  environment: Environment,
): boolean {
  const value = evaluated(body, name, path, environment) ?? preset
  if (typeof value === 'boolean') return value
  // Azure takes the words as well, which a parameter of type string often brings.
  if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
  throw new ExpressionFault(`'${path}.${name}' must be a Boolean; it is of type '${typeOf(value)}'.`)
}

const evaluated = (body: ObjectValue, name: string, path: string, environment: Environment): Value =>
  evaluateTree(memberOf(body, name) ?? null, `${path}.${name}`, environment, 'collect')
