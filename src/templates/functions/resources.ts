import type { Arguments } from '../language/arguments.ts'
import type { RuntimeLookup } from '../language/environment.ts'
import { templateFunction } from '../language/template-function.ts'
import type { ObjectValue, Value } from '../language/value.ts'
import { idUnder, namesOf } from '../resource-id.ts'
import { groupScope, subscriptionScope } from '../surroundings.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-resource,
 * template-functions-scope
 */

const any = Number.POSITIVE_INFINITY
const exampleGroup = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/examples'

export const resourceFunctions = [
  templateFunction(
    'extensionResourceId',
    [3, any],
    (args) => idUnder(args.string(0), ...typeAndNames(args, 1)),
    [
      [
        "extensionResourceId('/subscriptions/s/resourceGroups/g', 'Microsoft.Authorization/locks', 'keep')",
        '/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/locks/keep',
      ],
    ],
  ),
  templateFunction('list*', [2, 3], list, [
    [
      "listKeys(resourceId('Microsoft.EventGrid/topics', 'orders'), '2022-06-15').key1",
      `listKeys of ${exampleGroup}/providers/Microsoft.EventGrid/topics/orders`,
    ],
  ]),
  templateFunction('managementGroup', 0, managementGroup, [
    ['managementGroup().name', 'exampleManagementGroup'],
  ]),
  templateFunction('managementGroupResourceId', [2, any], managementGroupResourceId, [
    [
      "managementGroupResourceId('Microsoft.Authorization/policyDefinitions', 'p')",
      '/providers/Microsoft.Management/managementGroups/exampleManagementGroup/providers/Microsoft.Authorization/policyDefinitions/p',
    ],
  ]),
  // No resource here is in a zone, and for such types Azure answers with an empty array.
  templateFunction('pickZones', [3, 5], (args) => (args.string(0), args.string(1), args.string(2), []), [
    ["pickZones('Microsoft.EventGrid', 'topics', 'westus2')", []],
  ]),
  templateFunction('providers', [1, 2], providers, [
    ["providers('Microsoft.EventGrid', 'topics').resourceType", 'topics'],
  ]),
  templateFunction('reference', [1, 3], (args) => lookup(args).reference(...referenced(args)), [
    ["reference('orders').id", 'reference of orders'],
    ["reference('orders', '2022-06-15', 'Full').properties.id", 'reference of orders'],
  ]),
  templateFunction('references', [1, 3], (args) => lookup(args).references(...referenced(args)), [
    ["references('orders')[0].id", 'reference of orders'],
  ]),
  templateFunction('resourceGroup', 0, resourceGroup, [['resourceGroup().id', exampleGroup]]),
  templateFunction('resourceId', [2, any], resourceId, [
    [
      "resourceId('Microsoft.EventGrid/domains/topics', 'orders', 'eu')",
      `${exampleGroup}/providers/Microsoft.EventGrid/domains/orders/topics/eu`,
    ],
    [
      "resourceId('others', 'Microsoft.EventGrid/topics', 'orders')",
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/others/providers/Microsoft.EventGrid/topics/orders',
    ],
    [
      "resourceId('s', 'others', 'Microsoft.EventGrid/topics', 'orders')",
      '/subscriptions/s/resourceGroups/others/providers/Microsoft.EventGrid/topics/orders',
    ],
    [
      "resourceId('Microsoft.Storage/storageAccounts/providers/eventSubscriptions', 'a', 'Microsoft.EventGrid', 'e')",
      `${exampleGroup}/providers/Microsoft.Storage/storageAccounts/a/providers/Microsoft.EventGrid/eventSubscriptions/e`,
    ],
  ]),
  templateFunction('subscription', 0, subscription, [
    ['subscription().subscriptionId', '00000000-0000-0000-0000-000000000000'],
  ]),
  templateFunction('subscriptionResourceId', [2, any], subscriptionResourceId, [
    [
      "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'r')",
      '/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/roleDefinitions/r',
    ],
    [
      "subscriptionResourceId('s', 'Microsoft.Resources/resourceGroups', 'g')",
      '/subscriptions/s/resourceGroups/g',
    ],
  ]),
  templateFunction('tenant', 0, (args) => args.environment.surroundings.tenant, [
    ['tenant().tenantId', '00000000-0000-0000-0000-000000000000'],
  ]),
  templateFunction('tenantResourceId', [2, any], (args) => idUnder('', ...typeAndNames(args, 0)), [
    [
      "tenantResourceId('Microsoft.Management/managementGroups', 'm')",
      '/providers/Microsoft.Management/managementGroups/m',
    ],
  ]),
] as const

