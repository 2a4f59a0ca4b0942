import type { Origin } from '../../auth/origin.ts'
import type { EpochMs } from '../../base/clock.ts'
import { newGuid } from '../../base/ids.ts'
import type { Plan, PlannedResource } from '../../templates/templates.ts'
import { nameInId, typeOfId } from '../../wire/arm-id.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import type { DeploymentScope } from './deployment-path.ts'
import type { DeploymentRequest } from './deployment-request.ts'
import { diagnosticsOf } from './known-types.ts'
import type { StoredDeployment } from './stored-deployment.ts'

export const deploymentId = (scope: DeploymentScope, name: string) =>
  `${scope.id}/providers/Microsoft.Resources/deployments/${name}`

/** A deployment that has been accepted, and of which nothing has been done yet. */
export function describeDeployment(
  { name, scope, location, tags, mode }: DeploymentRequest,
  plan: Plan,
  more: {
    readonly origin: Origin
    readonly created: boolean
    readonly refs: ResourceRefs
    readonly now: EpochMs
  },
): StoredDeployment {
  const { origin, created, refs, now } = more
  return {
    id: deploymentId(scope, name),
    name,
    scopeId: scope.id,
    location,
    tags,
    mode,
    templateHash: plan.templateHash,
    parameters: plan.parameters,
    state: 'Accepted',
    startedAt: now,
    changedAt: now,
    origin,
    created,
    operationId: newGuid(),
    providers: providersOf(plan),
    dependencies: dependenciesOf(plan),
    diagnostics: diagnosticsOf(plan, refs),
    operations: [],
  }
}

function providersOf(plan: Plan): readonly unknown[] {
  const namespaces = new Map<string, Map<string, Set<string | null>>>()
  for (const { type, location } of plan.resources) {
    const [namespace = '', ...words] = type.split('/')
    const types = namespaces.get(namespace) ?? new Map<string, Set<string | null>>()
    namespaces.set(namespace, types)
    const word = words.join('/')
    types.set(word, (types.get(word) ?? new Set()).add(location ?? null))
  }
  return [...namespaces].map(([namespace, types]) => ({
    namespace,
    resourceTypes: [...types].map(([resourceType, locations]) => ({
      resourceType,
      locations: [...locations],
    })),
  }))
}

function dependenciesOf(plan: Plan): readonly unknown[] {
  const describe = (id: string) => ({ id, resourceType: typeOfId(id), resourceName: nameInId(id) })
  return plan.resources
    .filter(({ dependsOn }: PlannedResource) => dependsOn.length > 0)
    .map(({ id, dependsOn }) => ({ dependsOn: dependsOn.map(describe), ...describe(id) }))
}
