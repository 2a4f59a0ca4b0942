import type { Value } from '../../templates/language/value.ts'
import type { DeploymentMode } from '../../templates/templates.ts'
import { readTemplateText } from '../../templates/templates.ts'
import { notSupported } from '../../wire/errors.ts'
import { type Fields, fields, isObject, readEnum } from '../../wire/shape.ts'
import { decodeLocation, decodeTags } from '../envelope.ts'
import { gatewayError, invalidContent } from '../errors.ts'
import type { DeploymentScope } from './deployment-path.ts'
import { invalidDeployment, nameHasInvalidCharacters, nameTooLong } from './errors.ts'

/** What a client asks to be deployed. */
export interface DeploymentRequest {
  readonly name: string
  readonly scope: DeploymentScope
  readonly location: string | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
  readonly template: Value
  /** `{name: {value}}` */
  readonly parameters: Value
  readonly mode: DeploymentMode
  readonly resultFormat: 'FullResourcePayloads' | 'ResourceIdOnly'
}

/** Source: learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules, "Microsoft.Resources" */
const nameCharacters = 64

export function checkDeploymentName(name: string): void {
  if (name.length > nameCharacters) throw nameTooLong(name, nameCharacters)
  if (!/^[\p{L}\p{N}._()-]+$/u.test(name)) throw nameHasInvalidCharacters(name)
}

/** The text of a body that holds a template; see `readTemplateText`. */
export function readBodyText(bytes: Buffer): Value {
  if (bytes.length === 0) throw invalidContent('the body is empty')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalidContent('the body is not UTF-8')
  }
  return readTemplateText(text)
}

/**
 * Decodes the body of a deployment. Throws for what this server would have to fetch from elsewhere or does not do.
 *
 * Source: learn.microsoft.com/rest/api/resources/deployments/create-or-update
 */
export function decodeDeployment(body: Value, name: string, scope: DeploymentScope): DeploymentRequest {
  checkDeploymentName(name)
  const from = fields(body, '')
  const properties = from.raw('properties')
  if (!isObject(properties)) throw invalidContent("'properties' must be an object")
  const inside = fields(properties, 'properties')
  refuseLinks(inside)
  const template = inside.raw('template')
  if (template === undefined)
    throw gatewayError(400, 'InvalidRequestContent', "A deployment must have 'properties.template'.")
  const mode = readEnum(inside, 'mode', ['Incremental', 'Complete'] as const) ?? 'Incremental'
  if (mode === 'Complete' && scope.kind !== 'group')
    throw invalidDeployment(
      `The mode 'Complete' is for deployments to a resource group; '${name}' is a deployment to a subscription.`,
    )
  const settings = inside.raw('whatIfSettings')
  return {
    name,
    scope,
    location: locationOf(from, name, scope),
    tags: decodeTags(from),
    template: template as Value,
    parameters: (inside.raw('parameters') ?? {}) as Value,
    mode,
    resultFormat:
      (settings === undefined
        ? undefined
        : readEnum(fields(settings, 'properties.whatIfSettings'), 'resultFormat', [
            'FullResourcePayloads',
            'ResourceIdOnly',
          ] as const)) ?? 'FullResourcePayloads',
  }
}

function locationOf(from: Fields, name: string, scope: DeploymentScope): string | undefined {
  const isGiven = from.raw('location') !== undefined
  if (scope.kind === 'group') {
    if (isGiven)
      throw invalidDeployment(
        `The deployment '${name}' must have no 'location': it is in its resource group. Leave out 'location'.`,
      )
    return undefined
  }
  if (!isGiven)
    throw gatewayError(
      400,
      'LocationRequired',
      `The deployment '${name}' must have a 'location', where what is known of it is kept, such as westus2.`,
    )
  return decodeLocation(from, { type: 'Microsoft.Resources/deployments' })
}

function refuseLinks(properties: Fields): void {
  for (const [name, what] of [
    ['templateLink', 'A template that must be fetched'],
    ['parametersLink', 'A parameter file that must be fetched'],
  ] as const)
    if (properties.raw(name) !== undefined)
      throw gatewayError(
        400,
        'InvalidContentLink',
        `${what} ('properties.${name}') is not supported by this version of Busbar. Send its content.`,
      )
  if (properties.raw('onErrorDeployment') !== undefined)
    throw notSupported('properties.onErrorDeployment', 'Another deployment after a failed one')
  const debug = properties.raw('debugSetting')
  const level = isObject(debug) ? (debug.detailLevel ?? 'none') : debug
  if (level !== undefined && !(typeof level === 'string' && level.toLowerCase() === 'none'))
    throw notSupported('properties.debugSetting', 'Keeping the requests and responses of a deployment')
}
