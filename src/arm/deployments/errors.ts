import { RequestError } from '../../base/errors.ts'
import { gatewayError } from '../errors.ts'

/*
 * Refusals of deployments, and how a deployment says what became of it.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
 */

/** An error as deployments and their operations keep and print it. */
export interface ArmError {
  readonly code: string
  readonly message: string
  readonly target?: string | undefined
  readonly details?: readonly ArmError[] | undefined
}

export const deploymentNotFound = (name: string) =>
  gatewayError(404, 'DeploymentNotFound', `Deployment '${name}' could not be found.`)

export const operationOfDeploymentNotFound = (name: string, operation: string) =>
  gatewayError(
    404,
    'DeploymentOperationNotFound',
    `The operation '${operation.slice(0, 64)}' of deployment '${name}' could not be found.`,
  )

export const nameTooLong = (name: string, most: number) =>
  gatewayError(
    400,
    'DeploymentNameLengthLimitExceeded',
    `The deployment name '${name.slice(0, 100)}' has ${name.length} characters; it may have at most ${most}.`,
  )

export const nameHasInvalidCharacters = (name: string) =>
  gatewayError(
    400,
    'DeploymentNameInvalidCharacters',
    `The deployment name '${name}' may have letters, digits, hyphens, underscores, periods and parentheses.`,
  )

export const invalidDeployment = (message: string) => gatewayError(400, 'InvalidDeployment', message)

export const invalidLocation = (name: string, given: string, location: string) =>
  gatewayError(
    409,
    'InvalidDeploymentLocation',
    `Invalid deployment location '${given}'. The deployment '${name}' already exists in location '${location}'.`,
  )

export const deploymentActive = (name: string) =>
  gatewayError(
    409,
    'DeploymentActive',
    `Unable to edit, replace or delete deployment '${name}': it is still active. Wait for it, or cancel it.`,
  )

export const quotaExceeded = (scopeId: string, most: number) =>
  gatewayError(
    409,
    'DeploymentQuotaExceeded',
    `'${scopeId}' has ${most} deployments, all of which are active; there may be no more.`,
  )

export const tooManyRunning = (most: number) =>
  gatewayError(429, 'TooManyRequests', `${most} deployments are under way; there may be no more at a time.`, {
    'Retry-After': '5',
  })

export const notCancelable = (name: string, state: string) =>
  gatewayError(
    409,
    'DeploymentCannotBeCancelled',
    `The deployment '${name}' cannot be canceled: its provisioning state is '${state}', not 'Accepted' or 'Running'.`,
  )

export const noDeploymentsThere = () =>
  gatewayError(
    400,
    'InvalidDeployment',
    'Busbar deploys to resource groups and to the subscription; deployments to management groups, to the tenant and to resources are not supported.',
  )

/** A plan has resources that nothing here can take. */
export const typesNotHere = (name: string, types: readonly string[]) =>
  new RequestError(
    400,
    'InvalidTemplateDeployment',
    `The template deployment '${name}' is not valid: this version of Busbar has no resources of type ${types.map((type) => `'${type}'`).join(', ')}.`,
    { target: types[0] ?? '' },
  )

/** Why a resource was not deployed: its operation was accepted, and ended badly. */
export class OperationFailed extends Error {
  readonly inner: ArmError

  constructor(inner: ArmError) {
    super(inner.message)
    this.inner = inner
  }
}

/** A deployment within a deployment that has failed. */
export class NestedFailed extends Error {
  readonly inner: ArmError

  constructor(inner: ArmError) {
    super(inner.message)
    this.inner = inner
  }
}

export const interrupted: ArmError = {
  code: 'DeploymentInterrupted',
  message:
    'Busbar stopped while this deployment was under way. What it had deployed is there; deploy the template again for the rest.',
}

/** What a deployment says when its resources did not all come to be. */
export const deploymentFailed = (details: readonly ArmError[]): ArmError => ({
  code: 'DeploymentFailed',
  message:
    'At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.',
  details,
})

/** The error in a deployment's `details`. */
export function detailOf(error: unknown, target: string): ArmError {
  if (error instanceof OperationFailed)
    return {
      code: 'ResourceDeploymentFailure',
      target,
      message:
        "The resource write operation failed to complete successfully, because it reached terminal provisioning state 'Failed'.",
      details: [error.inner],
    }
  if (error instanceof NestedFailed) return { ...error.inner, target }
  if (error instanceof RequestError) return { code: error.code, message: error.message, target }
  return { code: 'InternalServerError', message: 'The server failed to deploy this resource.', target }
}

/** The `statusMessage` of a deployment's operation. */
export function statusMessageOf(error: unknown): unknown {
  if (error instanceof OperationFailed)
    return {
      status: 'Failed',
      error: {
        code: 'ResourceOperationFailure',
        message: "The resource operation completed with terminal provisioning state 'Failed'.",
        details: [error.inner],
      },
    }
  const { code, message, target, details } = detailOf(error, '')
  return { error: { code, message, target: target === '' ? undefined : target, details } }
}

/** The word of an HTTP status, as operations print it. */
export function statusCodeOf(error: unknown): string {
  if (!(error instanceof RequestError)) return 'Conflict'
  return statusWords[error.status] ?? 'BadRequest'
}

const statusWords: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
}
