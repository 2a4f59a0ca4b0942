import { createPlan, type Plan } from '../../templates/templates.ts'
import { nameInId } from '../../wire/arm-id.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import { createSurroundings, type SurroundingsOptions } from './arm-surroundings.ts'
import { isDeployedTo } from './deployment-path.ts'
import { checkDeploymentName, type DeploymentRequest } from './deployment-request.ts'
import { invalidDeployment, noDeploymentsThere } from './errors.ts'
import { checkTypes } from './known-types.ts'

/** The plan of a deployment. Throws when something in it cannot be deployed here, as far as that is known now. */
export function planDeployment(request: DeploymentRequest, options: SurroundingsOptions): Plan {
  const { name, scope, location, template, parameters, mode } = request
  const surroundings = createSurroundings(options, scope.subscriptionId)
  const plan = createPlan({ template, parameters, name, scope, mode, location, surroundings })
  checkPlan(name, plan, options.refs)
  return plan
}

/** Throws when there is something in the plan that nothing here can take. */
export function checkPlan(name: string, plan: Plan, refs: ResourceRefs): void {
  checkTypes(name, plan, refs)
  for (const { id, nested } of plan.resources) {
    if (!nested) continue
    checkDeploymentName(nameInId(id))
    if (nested.mode === 'Complete')
      throw invalidDeployment(
        `The deployment '${id}' is within another one: its mode must be 'Incremental', and is 'Complete'.`,
      )
    if (!isDeployedTo(nested.scope)) throw noDeploymentsThere()
    if (nested.preview) checkPlan(nameInId(id), nested.preview, refs)
  }
}
