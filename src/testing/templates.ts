import type { ObjectValue, Value } from '../templates/language/value.ts'
import { createPlan, type Plan, type PlanRequest } from '../templates/plan.ts'
import type { Runtime } from '../templates/runtime.ts'
import { groupScope, type Surroundings } from '../templates/surroundings.ts'
import { nameInId } from '../wire/arm-id.ts'

export const testSubscription = '00000000-0000-0000-0000-000000000000'
export const testGroup = 'tests'

/** A server with one subscription and one group in it, at a moment that does not move. */
export const testSurroundings: Surroundings = {
  now: Date.UTC(2026, 0, 2, 3, 4, 5),
  newGuid: () => '00000000-0000-4000-8000-000000000001',
  environment: { name: 'Test', suffixes: { storage: 'core.example' } },
  tenant: { tenantId: testSubscription },
  subscription: (id) => ({ id: `/subscriptions/${id}`, subscriptionId: id, tenantId: testSubscription }),
  resourceGroup: (subscriptionId, name) =>
    name === testGroup
      ? {
          id: `/subscriptions/${subscriptionId}/resourceGroups/${name}`,
          name,
          type: 'Microsoft.Resources/resourceGroups',
          location: 'westus2',
          properties: { provisioningState: 'Succeeded' },
        }
      : undefined,
  managementGroup: (name) => ({ id: `/providers/Microsoft.Management/managementGroups/${name}`, name }),
  providers: () => undefined,
}

/** Answers for any resource, by its name. */
export const fakeRuntime: Runtime = {
  async reference(id, _apiVersion, isFull) {
    const name = nameInId(id)
    const properties = {
      endpoint: `https://${name}.example`,
      hostName: `${name}.devices.example`,
      provisioningState: 'Succeeded',
      outputs: { topicId: { value: `topicId of ${name}` } },
    }
    return isFull ? { id, name, location: 'westus2', properties } : properties
  },
  async list(id) {
    const key = `the key of ${nameInId(id)}`
    return { key1: key, keys: [{ value: key }] }
  },
}

/** The plan of a template, with its parameters as plain values. */
export function planOf(template: Value, parameters: ObjectValue = {}, more: Partial<PlanRequest> = {}): Plan {
  return createPlan({
    template,
    parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, { value }])),
    name: 'test',
    scope: groupScope(testSubscription, testGroup),
    mode: 'Incremental',
    location: 'westus2',
    surroundings: testSurroundings,
    ...more,
  })
}

/** Each resource and what it waits for; ids of the test group without their beginning. */
export function shortIds({ resources }: Plan): readonly (readonly string[])[] {
  const start = `${groupScope(testSubscription, testGroup).id}/providers/`
  const short = (id: string) => (id.startsWith(start) ? id.slice(start.length) : id)
  return resources.map(({ id, dependsOn }) => [id, ...dependsOn].map(short))
}
