import { ExpressionFault } from './errors.ts'
import type { Environment, Names, UserFunction } from './language/environment.ts'
import { isArray, isObject, memberOf, type Value } from './language/value.ts'
import { templateLimits } from './limits.ts'
import { lowerName, notHere } from './lookup.ts'
import type { Declared, Template } from './template.ts'
import { evaluateTree } from './tree.ts'
import { checkType } from './type-check.ts'

/** A function that the template defines. Throws when there is none of that name. */
export function userFunction(template: Template, namespace: string, name: string): UserFunction {
  const key = `${namespace}.${name}`
  const declared = template.functions.get(lowerName(template.functions, key, 'function')) as Declared
  return { call: (args, caller) => callFunction(template, declared, args, caller) }
}

/**
 * Calls a function that the template defines. It sees its own parameters only.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/user-defined-functions
 */
function callFunction(
  template: Template,
  declared: Declared,
  args: readonly Value[],
  caller: Environment,
): Value {
  const { name, value, path } = declared
  if (caller.calls >= templateLimits.expressionDepth)
    throw new ExpressionFault(
      `User functions may call one another at most ${templateLimits.expressionDepth} deep.`,
    )
  const [parameters, output] = [memberOf(value, 'parameters') ?? [], memberOf(value, 'output')]
  if (!isArray(parameters) || !isObject(output))
    throw new ExpressionFault(
      `The user function '${name}' must have 'parameters' that is an Array and 'output' that is an Object.`,
    )
  if (args.length !== parameters.length)
    throw new ExpressionFault(
      `The user function '${name}' takes ${parameters.length} argument(s), and was called with ${args.length}.`,
    )
  const values = new Map<string, { readonly name: string; readonly value: Value }>()
  for (const [index, each] of parameters.entries()) {
    const own = isObject(each) ? memberOf(each, 'name') : undefined
    if (typeof own !== 'string' || !isObject(each))
      throw new ExpressionFault(
        `Each parameter of the user function '${name}' must have a 'name' that is a String.`,
      )
    const arg = args[index] as Value
    const fault = checkType(arg, each, template.definitions)
    if (fault)
      throw new ExpressionFault(
        `The argument '${own}${fault.path}' of the user function '${name}' is not valid: ${fault.what}.`,
      )
    values.set(own.toLowerCase(), { name: own, value: arg })
  }
  const names: Names = {
    parameter: (own) => (values.get(lowerName(values, own, 'parameter')) as { value: Value }).value,
    variable: () => {
      throw notHere('variables')
    },
    userFunction: (namespace, member) => userFunction(template, namespace, member),
  }
  const inside: Environment = {
    ...caller,
    names,
    runtime: undefined,
    isParameterDefault: false,
    loops: [],
    locals: new Map(),
    calls: caller.calls + 1,
  }
  const result = evaluateTree(memberOf(output, 'value') ?? null, `${path}.output.value`, inside, 'collect')
  const fault = checkType(result, output, template.definitions)
  if (fault)
    throw new ExpressionFault(
      `The output${fault.path} of the user function '${name}' is not valid: ${fault.what}.`,
    )
  return result
}
