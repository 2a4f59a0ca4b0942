import { RequestError } from '../../base/errors.ts'
import { resourceKey, type StoredCatalog } from '../../catalog/stored-catalog.ts'
import { isObject, memberOf, type ObjectValue, type Value } from '../../templates/language/value.ts'
import type { Plan, PlannedResource } from '../../templates/templates.ts'
import { type Comparison, compareResource, type ResourceChange } from '../../templates/templates.ts'
import { encodeResource } from '../envelope.ts'
import { printedForm, type ResourceRefs } from '../resource-ref.ts'
import type { Writes } from '../writes.ts'
import type { DeploymentRequest } from './deployment-request.ts'
import { omittedResources } from './omitted-resources.ts'
import { refOf } from './ref-of.ts'
import { type CallContext, managerVersion, type ResourceCalls } from './resource-calls.ts'

export interface WhatIfOptions {
  readonly calls: ResourceCalls
  readonly catalog: StoredCatalog
  readonly writes: Writes
  readonly refs: ResourceRefs
  readonly context: CallContext
  readonly publicUrl: string
}

export type Change = ResourceChange & { readonly resourceId: string }

/**
 * What a deployment would change. A resource whose body is known beforehand is compared as the write would leave it,
 * so that what the server fills in is no change; of any other, the template's own words are compared.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/deploy-what-if
 */
export async function whatIfChanges(
  { scope, mode, resultFormat }: DeploymentRequest,
  plan: Plan,
  options: WhatIfOptions,
): Promise<readonly Change[]> {
  const comparison: Comparison = {
    isReadOnly: (path) => readOnly.has(path),
    defaultOf: () => undefined,
    deletesOmitted: mode === 'Complete',
    isIdsOnly: resultFormat === 'ResourceIdOnly',
  }
  const planned = await changesOf(plan, comparison, options)
  const isThere =
    scope.kind === 'group' &&
    (await options.calls.get(scope.id, managerVersion, options.context)) !== undefined
  if (!isThere) return planned
  const seen = new Set(planned.map(({ resourceId }) => resourceKey(resourceId)))
  const omitted = (await omittedResources(scope.id, plan, options)).filter(
    ({ id }) => !seen.has(resourceKey(id as string)),
  )
  return [
    ...planned,
    ...omitted.map((before) => ({
      resourceId: before.id as string,
      ...compareResource(before, undefined, comparison),
    })),
  ]
}

const readOnly = new Set(['systemData', 'properties.provisioningState', 'etag'])

async function changesOf(
  plan: Plan,
  comparison: Comparison,
  options: WhatIfOptions,
): Promise<readonly Change[]> {
  const changes: Change[] = []
  for (const resource of plan.resources)
    if (resource.nested) {
      // oxlint-disable-next-line no-await-in-loop
      const inner = resource.nested.preview ?? (await openNow(resource, options))
      // oxlint-disable-next-line no-await-in-loop
      if (inner) changes.push(...(await changesOf(inner, comparison, options)))
      else changes.push({ resourceId: resource.id, changeType: 'Unsupported' })
    } else {
      // oxlint-disable-next-line no-await-in-loop
      const change = await changeOf(plan, resource, comparison, options)
      changes.push({ resourceId: resource.id, ...change })
    }
  return changes
}

/** The plan of a deployment within this one, when what its parameters depend on is deployed already. */
async function openNow({ nested }: PlannedResource, options: WhatIfOptions): Promise<Plan | undefined> {
  try {
    return await nested?.open(options.calls.runtime(options.context))
  } catch (error) {
    if (error instanceof RequestError) return undefined
    throw error
  }
}

async function changeOf(
  plan: Plan,
  resource: PlannedResource,
  comparison: Comparison,
  options: WhatIfOptions,
): Promise<ResourceChange> {
  if (comparison.isIdsOnly) return compareResource(undefined, resource.preview, comparison)
  const exact = await previewOf(plan, resource, options)
  if (exact) {
    const { before, after, changesSecrets } = exact
    return withSecrets(compareResource(before, after, comparison), changesSecrets)
  }
  const before = await options.calls.get(resource.id, resource.apiVersion, options.context)
  const { id, type, preview } = resource
  const after = { id, name: id.slice(id.lastIndexOf('/') + 1), type, ...preview }
  return compareResource(before && onlyGiven(before, after), after, comparison)
}

interface Exact {
  readonly before: ObjectValue | undefined
  readonly after: ObjectValue
  readonly changesSecrets: boolean
}

/** The resource as it is and as its write would leave it; undefined when that is not known yet. */
async function previewOf(
  plan: Plan,
  resource: PlannedResource,
  { calls, writes, refs, context, publicUrl }: WhatIfOptions,
): Promise<Exact | undefined> {
  try {
    const body = await plan.evaluate(resource, calls.runtime(context))
    const ref = refOf(resource.id, resource.apiVersion, refs)
    if (!ref) return undefined
    const { before, after, changesSecrets } = writes.preview(ref, body, context.origin)
    const encode = (stored: typeof after) => {
      const form = printedForm(ref.form, ref.type, stored)
      const { systemData: _changesWithEveryWrite, ...shown } = encodeResource(stored, ref.type, form, {
        publicUrl,
      })
      return shown as unknown as ObjectValue
    }
    return { before: before && encode(before), after: encode(after), changesSecrets }
  } catch (error) {
    if (error instanceof RequestError) return undefined
    throw error
  }
}

/** Without what the template does not speak of: the server has filled that in. */
function onlyGiven(before: ObjectValue, after: ObjectValue): ObjectValue {
  const entries: (readonly [string, Value])[] = []
  for (const [name, value] of Object.entries(before)) {
    const given = memberOf(after, name)
    if (given === undefined) continue
    entries.push([name, isObject(value) && isObject(given) ? onlyGiven(value, given) : value])
  }
  return Object.fromEntries(entries)
}

/** What is secret is not shown, and that it changes is. */
function withSecrets(change: ResourceChange, changesSecrets: boolean): ResourceChange {
  if (!changesSecrets || (change.changeType !== 'NoChange' && change.changeType !== 'Modify')) return change
  return {
    ...change,
    changeType: 'Modify',
    delta: [
      ...(change.delta ?? []),
      { path: 'properties', propertyChangeType: 'Modify', before: '(secret)', after: '(another secret)' },
    ],
  }
}
