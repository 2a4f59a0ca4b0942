import { eventSource, eventTypes, exampleGroup } from './event-source.ts'

const prefix = 'Microsoft.ResourceNotifications'
const machine = `${exampleGroup}/providers/Microsoft.Compute/virtualMachines/vm1`
const health = `${machine}/providers/Microsoft.ResourceHealth`
const eventId = '1fb6fa94-d965-4306-abe1-4810f0774e97'
const account = `${exampleGroup}/providers/Microsoft.Storage/storageAccounts/contoso`
const occurredTime = '2023-07-24T19:20:37.9245071Z'
const operationalInfo = { resourceEventTime: occurredTime }
const base = {
  targetResourceId: machine,
  targetResourceType: 'Microsoft.Compute/virtualMachines',
  occurredTime,
}

const subject = ['{resource id}', machine] as const
const common = {
  service: 'resource-notifications',
  provider: prefix,
  regionType: 'GlobalResource',
  scope: 'AzureSubscription',
} as const

const documented = {
  examples: {
    'HealthResources.AvailabilityStatusChanged': {
      resourceInfo: {
        id: `${health}/availabilityStatuses/${eventId}`,
        name: eventId,
        type: 'Microsoft.ResourceHealth/availabilityStatuses',
        properties: { ...base, previousAvailabilityState: 'Unavailable', availabilityState: 'Available' },
      },
      operationalInfo,
      apiVersion: '2023-12-01',
    },
    'HealthResources.ResourceAnnotated': {
      resourceInfo: {
        id: `${health}/resourceAnnotations/${eventId}`,
        name: eventId,
        type: 'Microsoft.ResourceHealth/resourceAnnotations',
        properties: {
          ...base,
          annotationName: 'VirtualMachineDeallocationInitiated',
          reason: 'Stopping and deallocating',
          summary:
            'This virtual machine is stopped and deallocated as requested by an authorized user or process.',
          context: 'Customer Initiated',
          category: 'Not Applicable',
        },
      },
      operationalInfo,
      apiVersion: '2022-08-01',
    },
    'Resources.CreatedOrUpdated': {
      resourceInfo: {
        tags: {},
        id: account,
        name: 'contoso',
        type: 'Microsoft.Storage/storageAccounts',
        location: 'eastus',
        properties: { provisioningState: 'Succeeded', accessTier: 'Hot' },
      },
      operationalInfo: { resourceEventTime: '2023-07-28T20:13:10.8418063Z' },
      apiVersion: '2019-06-01',
    },
    'Resources.Deleted': {
      resourceInfo: { id: account, name: 'contoso', type: 'Microsoft.Storage/storageAccounts' },
      operationalInfo: { resourceEventTime: '2023-07-28T20:11:36.6347858Z' },
    },
    'ContainerServiceEventResources.ScheduledEventEmitted': {
      resourceInfo: {
        id: `${exampleGroup}/providers/Microsoft.ContainerService/managedClusters/contoso/providers/Microsoft.ContainerService/scheduledEvents/${eventId}`,
        name: eventId,
        type: 'Microsoft.ContainerService/scheduledEvents',
        location: 'eastus',
        tags: {},
        properties: { description: 'Auto-upgrade of the node image', eventStatus: 'Scheduled' },
      },
      operationalInfo,
      apiVersion: '2023-11-02-preview',
    },
  },
  corrections: {
    ResourceNotificationsResourceUpdatedDetails: { optional: ['location', 'tags'] },
  },
}

/** Source: learn.microsoft.com/azure/event-grid/event-schema-health-resources */
export const healthResources = eventSource({
  ...common,
  topicType: 'Microsoft.ResourceNotifications.HealthResources',
  displayName: 'Azure Resource Notifications - Health Resources',
  description: 'Health of the resources in an Azure subscription.',
  eventTypes: eventTypes(
    prefix,
    { dataVersion: '1', subject },
    {
      'HealthResources.AvailabilityStatusChanged':
        'Raised when the availability status of a virtual machine or scale set changes.',
      'HealthResources.ResourceAnnotated':
        'Raised when the health of a virtual machine or scale set is impacted by a disruption.',
    },
  ),
  documented,
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-resources */
export const resourceManagement = eventSource({
  ...common,
  topicType: 'Microsoft.ResourceNotifications.Resources',
  displayName: 'Azure Resource Notifications - Resource Management',
  description: 'Changes of the resources in an Azure subscription.',
  eventTypes: eventTypes(
    prefix,
    { dataVersion: '1', subject: ['{resource id}', account] },
    {
      'Resources.CreatedOrUpdated': 'Raised when a resource is created or updated.',
      'Resources.Deleted': 'Raised when a resource is deleted.',
    },
  ),
  documented,
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-container-service-event-resources */
export const containerServiceEventResources = eventSource({
  ...common,
  topicType: 'Microsoft.ResourceNotifications.ContainerServiceEventResources',
  displayName: 'Azure Resource Notifications - Azure Kubernetes Service Scheduled Events',
  description: 'Scheduled events of the Kubernetes clusters in an Azure subscription.',
  eventTypes: eventTypes(
    prefix,
    {
      dataVersion: '1',
      subject: [
        '{cluster id}',
        `${exampleGroup}/providers/Microsoft.ContainerService/managedClusters/contoso`,
      ],
    },
    {
      'ContainerServiceEventResources.ScheduledEventEmitted':
        'Raised when maintenance of a cluster is scheduled, begins or ends.',
    },
  ),
  documented,
})
