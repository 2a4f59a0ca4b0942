import { eventSource, eventTypes } from './event-source.ts'

const provider = 'Microsoft.Web'
const clientRequestId = '922f4841-20d9-4dd6-8c5b-23f0d85e5592'
const correlationRequestId = '9ac46505-2b8a-4e06-834c-05ffbe2e8c3a'
const requestId = '765117aa-eaf8-4bd2-a644-1dbf69c7b0fd'
const guid = '00000000-0000-0000-0000-000000000000'

const app = (action: string, verb = 'None') => ({
  appEventTypeDetail: { action },
  name: 'contoso',
  clientRequestId: 'None',
  correlationRequestId: 'None',
  requestId: '292f499d-04ee-4066-994d-c2df57b99198',
  address: 'None',
  verb,
})

const slot = {
  appEventTypeDetail: null,
  name: 'contoso',
  clientRequestId,
  correlationRequestId,
  requestId,
  address: `/websystems/WebSites/web/subscriptions/${guid}/webspaces/contoso-WestUSwebspace/sites/contoso/slots?Command=SWAP&targetSlot=production`,
  verb: 'POST',
  sourceSlot: 'staging',
  targetSlot: 'production',
}

const updated = {
  ...slot,
  appEventTypeDetail: { action: 'Stopped' },
  address: `/websystems/WebSites/web/subscriptions/${guid}/webspaces/contoso-WestUSwebspace/sites/contoso/stop`,
  sourceSlot: undefined,
  targetSlot: undefined,
}

/** The table calls the site `name`, the samples `siteName`. */
const byOtherName = { optional: ['name'] }

const common = { service: 'web', provider } as const

const documented = {
  examples: {
    AppUpdated: updated,
    BackupOperationStarted: app('Started'),
    BackupOperationCompleted: app('Completed'),
    BackupOperationFailed: app('Failed'),
    RestoreOperationStarted: app('Started', 'POST'),
    RestoreOperationCompleted: app('Completed', 'POST'),
    RestoreOperationFailed: app('Failed', 'POST'),
    SlotSwapStarted: slot,
    SlotSwapCompleted: slot,
    SlotSwapFailed: slot,
    SlotSwapWithPreviewStarted: slot,
    SlotSwapWithPreviewCancelled: slot,
    AppServicePlanUpdated: {
      appServicePlanEventTypeDetail: { stampKind: 'Public', action: 'Updated', status: 'Started' },
      sku: { name: 'P1v2', Tier: 'PremiumV2', Size: 'P1v2', Family: 'Pv2', Capacity: 1 },
      name: 'contoso',
      clientRequestId,
      correlationRequestId,
      requestId,
      address: `/subscriptions/${guid}/resourceGroups/contoso-rg/providers/Microsoft.Web/serverfarms/contoso`,
      verb: 'PUT',
    },
  },
  corrections: {
    ...Object.fromEntries(
      [
        ...['AppUpdated', 'BackupOperationStarted', 'BackupOperationCompleted', 'BackupOperationFailed'],
        ...['RestoreOperationStarted', 'RestoreOperationCompleted', 'RestoreOperationFailed'],
        ...['SlotSwapStarted', 'SlotSwapCompleted', 'SlotSwapFailed'],
        ...['SlotSwapWithPreviewStarted', 'SlotSwapWithPreviewCancelled', 'AppServicePlanUpdated'],
      ].map((name) => [`Web${name}EventData`, byOtherName]),
    ),
    // A number in the sample, a string in the model.
    WebAppServicePlanUpdatedEventDataSku: { types: { Capacity: ['string', 'number', 'null'] } },
  },
}

/** Source: learn.microsoft.com/azure/event-grid/event-schema-app-service */
export const webSites = eventSource({
  ...common,
  displayName: 'Azure Web App',
  description: 'Azure App Service app events.',
  resourceType: 'Microsoft.Web/sites',
  eventTypes: eventTypes(
    provider,
    { dataVersion: '1', subject: ['/Microsoft.Web/sites/{site}', '/Microsoft.Web/sites/contoso'] },
    {
      AppUpdated: 'Triggered when a site has been restarted or stopped, or its settings have changed.',
      BackupOperationStarted: 'Triggered when a backup has started.',
      BackupOperationCompleted: 'Triggered when a backup has completed.',
      BackupOperationFailed: 'Triggered when a backup has failed.',
      RestoreOperationStarted: 'Triggered when a restoration from a backup has started.',
      RestoreOperationCompleted: 'Triggered when a restoration from a backup has completed.',
      RestoreOperationFailed: 'Triggered when a restoration from a backup has failed.',
      SlotSwapStarted: 'Triggered when a slot swap has started.',
      SlotSwapCompleted: 'Triggered when a slot swap has completed.',
      SlotSwapFailed: 'Triggered when a slot swap has failed.',
      SlotSwapWithPreviewStarted: 'Triggered when a slot swap with preview has started.',
      SlotSwapWithPreviewCancelled: 'Triggered when a slot swap with preview has been cancelled.',
    },
  ),
  documented,
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-app-service */
export const webServerFarms = eventSource({
  ...common,
  topicType: 'Microsoft.Web.ServerFarms',
  displayName: 'Azure App Service plan',
  description: 'Azure App Service plan events.',
  resourceType: 'Microsoft.Web/serverfarms',
  eventTypes: eventTypes(
    provider,
    {
      dataVersion: '1',
      subject: ['/Microsoft.Web/serverfarms/{plan}', '/Microsoft.Web/serverfarms/contoso'],
    },
    { AppServicePlanUpdated: 'Triggered when an App Service plan is updated.' },
  ),
  documented,
})
