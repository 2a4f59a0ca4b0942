import { RequestError } from '../base/errors.ts'

/*
 * Refusals of Resource Manager itself, as opposed to a resource type's own. Their answers carry
 * `x-ms-failure-cause: gateway`.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
 */

const fromGateway = { 'x-ms-failure-cause': 'gateway' }

export const gatewayError = (
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
) => new RequestError(status, code, message, { headers: { ...fromGateway, ...headers } })

/** The same refusal with the header that says it came from Resource Manager. */
export const asGatewayError = (error: RequestError) =>
  gatewayError(error.status, error.code, error.message, error.headers)

export const missingApiVersion = () =>
  gatewayError(
    400,
    'MissingApiVersionParameter',
    'The api-version query parameter (?api-version=) is required for all requests.',
  )

export const invalidApiVersion = (version: string, supported: readonly string[]) =>
  gatewayError(
    400,
    'InvalidApiVersionParameter',
    `The api-version '${version}' is invalid. The supported versions are '${supported.join(',')}'.`,
  )

export const noRegisteredProvider = (asked: {
  readonly location: string
  readonly version: string
  readonly type: string
  readonly versions: readonly string[]
  readonly locations: readonly string[]
}) =>
  gatewayError(
    400,
    'NoRegisteredProviderFound',
    `No registered resource provider found for location '${asked.location}' and API version '${asked.version}' for type '${asked.type}'. The supported api-versions are '${asked.versions.join(', ')}'. The supported locations are '${asked.locations.join(', ')}'.`,
  )

export const notFound = (path: string) => gatewayError(404, 'NotFound', `There is nothing at '${path}'.`)

export const methodNotAllowed = (method: string, allowed: readonly string[]) =>
  gatewayError(
    405,
    'HttpResourceMethodNotAllowed',
    `The method ${method} is not allowed here; allowed: ${allowed.join(', ')}.`,
    { Allow: allowed.join(', ') },
  )

export const invalidNamespace = (namespace: string) =>
  gatewayError(404, 'InvalidResourceNamespace', `The resource namespace '${namespace}' is invalid.`)

export const invalidType = (namespace: string, type: string, apiVersion: string) =>
  gatewayError(
    404,
    'InvalidResourceType',
    `The resource type '${type}' could not be found in the namespace '${namespace}' for api version '${apiVersion}'.`,
  )

export const genericOnlyInGroup = (type: string) =>
  gatewayError(
    404,
    'NotFound',
    `Resources of type '${type}' are stored in a resource group; Busbar does not put them on a subscription or on another resource.`,
  )

export const subscriptionNotFound = (id: string) =>
  gatewayError(404, 'SubscriptionNotFound', `The subscription '${id}' could not be found.`)

export const groupNotFound = (name: string) =>
  gatewayError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`)

export const groupBeingDeleted = (name: string) =>
  gatewayError(
    409,
    'ResourceGroupBeingDeleted',
    `The resource group '${name}' is in deprovisioning state and cannot perform this operation.`,
  )

export const resourceNotFound = (type: string, name: string, group: string) =>
  gatewayError(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  )

export const parentNotFound = (type: string, parentId: string) =>
  gatewayError(
    404,
    'ParentResourceNotFound',
    `Failed to perform 'write' on resource(s) of type '${type}', because the parent resource '${parentId}' could not be found.`,
  )

export const roleDefinitionNotFound = (name: string) =>
  gatewayError(
    404,
    'RoleDefinitionDoesNotExist',
    `The specified role definition with ID '${name}' does not exist.`,
  )

/** Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles */
export const builtInRole = (name: string) =>
  gatewayError(
    400,
    'RoleDefinitionCannotBeChanged',
    `The role definition '${name}' is one of Azure's own, which nobody changes: make a custom role under another id.`,
  )

export const operationNotFound = (id: string) =>
  gatewayError(404, 'OperationNotFound', `The operation '${id}' could not be found.`)

export const invalidContent = (why: string) =>
  gatewayError(
    400,
    'InvalidRequestContent',
    `The request content was invalid and could not be deserialized: '${why}'.`,
  )

export const invalidParameter = (name: string, expected: string, got: string) =>
  gatewayError(400, 'InvalidParameter', `The parameter '${name}' must be ${expected}; got '${got}'.`)

export const locationRequired = (type: string) =>
  gatewayError(400, 'LocationRequired', `The location property is required for resources of type '${type}'.`)

export const locationNotAvailable = (
  location: string,
  type: string,
  available: readonly string[],
  suggestion: string,
) =>
  gatewayError(
    400,
    'LocationNotAvailableForResourceType',
    `The provided location '${location}' is not available for resource type '${type}'.${suggestion} List of available regions for the resource type is '${available.join(',')}'. Others can be named under 'locations' in the configuration file.`,
  )

export const preconditionFailed = () =>
  gatewayError(
    412,
    'PreconditionFailed',
    'The condition of If-Match or If-None-Match does not hold for the resource as it is now.',
  )

/** @param why a sentence */
export const moveNotSupported = (why: string) =>
  gatewayError(
    400,
    'ResourceMoveNotSupported',
    `${why} Make the resources in the other group, and delete them here.`,
  )
