import { RequestError } from '../base/errors.ts'
import { dependenciesOf, inOrder, isDeployed, refuseTwice } from './dependencies.ts'
import { invalidTemplate, NotYetKnown } from './errors.ts'
import { functionLookup } from './functions/index.ts'
import { InstanceTable } from './instance-table.ts'
import { deploymentScope, expandResources, type Instance } from './instances.ts'
import { Budget, type Environment, type Names } from './language/environment.ts'
import { ExpressionReader } from './language/parse.ts'
import { memberOf, type ObjectValue, type Value } from './language/value.ts'
import { templateLimits } from './limits.ts'
import {
  createNames,
  decodeParameters,
  type GivenParameter,
  type GivenParameters,
  type WithholdingNames,
} from './names.ts'
import { type DeploymentMode, type NestedSettings, nestedSettings } from './nested-settings.ts'
import { evaluateOutputs } from './outputs.ts'
import { at, placed, processing } from './placed.ts'
import { bodyOf } from './resource-body.ts'
import { Probe, type Runtime, withRuntime } from './runtime.ts'
import type { Deployment, Scope, Surroundings } from './surroundings.ts'
import { decodeTemplate, isDeployment, type Template } from './template.ts'
import { templateHash } from './template-hash.ts'
import { evaluateTree } from './tree.ts'

/** A template to be deployed, and everything that decides what it means. */
export interface PlanRequest {
  readonly template: Value
  /** `{name: {value}}`, as a deployment's body has them. */
  readonly parameters: Value
  readonly name: string
  readonly scope: Scope
  readonly mode: DeploymentMode
  /** Where the deployment itself is kept; groups need none. */
  readonly location?: string | undefined
  readonly surroundings: Surroundings
}

/** A resource that a template asks for. What depends on other resources is evaluated when their turn has come. */
export interface PlannedResource {
  readonly id: string
  readonly type: string
  readonly apiVersion: string
  /** Of a child with the names of its parents, such as `orders/eu`. */
  readonly name: string
  readonly symbolicName: string | undefined
  /** The id of what it is written to: a group, a subscription, another resource. */
  readonly scopeId: string
  /** Ids of resources of this plan that must be there before. */
  readonly dependsOn: readonly string[]
  readonly copy: PlannedCopy | undefined
  /**
   * The body as far as it is known beforehand. In place of what depends on deployed resources, or on a secret,
   * stands the expression.
   */
  readonly preview: ObjectValue
  readonly location: string | undefined
  readonly kind: string | undefined
  readonly tags: Value | undefined
  readonly sku: Value | undefined
  readonly identity: Value | undefined
  /** Present for a deployment within the deployment. */
  readonly nested: NestedDeployment | undefined
}

export interface PlannedCopy {
  readonly name: string
  readonly index: number
  readonly count: number
  /** How many are deployed at a time; undefined when all are. */
  readonly batchSize: number | undefined
}

export interface NestedDeployment {
  readonly scope: Scope
  readonly mode: DeploymentMode
  readonly template: Value
  /** Its plan, when that does not depend on deployed resources. */
  readonly preview: Plan | undefined
  /** Its plan, once the resources that its parameters depend on are there. */
  open(runtime: Runtime): Promise<Plan>
}

export interface Plan {
  /** Each after those that it depends on. Resources whose condition does not hold are not here. */
  readonly resources: readonly PlannedResource[]
  /** As deployments print them: `{name: {type, value}}`, a secret without its value. */
  readonly parameters: ObjectValue
  readonly templateHash: string
  /** The whole body of a resource of this plan, without its `type`, `name` and `apiVersion`. */
  evaluate(resource: PlannedResource, runtime: Runtime): Promise<ObjectValue>
  /** As deployments print them: `{name: {type, value}}`, a secret without its value. */
  outputs(runtime: Runtime): Promise<ObjectValue>
}

/** Turns a template into a plan. Throws InvalidTemplate and its like: nothing has been deployed then. */
export function createPlan(request: PlanRequest): Plan {
  const template = decodeTemplate(request.template, request.scope)
  const given = decodeParameters(request.parameters)
  return planTemplate(template, given, request, { depth: 0, templates: { count: 1 } })
}

/** How far templates are nested. */
interface Nesting {
  readonly depth: number
  readonly templates: { count: number }
}

type Whole = Omit<PlanRequest, 'template' | 'parameters'>

function planTemplate(template: Template, given: GivenParameters, request: Whole, nesting: Nesting): Plan {
  const { surroundings } = request
  let printed: ObjectValue = {}
  const deployment: Deployment = {
    name: request.name,
    scope: request.scope,
    describe: () => describe(request, template, printed),
  }
  const around: Omit<Environment, 'names'> = {
    functions: functionLookup,
    reader: new ExpressionReader(),
    budget: new Budget(),
    surroundings,
    deployment,
    runtime: undefined,
    isParameterDefault: false,
    loops: [],
    locals: new Map(),
    calls: 0,
  }
  const names = createNames(template, given, around)
  printed = names.printed
  return new TemplatePlan({
    template,
    scope: request.scope,
    environment: { ...around, names: names.shown },
    withheld: names.withheld,
    tables: [],
    parameters: printed,
    nesting,
  })
}

