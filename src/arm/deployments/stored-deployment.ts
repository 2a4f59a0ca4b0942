import type { Origin } from '../../auth/origin.ts'
import type { EpochMs } from '../../base/clock.ts'
import { encodeMoment } from '../../base/moment.ts'
import type { ObjectValue } from '../../templates/language/value.ts'
import type { DeploymentMode } from '../../templates/templates.ts'
import { nameInId, typeOfId } from '../../wire/arm-id.ts'
import type { ArmError } from './errors.ts'
import type { Diagnostic } from './known-types.ts'

export type DeploymentState = 'Accepted' | 'Running' | 'Succeeded' | 'Failed' | 'Canceled'

/** A deployment as the store keeps it; its template is a record of its own. */
export interface StoredDeployment {
  readonly id: string
  readonly name: string
  readonly scopeId: string
  readonly location: string | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
  readonly mode: DeploymentMode
  readonly templateHash: string
  /** `{name: {type, value}}`, secrets without their value. */
  readonly parameters: ObjectValue
  readonly state: DeploymentState
  readonly startedAt: EpochMs
  /** The last change, and so the end once it has ended. */
  readonly changedAt: EpochMs
  readonly origin: Origin
  /** There was none of that name before. */
  readonly created: boolean
  /** Of its `operationStatuses`. */
  readonly operationId: string
  readonly providers: readonly unknown[]
  readonly dependencies: readonly unknown[]
  readonly diagnostics: readonly Diagnostic[]
  readonly outputs?: ObjectValue | undefined
  readonly outputResources?: readonly string[] | undefined
  readonly error?: ArmError | undefined
  readonly operations: readonly StoredOperation[]
}

/** What was done for one resource of a deployment. */
export interface StoredOperation {
  /** 16 hexadecimal digits. */
  readonly id: string
  readonly kind: 'Create' | 'Delete' | 'EvaluateDeploymentOutput'
  readonly state: 'Running' | 'Succeeded' | 'Failed' | 'Canceled'
  readonly startedAt: EpochMs
  readonly endedAt: EpochMs
  /** The word of an HTTP status, such as `Created`. */
  readonly statusCode: string
  readonly statusMessage?: unknown
  readonly targetId?: string | undefined
}

export const isActive = (state: DeploymentState) => state === 'Accepted' || state === 'Running'

/** The deployment as clients see it. */
export function encodeDeployment(deployment: StoredDeployment): Record<string, unknown> {
  const { id, name, location, tags, mode, templateHash, parameters, state, startedAt, changedAt } = deployment
  const { origin, providers, dependencies, diagnostics, outputs, outputResources, error } = deployment
  return {
    id,
    name,
    type: 'Microsoft.Resources/deployments',
    location,
    tags,
    properties: {
      templateHash,
      parameters,
      mode,
      provisioningState: state,
      timestamp: encodeMoment(changedAt),
      duration: durationOf(startedAt, changedAt),
      correlationId: origin.correlationId,
      providers,
      dependencies,
      outputs,
      ...(diagnostics.length > 0 && { diagnostics }),
      outputResources: outputResources?.map((each) => ({ id: each })),
      error,
    },
  }
}

export function encodeOperation(
  { id: deploymentId, origin }: StoredDeployment,
  operation: StoredOperation,
): Record<string, unknown> {
  const { id, kind, state, startedAt, endedAt, statusCode, statusMessage, targetId } = operation
  return {
    id: `${deploymentId}/operations/${id}`,
    operationId: id,
    properties: {
      provisioningOperation: kind,
      provisioningState: state,
      timestamp: encodeMoment(endedAt),
      duration: durationOf(startedAt, endedAt),
      trackingId: origin.correlationId,
      statusCode,
      statusMessage,
      targetResource:
        targetId === undefined
          ? undefined
          : { id: targetId, resourceType: typeOfId(targetId), resourceName: nameInId(targetId) },
    },
  }
}

/** Such as `PT1.5S`; an ISO 8601 duration. */
const durationOf = (from: EpochMs, to: EpochMs) => `PT${Math.max(0, to - from) / 1000}S`
