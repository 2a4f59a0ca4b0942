import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { RequestError } from './base/errors.ts'
import { OperatorError } from './base/operator-error.ts'
import { isObject, memberOf, type ObjectValue, type Value } from './templates/language/value.ts'
import { readTemplateText, templateLimits } from './templates/templates.ts'

/*
 * Templates and parameters as files, as the az command line takes them: JSON, with comments if wanted.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/parameter-files
 */

/** Reads a template. Rejects with an `OperatorError` that names the file. */
export async function readTemplateFile(file: string): Promise<ObjectValue> {
  if (extname(file).toLowerCase() === '.bicep')
    throw new OperatorError(
      `${file} is a Bicep file: compile it with "bicep build ${file}" and give the JSON file that this makes.`,
    )
  const template = await readObject(file, 'template')
  if (schemaOf(template) === undefined)
    throw new OperatorError(`${file} is no deployment template: it has no '$schema'.`)
  return template
}

/** Reads a parameter file: `{name: {value}}`, by itself or as the `parameters` of a file with a schema. */
export async function readParameterFile(file: string): Promise<ObjectValue> {
  if (extname(file).toLowerCase() === '.bicepparam')
    throw new OperatorError(
      `${file} is a Bicep file: compile it with "bicep build-params ${file}" and give the JSON file that this makes.`,
    )
  const content = await readObject(file, 'parameter file')
  if (memberOf(content, '$schema') === undefined) return content
  const parameters = memberOf(content, 'parameters') ?? {}
  if (!isObject(parameters)) throw new OperatorError(`${file}: 'parameters' must be an object.`)
  return parameters
}

/** Whether a template is for the subscription, and makes the groups that it needs. */
export const isForSubscription = (template: ObjectValue): boolean =>
  /\/subscriptiondeploymenttemplate\.json#?$/i.test(schemaOf(template) ?? '')

/** What a deployment is called that nobody names: as its file, as far as names go. */
export function deploymentNameOf(file: string): string {
  const name = basename(file, extname(file)).replaceAll(/[^\p{L}\p{N}._()-]+/gu, '-')
  return name.slice(0, 64) || 'template'
}

function schemaOf(template: ObjectValue): string | undefined {
  const schema = memberOf(template, '$schema')
  return typeof schema === 'string' ? schema : undefined
}

async function readObject(file: string, what: string): Promise<ObjectValue> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw new OperatorError(`The ${what} ${file} cannot be read: ${(error as Error).message}`, error)
  }
  // A character takes up to four bytes.
  if (bytes.length > 4 * templateLimits.textCharacters)
    throw new OperatorError(`The ${what} ${file} is larger than ${templateLimits.textCharacters} characters.`)
  let value: Value
  try {
    value = readTemplateText(bytes.toString('utf8'))
  } catch (error) {
    if (error instanceof RequestError) throw new OperatorError(`${file}: ${error.message}`, error)
    throw error
  }
  if (!isObject(value)) throw new OperatorError(`The ${what} ${file} must be a JSON object.`)
  return value
}
