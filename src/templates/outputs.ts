import { ExpressionFault, invalidOutputs, NotYetKnown } from './errors.ts'
import type { InstanceTable } from './instance-table.ts'
import { Budget, type Environment } from './language/environment.ts'
import { isObject, memberOf, type ObjectValue, typeOf, type Value } from './language/value.ts'
import { type Runtime, withRuntime } from './runtime.ts'
import type { Declared, Template } from './template.ts'
import { evaluateTree, FaultAt, loopCount, repeat } from './tree.ts'
import { checkType, isSecure, resolveType, TypeFault, typeNameOf } from './type-check.ts'

/**
 * The outputs of a template whose resources are deployed. Throws DeploymentOutputEvaluationFailed.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/outputs
 */
export async function evaluateOutputs(
  template: Template,
  environment: Environment,
  tables: readonly InstanceTable[],
  runtime: Runtime,
): Promise<ObjectValue> {
  const outputs = [...template.outputs.values()]
  try {
    return await withRuntime(tables, runtime, (lookup) => {
      const inside = { ...environment, budget: new Budget(), runtime: lookup }
      return evaluateAll(outputs, template, inside)
    })
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error
    const path = error instanceof FaultAt ? error.path : 'outputs'
    throw invalidOutputs(
      `Unable to evaluate template outputs: the template output at '${path}' is not valid: ${error.message}`,
      path,
      error,
    )
  }
}

/** All of them, even when one is not yet known: so that what the others ask for is asked for at once. */
function evaluateAll(
  outputs: readonly Declared[],
  template: Template,
  environment: Environment,
): ObjectValue {
  const found: (readonly [string, Value])[] = []
  let unknown: NotYetKnown | undefined
  for (const output of outputs) {
    try {
      const printed = evaluateOutput(output, template, environment)
      if (printed) found.push([output.name, printed])
    } catch (error) {
      if (!(error instanceof NotYetKnown)) throw error
      unknown ??= error
    }
  }
  if (unknown) throw unknown
  return Object.fromEntries(found)
}

/** Undefined when the output's condition does not hold. */
function evaluateOutput(
  { value: output, path }: Declared,
  template: Template,
  environment: Environment,
): ObjectValue | undefined {
  const evaluated = (name: string, inside = environment) =>
    evaluateTree(memberOf(output, name) ?? null, `${path}.${name}`, inside, 'collect')
  const condition = evaluated('condition') ?? true
  if (typeof condition !== 'boolean')
    throw new FaultAt(
      `${path}.condition`,
      `The condition must be a Boolean; it is of type '${typeOf(condition)}'.`,
    )
  if (!condition) return undefined
  const copy = memberOf(output, 'copy')
  const value = copy === undefined ? evaluated('value') : evaluateCopy(copy, path, environment)
  return print(value, output, template, path)
}

function evaluateCopy(copy: Value, path: string, environment: Environment): Value {
  const input = isObject(copy) ? memberOf(copy, 'input') : undefined
  if (!isObject(copy) || input === undefined)
    throw new FaultAt(`${path}.copy`, "A copy must have 'count' and 'input'.")
  const count = loopCount(
    evaluateTree(memberOf(copy, 'count') ?? null, `${path}.copy.count`, environment, 'collect'),
    `${path}.copy.count`,
  )
  // Kept as one tree, so that every iteration asks for what it needs at once.
  let unknown: NotYetKnown | undefined
  const items = repeat('output', count, environment, (index, inside) => {
    try {
      return evaluateTree(input, `${path}.copy.input[${index}]`, inside, 'collect')
    } catch (error) {
      if (!(error instanceof NotYetKnown)) throw error
      unknown = error
      return null
    }
  })
  if (unknown) throw unknown
  return items
}

function print(value: Value, output: ObjectValue, template: Template, path: string): ObjectValue {
  const resolved = resolveType(output, template.definitions)
  const fault = resolved instanceof TypeFault ? resolved : checkType(value, resolved, template.definitions)
  if (fault) throw new FaultAt(path, `at '${path}${fault.path}': ${fault.what}`)
  const type = typeNameOf(resolved as ObjectValue) ?? 'Object'
  return isSecure(type) ? { type } : { type, value }
}