/** The type at that argument, and the names after it. */
function typeAndNames(args: Arguments, at: number): readonly [type: string, names: readonly string[]] {
  const type = args.string(at)
  const names = Array.from({ length: args.count - at - 1 }, (_, index) => args.string(at + 1 + index))
  const wanted = namesOf(type)
  if (wanted === 0)
    throw args.fault(
      `argument ${at + 1} must be a resource type, such as 'Microsoft.EventGrid/topics'; got '${type.slice(0, 200)}'`,
    )
  if (names.length !== wanted)
    throw args.fault(`the type '${type}' requires ${wanted} resource name argument(s); got ${names.length}`)
  return [type, names]
}

/** Where the type stands among the first arguments: it is the first that has a slash. */
function typeIndex(args: Arguments, most: number): number {
  for (let index = 0; index <= most && index < args.count; index++)
    if (args.string(index).includes('/')) return index
  throw args.fault(
    `one of its first ${most + 1} arguments must be a resource type, such as 'Microsoft.EventGrid/topics'`,
  )
}

function resourceId(args: Arguments): string {
  const at = typeIndex(args, 2)
  const { scope } = args.environment.deployment
  if (at === 0) return idUnder(scope.id, ...typeAndNames(args, 0))
  const subscriptionId =
    at === 2 ? args.string(0) : 'subscriptionId' in scope ? scope.subscriptionId : undefined
  if (subscriptionId === undefined)
    throw args.fault('a resource group can be named without its subscription only below a subscription')
  return idUnder(groupScope(subscriptionId, args.string(at - 1)).id, ...typeAndNames(args, at))
}

function subscriptionResourceId(args: Arguments): string {
  const at = typeIndex(args, 1)
  const { scope } = args.environment.deployment
  const subscriptionId =
    at === 1 ? args.string(0) : 'subscriptionId' in scope ? scope.subscriptionId : undefined
  if (subscriptionId === undefined) throw args.fault('the subscription must be named in this scope')
  return idUnder(subscriptionScope(subscriptionId).id, ...typeAndNames(args, at))
}

function managementGroupResourceId(args: Arguments): string {
  const at = typeIndex(args, 1)
  const { id } =
    at === 1
      ? { id: `/providers/Microsoft.Management/managementGroups/${args.string(0)}` }
      : managementGroup(args)
  return idUnder(id as string, ...typeAndNames(args, at))
}

function managementGroup(args: Arguments): ObjectValue {
  const { scope } = args.environment.deployment
  const found = scope.kind === 'managementGroup' && args.environment.surroundings.managementGroup(scope.name)
  if (!found) throw args.notExpectedHere()
  return found
}

function resourceGroup(args: Arguments): ObjectValue {
  const { scope } = args.environment.deployment
  if (scope.kind !== 'group') throw args.notExpectedHere()
  const found = args.environment.surroundings.resourceGroup(scope.subscriptionId, scope.group)
  return found ?? { id: scope.id, name: scope.group, type: 'Microsoft.Resources/resourceGroups' }
}

function subscription(args: Arguments): ObjectValue {
  const { scope } = args.environment.deployment
  const found = 'subscriptionId' in scope && args.environment.surroundings.subscription(scope.subscriptionId)
  if (!found) throw args.notExpectedHere()
  return found
}

function providers(args: Arguments): Value {
  const [namespace, type] = [args.string(0), args.optionalString(1)]
  const found = args.environment.surroundings.providers(namespace, type)
  if (found === undefined)
    throw args.fault(`there is no resource type '${type === undefined ? namespace : `${namespace}/${type}`}'`)
  return found
}

function lookup(args: Arguments): RuntimeLookup {
  const { runtime } = args.environment
  if (!runtime) throw args.notExpectedHere()
  return runtime
}

function referenced(
  args: Arguments,
): readonly [target: string, apiVersion: string | undefined, isFull: boolean] {
  const mode = args.optionalString(2)
  if (mode !== undefined && mode.toLowerCase() !== 'full') throw args.fault("argument 3 must be 'Full'")
  return [args.string(0), args.optionalString(1) || undefined, mode !== undefined]
}

function list(args: Arguments): Value {
  const body = args.count > 2 ? args.value(2) : undefined
  return lookup(args).list(args.name, args.string(0), args.string(1), body)
}