function describe({ name, location, mode }: Whole, template: Template, parameters: ObjectValue): ObjectValue {
  const properties = {
    template: template.source,
    templateHash: templateHash(template.source),
    parameters,
    mode,
    provisioningState: 'Running',
  }
  return location === undefined ? { name, properties } : { name, location, properties }
}

/** What a template is evaluated in: names of its own, or those of the template around it. */
interface Frame {
  readonly template: Template
  readonly scope: Scope
  readonly environment: Environment
  readonly withheld: WithholdingNames
  /** Of the templates around, the nearest first. */
  readonly tables: readonly InstanceTable[]
  readonly parameters: ObjectValue
  readonly nesting: Nesting
}

class TemplatePlan implements Plan {
  readonly resources: readonly PlannedResource[]
  readonly parameters: ObjectValue
  /** Ids that its expressions refer to, also those of resources elsewhere. */
  readonly referredIds: ReadonlySet<string>
  readonly #frame: Frame
  readonly #tables: readonly InstanceTable[]
  readonly #instances = new Map<string, Instance>()

  constructor(frame: Frame) {
    const { template, scope, environment } = frame
    this.#frame = frame
    this.parameters = frame.parameters
    const instances = expandResources(template.resources, environment, scope)
    refuseTwice(instances)
    const table = new InstanceTable(instances, template.isSymbolic)
    this.#tables = [table, ...frame.tables]
    const nested = new Map<Instance, Nested>()
    const referred = new Map<Instance, ReadonlySet<string>>()
    for (const instance of instances.filter(isDeployed)) {
      const inner = isDeployment(instance.type) ? this.#nested(instance) : undefined
      if (inner) nested.set(instance, inner)
      referred.set(instance, new Set([...this.#probe(instance), ...(inner?.referredIds ?? [])]))
    }
    this.referredIds = new Set([...referred.values()].flatMap((ids) => [...ids]))
    const dependencies = dependenciesOf(table, referred)
    this.resources = inOrder(dependencies).map((instance) => {
      this.#instances.set(instance.id, instance)
      return this.#planned(instance, dependencies.get(instance) ?? new Set(), nested.get(instance))
    })
  }

  get templateHash(): string {
    return templateHash(this.#frame.template.source)
  }

  async evaluate(resource: PlannedResource, runtime: Runtime): Promise<ObjectValue> {
    const instance = this.#instances.get(resource.id)
    if (!instance) throw new Error(`'${resource.id}' is not a resource of this plan.`)
    const body = await this.#whenKnown(instance, runtime, bodyOf(instance))
    const template = resource.nested?.template
    if (template === undefined) return body
    return { ...body, properties: { ...(memberOf(body, 'properties') as ObjectValue), template } }
  }

  async #whenKnown(instance: Instance, runtime: Runtime, part: ObjectValue): Promise<ObjectValue> {
    const { declaration, environment } = instance
    try {
      return await withRuntime(this.#tables, runtime, (lookup) => {
        const inside = { ...environment, budget: new Budget(), runtime: lookup }
        return evaluateTree(part, declaration.path, inside, 'collect') as ObjectValue
      })
    } catch (error) {
      throw placed(processing(instance), error)
    }
  }

  async outputs(runtime: Runtime): Promise<ObjectValue> {
    const { template, environment } = this.#frame
    return evaluateOutputs(template, environment, this.#tables, runtime)
  }

  /** Evaluates what can be evaluated now, for its faults and for the ids that it refers to. */
  #probe(instance: Instance): ReadonlySet<string> {
    const probe = new Probe(this.#tables)
    this.#tryEvaluate(instance, instance.environment.names, probe)
    return probe.ids
  }

  #tryEvaluate(instance: Instance, names: Names, probe: Probe): ObjectValue {
    const { declaration, environment } = instance
    const inside = { ...environment, names, budget: new Budget(), runtime: probe }
    return at(processing(instance), () =>
      evaluateTree(bodyOf(instance), declaration.path, inside, 'keep'),
    ) as ObjectValue
  }

  #planned(
    instance: Instance,
    dependencies: ReadonlySet<Instance>,
    nested: Nested | undefined,
  ): PlannedResource {
    const { id, type, apiVersion, name, scopeId, declaration, loop } = instance
    const preview = this.#tryEvaluate(instance, this.#frame.withheld, new Probe(this.#tables))
    const [location, kind] = [memberOf(preview, 'location'), memberOf(preview, 'kind')]
    return {
      id,
      type,
      apiVersion,
      name,
      symbolicName: declaration.symbol,
      scopeId,
      dependsOn: [...dependencies].map((each) => each.id),
      copy: loop,
      preview,
      location: typeof location === 'string' ? location : undefined,
      kind: typeof kind === 'string' ? kind : undefined,
      tags: memberOf(preview, 'tags'),
      sku: memberOf(preview, 'sku'),
      identity: memberOf(preview, 'identity'),
      nested: nested?.deployment,
    }
  }

  #nested(instance: Instance): Nested {
    const { nesting } = this.#frame
    const { path } = instance.declaration
    nesting.templates.count++
    if (
      nesting.depth >= templateLimits.nestedTemplateDepth ||
      nesting.templates.count > templateLimits.nestedTemplates
    )
      throw invalidTemplate(
        `Templates may be nested ${templateLimits.nestedTemplateDepth} deep, and ${templateLimits.nestedTemplates} in one deployment.`,
        path,
      )
    const scope = deploymentScope(instance)
    if (!scope)
      throw invalidTemplate(
        `The deployment '${instance.id}' must be in a group, a subscription, a management group or the tenant.`,
        path,
      )
    const settings = nestedSettings(instance)
    const inner = { depth: nesting.depth + 1, templates: nesting.templates }
    return settings.isInner
      ? this.#innerScope(instance, scope, settings, inner)
      : this.#outerScope(instance, scope, settings, inner)
  }

