import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resourceTypes } from '../resources/index.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { neededAccess } from './needed-access.ts'
import { parsePath, splitPath } from './path.ts'
import { ResourceRefs } from './resource-ref.ts'

const refs = new ResourceRefs(resourceTypes, resourceTypes[0] as ResourceType)
const topic = '/resourceGroups/rg/providers/Microsoft.EventGrid/topics/t'
const hub = '/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/h'
const subscription = '/subscriptions/s'
const es = 'Microsoft.EventGrid/eventSubscriptions'

/** What a request must be permitted, in a few words: the action, where, and whether some of a list will do. */
function needed(request: string): string {
  const [method = '', path = ''] = request.split(' ')
  const found = neededAccess(parsePath(splitPath(subscription + path)), method, '2025-02-15', refs)
  if (found === 'member') return found
  const { action, scope, isList } = found
  return `${action} on ${scope.replace(subscription, '')}${isList ? ', or some' : ''}`
}

for (const [request, expected] of [
  // Resource Manager itself.
  ['GET ', 'member'],
  ['GET /locations', 'member'],
  ['GET /providers', 'member'],
  ['GET /providers/Microsoft.EventGrid', 'member'],
  ['POST /providers/microsoft.eventgrid/register', 'Microsoft.EventGrid/register/action on '],
  ['GET /providers/Microsoft.EventGrid/locations/westus2/operationsStatus/o', 'member'],
  ['GET /operationresults/o', 'member'],
  ['GET /resourcegroups', 'Microsoft.Resources/subscriptions/resourceGroups/read on , or some'],
  ['GET /resources', 'Microsoft.Resources/subscriptions/resources/read on , or some'],
  ['GET /tagNames', 'Microsoft.Resources/subscriptions/tagNames/read on '],
  ['PUT /tagNames/n', 'Microsoft.Resources/subscriptions/tagNames/write on /tagNames/n'],
  [
    'DELETE /tagNames/n/tagValues/v',
    'Microsoft.Resources/subscriptions/tagNames/tagValues/delete on /tagNames/n/tagValues/v',
  ],
  ['HEAD /resourceGroups/rg', 'Microsoft.Resources/subscriptions/resourceGroups/read on /resourceGroups/rg'],
  ['PUT /RESOURCEGROUPS/rg', 'Microsoft.Resources/subscriptions/resourceGroups/write on /resourceGroups/rg'],
  [
    'DELETE /resourceGroups/rg',
    'Microsoft.Resources/subscriptions/resourceGroups/delete on /resourceGroups/rg',
  ],
  [
    'POST /resourceGroups/rg/exporttemplate',
    'Microsoft.Resources/subscriptions/resourceGroups/exportTemplate/action on /resourceGroups/rg',
  ],
  [
    'GET /resourceGroups/rg/resources',
    'Microsoft.Resources/subscriptions/resourceGroups/resources/read on /resourceGroups/rg, or some',
  ],
  // Resources, their collections and their actions.
  [`GET ${topic}`, `Microsoft.EventGrid/topics/read on ${topic}`],
  [
    `PATCH ${topic.toUpperCase()}`,
    'Microsoft.EventGrid/topics/write on /resourceGroups/RG/providers/Microsoft.EventGrid/topics/T',
  ],
  [`DELETE ${topic}`, `Microsoft.EventGrid/topics/delete on ${topic}`],
  // What is no resource, and no list of some either.
  [`GET ${hub}/iothubstats`, `Microsoft.Devices/IotHubs/iothubstats/read on ${hub}`],
  [`POST ${hub}/exportDevices`, `Microsoft.Devices/IotHubs/exportDevices/action on ${hub}`],
  [`POST ${topic}/LISTKEYS`, `Microsoft.EventGrid/topics/listKeys/action on ${topic}`],
  ['GET /providers/Microsoft.EventGrid/topics', 'Microsoft.EventGrid/topics/read on , or some'],
  [
    'GET /resourceGroups/rg/providers/Microsoft.EventGrid/topics',
    'Microsoft.EventGrid/topics/read on /resourceGroups/rg, or some',
  ],
  [`PUT ${topic}/providers/${es}/e`, `${es}/write on ${topic}/providers/${es}/e`],
  [
    `PUT ${topic}/eventSubscriptions/e`,
    `Microsoft.EventGrid/topics/eventSubscriptions/write on ${topic}/providers/${es}/e`,
  ],
  [`POST ${topic}/providers/${es}/e/getFullUrl`, `${es}/getFullUrl/action on ${topic}/providers/${es}/e`],
  [`GET ${topic}/providers/${es}`, `${es}/read on ${topic}, or some`],
  [`GET /providers/${es}`, `${es}/read on , or some`],
  [
    'GET /providers/Microsoft.EventGrid/locations/westus2/topicTypes/T/eventSubscriptions',
    'Microsoft.EventGrid/locations/topicTypes/eventSubscriptions/read on /providers/Microsoft.EventGrid/locations/westus2/topicTypes/T, or some',
  ],
  [
    `GET ${topic}/providers/Microsoft.EventGrid/extensionTopics/default`,
    `Microsoft.EventGrid/extensionTopics/read on ${topic}/providers/Microsoft.EventGrid/extensionTopics/default`,
  ],
  [`GET ${topic}/privateLinkResources`, `Microsoft.EventGrid/topics/privateLinkResources/read on ${topic}`],
  // Of other providers.
  [
    'PUT /resourceGroups/rg/providers/microsoft.storage/storageaccounts/a',
    'Microsoft.Storage/storageAccounts/write on /resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a',
  ],
  [
    'POST /resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a/listKeys',
    'Microsoft.Storage/storageAccounts/listKeys/action on /resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a',
  ],
  [
    'POST /providers/Microsoft.Storage/checkNameAvailability',
    'Microsoft.Storage/checkNameAvailability/action on ',
  ],
  // Deployments.
  [
    'PUT /resourceGroups/rg/providers/Microsoft.Resources/deployments/d',
    'Microsoft.Resources/deployments/write on /subscriptions/s/resourceGroups/rg/providers/Microsoft.Resources/deployments/d',
  ],
  [
    'POST /providers/Microsoft.Resources/deployments/d/whatIf',
    'Microsoft.Resources/deployments/whatIf/action on /subscriptions/s/providers/Microsoft.Resources/deployments/d',
  ],
  [
    'GET /resourceGroups/rg/deployments/d/operations',
    'Microsoft.Resources/deployments/operations/read on /subscriptions/s/resourceGroups/rg/providers/Microsoft.Resources/deployments/d',
  ],
  [
    'GET /resourceGroups/rg/providers/Microsoft.Resources/deployments',
    'Microsoft.Resources/deployments/read on /subscriptions/s/resourceGroups/rg',
  ],
  ['POST /providers/Microsoft.Resources/calculateTemplateHash', 'member'],
  // What stands on anything.
  [
    `PATCH ${topic}/providers/Microsoft.Resources/tags/default`,
    `Microsoft.Resources/tags/write on ${topic}/providers/Microsoft.Resources/tags/default`,
  ],
  [
    `PUT ${topic}/providers/Microsoft.Authorization/locks/l`,
    `Microsoft.Authorization/locks/write on ${topic}/providers/Microsoft.Authorization/locks/l`,
  ],
  [
    'DELETE /providers/Microsoft.Authorization/roleAssignments/r',
    'Microsoft.Authorization/roleAssignments/delete on /providers/Microsoft.Authorization/roleAssignments/r',
  ],
  [
    'GET /resourceGroups/rg/providers/Microsoft.Authorization/roledefinitions',
    'Microsoft.Authorization/roleDefinitions/read on /resourceGroups/rg',
  ],
  [`GET ${topic}/providers/Microsoft.Authorization/permissions`, 'member'],
  // What is not known at all.
  [
    'PUT /resourceGroups/rg/providers/Contoso.Fruit/apples/a',
    'Contoso.Fruit/apples/write on /resourceGroups/rg/providers/Contoso.Fruit/apples/a',
  ],
] as const)
  test(`${request} needs ${expected}`, () => {
    assert.equal(needed(request), expected.replace('on /subscriptions/s', 'on '))
  })
