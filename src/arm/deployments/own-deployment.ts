import { claimsWithoutToken } from '../../auth/claims.ts'
import type { Origin } from '../../auth/origin.ts'
import { newGuid } from '../../base/ids.ts'
import type { ObjectValue } from '../../templates/language/value.ts'
import { groupIdOf } from '../resource-ref.ts'
import { defaultSubscriptionId } from '../subscriptions.ts'
import type { SurroundingsOptions } from './arm-surroundings.ts'
import { deploymentScopeOf } from './deployment-path.ts'
import { planDeployment } from './deployment-plan.ts'
import { decodeDeployment } from './deployment-request.ts'
import type { DeploymentRuns } from './deployment-runs.ts'
import type { History } from './history.ts'
import { managerVersion, type ResourceCalls } from './resource-calls.ts'
import type { StoredDeployment } from './stored-deployment.ts'

/** A template that the server deploys of its own accord. */
export interface OwnDeployment {
  readonly name: string
  readonly template: ObjectValue
  /** `{name: {value}}` */
  readonly parameters: ObjectValue
  /** Undefined: the template is for the subscription. */
  readonly group: string | undefined
}

/** How a deployment ended. */
export type EndedDeployment = Pick<StoredDeployment, 'id' | 'state' | 'error'>

export interface OwnDeploymentOptions extends SurroundingsOptions {
  readonly history: History
  readonly calls: ResourceCalls
  readonly runs: DeploymentRuns
}

/** Where what the server makes of its own accord is, unless the template says otherwise. */
const defaultLocation = 'westus2'

/**
 * Deploys a template to the default subscription, or to a group in it that is made when it is not there. Resolves
 * when the deployment has ended. Rejects with a `RequestError` when it cannot begin.
 *
 * @param signal gives it up
 */
export async function deployOwn(
  { name, template, parameters, group }: OwnDeployment,
  options: OwnDeploymentOptions,
  signal: AbortSignal,
): Promise<EndedDeployment> {
  const { tenantId, publicUrl, history, calls, runs } = options
  const origin = serversOwn(tenantId)
  const context = { caller: { ...origin.caller, isOwner: true }, origin, base: publicUrl() }
  if (group !== undefined) {
    const id = groupIdOf(defaultSubscriptionId, group)
    const isThere = (await calls.get(id, managerVersion, context)) !== undefined
    if (!isThere) await calls.put(id, managerVersion, { location: defaultLocation }, context, signal)
  }
  const scope = deploymentScopeOf(defaultSubscriptionId, group)
  const before = history.find(scope.id, name)
  // Where the subscription keeps what is known of it stays as it is.
  const location = (before && (await history.read(before)))?.location ?? defaultLocation
  const properties = { mode: 'Incremental', template, parameters }
  const request = decodeDeployment(
    group === undefined ? { location, properties } : { properties },
    name,
    scope,
  )
  const { ended } = await runs.start(request, planDeployment(request, options), context, origin, signal)
  return ended
}

function serversOwn(tenantId: string): Origin {
  const name = 'Busbar'
  const claims = claimsWithoutToken({ name, tenantId })
  return { caller: { name, claims }, correlationId: newGuid() }
}