  /** The nested template's expressions are those of this template. */
  #outerScope(
    instance: Instance,
    scope: Scope,
    { template, mode }: NestedSettings,
    nesting: Nesting,
  ): Nested {
    const plan = new TemplatePlan({
      template,
      scope,
      environment: instance.environment,
      withheld: this.#frame.withheld,
      tables: this.#tables,
      parameters: {},
      nesting,
    })
    return {
      referredIds: plan.referredIds,
      deployment: { scope, mode, template: template.source, preview: plan, open: async () => plan },
    }
  }

  /** The nested template has parameters and variables of its own. */
  #innerScope(instance: Instance, scope: Scope, settings: NestedSettings, nesting: Nesting): Nested {
    const { template, mode, parameters, location } = settings
    const { surroundings } = instance.environment
    const request: Whole = { name: instance.name, scope, mode, location, surroundings }
    const secrets = this.#secretsIn(instance, parameters)
    const plan = (values: ObjectValue) => planTemplate(template, givenOf(values, secrets), request, nesting)
    return {
      referredIds: new Set(),
      deployment: {
        scope,
        mode,
        template: template.source,
        preview: this.#planNow(instance, scope, parameters, plan),
        open: async (runtime) => plan(await this.#whenKnown(instance, runtime, parameters)),
      },
    }
  }

  /** The plan, when the parameters and the group that it is for are known beforehand. */
  #planNow(
    instance: Instance,
    scope: Scope,
    parameters: ObjectValue,
    plan: (values: ObjectValue) => Plan,
  ): Plan | undefined {
    const { environment, declaration } = instance
    const { surroundings } = environment
    const inside = { ...environment, budget: new Budget(), runtime: new Probe(this.#tables) }
    const isGroupThere =
      scope.kind !== 'group' || surroundings.resourceGroup(scope.subscriptionId, scope.group) !== undefined
    try {
      return plan(
        at(processing(instance), () =>
          evaluateTree(parameters, `${declaration.path}.properties.parameters`, inside, 'collect'),
        ) as ObjectValue,
      )
    } catch (error) {
      if (error instanceof NotYetKnown) return undefined
      // What the template asks of a group that is yet to be made has no answer before.
      if (error instanceof RequestError && !isGroupThere) return undefined
      throw error
    }
  }

  /** Names of parameters whose values come from a secret. */
  #secretsIn(instance: Instance, parameters: ObjectValue): ReadonlySet<string> {
    const { withheld } = this.#frame
    const secret = Object.keys(parameters).filter((name) => {
      const before = withheld.secretsAsked
      const inside = {
        ...instance.environment,
        names: withheld,
        budget: new Budget(),
        runtime: new Probe(this.#tables),
      }
      at(processing(instance), () =>
        evaluateTree(
          parameters[name] as Value,
          `${instance.declaration.path}.properties.parameters.${name}`,
          inside,
          'keep',
        ),
      )
      return withheld.secretsAsked > before
    })
    return new Set(secret)
  }
}

interface Nested {
  readonly deployment: NestedDeployment
  readonly referredIds: ReadonlySet<string>
}

/** What was evaluated for a nested deployment's parameters, checked like those of a request. */
function givenOf(values: ObjectValue, secrets: ReadonlySet<string>): GivenParameters {
  const given = new Map<string, GivenParameter>()
  for (const [name, each] of decodeParameters(values))
    given.set(name, { ...each, isSecret: secrets.has(name) })
  return given
}
