/*
 * Azure Resource Manager templates, as pure functions: in comes a template with its parameters, out comes a plan of
 * the resources that it asks for, in the order in which they have to be deployed. Who has deployed some of them can
 * have the next one's body evaluated, and at the end the outputs. Nothing here deploys, waits for time or reads
 * anything: what a template may know of the server comes in as `Surroundings`, what it may know of deployed
 * resources as `Runtime`.
 *
 *   text        readTemplateText   what came over the wire, JSON or nearly so -> a value
 *   template    createPlan         -> Plan: resources with their dependencies, parameters, nested deployments
 *   plan        runPlan            deploys through a callback, in order, as many at once as are ready
 *   resources   compareResource    what deploying one of them would change
 *   hash        templateHash
 *
 * Whatever is wrong with a template is refused before anything has been deployed, as far as it can be known then.
 * Templates come from outside: what one may ask for is bounded by `templateLimits`.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/syntax
 */
export { templateLimits } from './limits.ts'
export type { DeploymentMode } from './nested-settings.ts'
export {
  createPlan,
  type NestedDeployment,
  type Plan,
  type PlannedResource,
  type PlanRequest,
} from './plan.ts'
export { type ResourceOutcome, type RunOutcome, type RunRequest, runPlan } from './run-plan.ts'
export type { Runtime } from './runtime.ts'
export {
  groupScope,
  managementGroupScope,
  type Scope,
  type Surroundings,
  scopeOf,
  subscriptionScope,
  tenantScope,
} from './surroundings.ts'
export { minifiedTemplate, templateHash } from './template-hash.ts'
export { readTemplateText } from './template-text.ts'
export { type Comparison, compareResource, type PropertyChange, type ResourceChange } from './what-if.ts'
