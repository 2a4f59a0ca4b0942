import { invalidTemplate } from './errors.ts'
import type { Instance } from './instances.ts'
import { isObject, memberOf, type ObjectValue, type Value } from './language/value.ts'
import { at, processing } from './placed.ts'
import { decodeTemplate, type Template } from './template.ts'
import { evaluateTree } from './tree.ts'

export type DeploymentMode = 'Incremental' | 'Complete'

/** What a deployment within a deployment says of itself. */
export interface NestedSettings {
  readonly template: Template
  readonly parameters: ObjectValue
  readonly mode: DeploymentMode
  readonly location: string | undefined
  readonly isInner: boolean
}

/** Source: learn.microsoft.com/azure/azure-resource-manager/templates/linked-templates, "Nested template" */
export function nestedSettings(instance: Instance): NestedSettings {
  const { declaration, environment } = instance
  const path = `${declaration.path}.properties`
  const properties = memberOf(declaration.body, 'properties')
  const template = isObject(properties) ? memberOf(properties, 'template') : undefined
  if (!isObject(properties) || template === undefined)
    throw invalidTemplate(`The deployment '${instance.id}' must have a 'template' in its properties.`, path)
  const word = (value: Value | undefined, name: string) =>
    at(processing(instance), () => evaluateTree(value ?? '', `${path}.${name}`, environment, 'collect'))
  const location = word(memberOf(declaration.body, 'location'), 'location')
  const options = memberOf(properties, 'expressionEvaluationOptions')
  const scope = word(
    isObject(options) ? memberOf(options, 'scope') : undefined,
    'expressionEvaluationOptions.scope',
  )
  const mode = word(memberOf(properties, 'mode'), 'mode')
  const parameters = memberOf(properties, 'parameters') ?? {}
  if (!isObject(parameters))
    throw invalidTemplate(`'${path}.parameters' must be an Object.`, `${path}.parameters`)
  const isInner =
    oneOf(scope, ['NotSpecified', 'Outer', 'Inner'], `${path}.expressionEvaluationOptions.scope`) === 'Inner'
  return {
    template: decodeTemplate(template, undefined),
    parameters,
    mode: oneOf(mode, ['Incremental', 'Complete'], `${path}.mode`),
    location: typeof location === 'string' && location !== '' ? location : undefined,
    isInner,
  }
}

/** The word in its canonical spelling; the first of them when there is none. */
function oneOf<Word extends string>(value: Value, words: readonly [Word, ...Word[]], path: string): Word {
  if (value === '' || value === null) return words[0]
  const found = words.find((each) => typeof value === 'string' && each.toLowerCase() === value.toLowerCase())
  if (!found) throw invalidTemplate(`'${path}' must be one of ${words.join(', ')}.`, path)
  return found
}
