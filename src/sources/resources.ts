import { eventSource, eventTypes, exampleGroup } from './event-source.ts'

const target = `${exampleGroup}/providers/Microsoft.EventGrid/topics/orders`
const guid = '00000000-0000-0000-0000-000000000000'

const httpRequest = (method: string, path: string) => ({
  clientRequestId: '01234567-89ab-cdef-0123-456789abcdef',
  clientIpAddress: '203.0.113.5',
  method,
  url: `https://management.azure.com${target}${path}?api-version=2025-02-15`,
})

const operation = (name: string, status: string, request?: object) => ({
  authorization: { scope: target, action: name, evidence: { role: 'Subscription Admin' } },
  claims: {
    aud: 'https://management.core.windows.net/',
    iss: `https://sts.windows.net/${guid}/`,
    iat: '1767323045',
    nbf: '1767323045',
    exp: '1767326945',
    appid: guid,
    appidacr: '1',
    'http://schemas.microsoft.com/identity/claims/objectidentifier': guid,
    'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier': guid,
    'http://schemas.microsoft.com/identity/claims/tenantid': guid,
    ver: '1.0',
  },
  correlationId: '54ef1e39-6a82-44b3-abc1-bdeb6ce4d3c6',
  ...(request && { httpRequest: request }),
  resourceProvider: 'Microsoft.EventGrid',
  resourceUri: target,
  operationName: name,
  status,
  subscriptionId: guid,
  tenantId: guid,
})

const write = (status: string) => operation('Microsoft.EventGrid/topics/write', status)
const remove = (status: string) =>
  operation('Microsoft.EventGrid/topics/delete', status, httpRequest('DELETE', ''))
const action = (status: string) =>
  operation('Microsoft.EventGrid/topics/listKeys/action', status, httpRequest('POST', '/listKeys'))

const provider = 'Microsoft.Resources'

const types = eventTypes(
  provider,
  { dataVersion: '2', subject: ['{resource id}', target] },
  {
    ResourceWriteSuccess: 'Raised when a resource create or update operation succeeds.',
    ResourceWriteFailure: 'Raised when a resource create or update operation fails.',
    ResourceWriteCancel: 'Raised when a resource create or update operation is canceled.',
    ResourceDeleteSuccess: 'Raised when a resource delete operation succeeds.',
    ResourceDeleteFailure: 'Raised when a resource delete operation fails.',
    ResourceDeleteCancel: 'Raised when a resource delete operation is canceled.',
    ResourceActionSuccess: 'Raised when a resource action operation succeeds.',
    ResourceActionFailure: 'Raised when a resource action operation fails.',
    ResourceActionCancel: 'Raised when a resource action operation is canceled.',
  },
)

const documented = {
  examples: {
    ResourceWriteSuccess: write('Succeeded'),
    ResourceWriteFailure: write('Failed'),
    ResourceWriteCancel: write('Canceled'),
    ResourceDeleteSuccess: remove('Succeeded'),
    ResourceDeleteFailure: remove('Failed'),
    ResourceDeleteCancel: remove('Canceled'),
    ResourceActionSuccess: action('Succeeded'),
    ResourceActionFailure: action('Failed'),
    ResourceActionCancel: action('Canceled'),
  },
  // The samples have no resourceGroup. Until 2018 three members were JSON in a string.
  corrections: Object.fromEntries(
    ['Write', 'Delete', 'Action'].flatMap((verb) =>
      ['Success', 'Failure', 'Cancel'].map((end) => [
        `Resource${verb}${end}EventData`,
        {
          optional: ['resourceGroup'],
          also: { authorization: ['string'], claims: ['string'], httpRequest: ['string'] },
        },
      ]),
    ),
  ),
}

/**
 * What Resource Manager does in a subscription.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-subscriptions
 */
export const subscriptions = eventSource({
  service: 'resources',
  topicType: 'Microsoft.Resources.Subscriptions',
  provider,
  displayName: 'Azure Subscriptions',
  description: 'Resource management events under an Azure subscription',
  regionType: 'GlobalResource',
  scope: 'AzureSubscription',
  eventTypes: types,
  documented,
})

/**
 * What Resource Manager does in a resource group.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-resource-groups
 */
export const resourceGroups = eventSource({
  service: 'resources',
  topicType: 'Microsoft.Resources.ResourceGroups',
  provider,
  displayName: 'Resource Groups',
  description: 'Resource management events under a resource group.',
  regionType: 'GlobalResource',
  scope: 'ResourceGroup',
  eventTypes: types,
  documented,
})
