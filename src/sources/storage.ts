import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.Storage'
const host = 'https://contoso'
const requestId = '831e1650-001e-001b-66ab-eeb76e000000'
const clientRequestId = '6d79dbfb-0e37-4fc4-981f-442c9ca65760'
const sequencer = '00000000000004420000000000028963'
const storageDiagnostics = { batchId: 'b68529f3-68cd-4744-baa4-3c0498ec19f0' }

const blobSubject = [
  '/blobServices/default/containers/{container}/blobs/{path}',
  '/blobServices/default/containers/testcontainer/blobs/testfile.txt',
] as const
const blobUrl = `${host}.blob.core.windows.net/testcontainer/testfile.txt`

const directorySubject = [
  blobSubject[0],
  '/blobServices/default/containers/testcontainer/blobs/testdir',
] as const
const directoryUrl = `${host}.dfs.core.windows.net/testcontainer/testdir`

const blob = (api: string) => ({
  api,
  clientRequestId,
  requestId,
  contentType: 'text/plain',
  contentLength: 524288,
  blobType: 'BlockBlob',
  url: blobUrl,
  sequencer,
  storageDiagnostics,
})

const renamed = (api: string, url: string) => ({
  api,
  clientRequestId,
  requestId,
  destinationUrl: `${url}-renamed`,
  sourceUrl: url,
  sequencer,
  storageDiagnostics,
})

const summary = { totalObjectsCount: 16, successCount: 14, errorList: '' }
const taskExecutionId = 'deb5deb5-deb5-deb5-deb5-deb5deb5deb5'
const task = {
  status: 'Succeeded',
  completedDateTime: '2023-08-07T21:35:46.8750000Z',
  taskExecutionId,
  taskName: 'delete-7298',
  summaryReportBlobUrl: `${host}.blob.core.windows.net/result-container/delete-7298_2023-08-07T21:35:40/SummaryReport.json`,
}
const queued = { queuedDateTime: '2023-08-07T21:35:23.8750000Z', taskExecutionId }

const often = ['clientRequestId', 'identity', 'storageDiagnostics']

/** Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage */
export const storage = eventSource({
  service: 'storage',
  topicType: 'Microsoft.Storage.StorageAccounts',
  provider: prefix,
  displayName: 'Storage Accounts',
  description: 'Microsoft Storage service events.',
  resourceType: 'Microsoft.Storage/storageAccounts',
  eventTypes: [
    ...eventTypes(
      prefix,
      { dataVersion: '', subject: blobSubject, isInDefaultSet: false },
      {
        BlobCreated: {
          description: 'Raised when a blob is created.',
          isInDefaultSet: true,
        },
        BlobDeleted: {
          description: 'Raised when a blob is deleted.',
          isInDefaultSet: true,
        },
        BlobTierChanged: 'Raised when the access tier of a blob is changed.',
        AsyncOperationInitiated:
          'Raised when an operation begins that moves or copies data from the archive to an online tier.',
        BlobRenamed: { description: 'Raised when a blob is renamed.', dataVersion: '1' },
      },
    ),
    ...eventTypes(
      prefix,
      { dataVersion: '1', subject: directorySubject, isInDefaultSet: false },
      {
        DirectoryCreated: 'Raised when a directory is created.',
        DirectoryDeleted: 'Raised when a directory is deleted.',
        DirectoryRenamed: 'Raised when a directory is renamed.',
      },
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion: '1.0',
        subject: ['BlobDataManagement/BlobInventory', 'BlobDataManagement/BlobInventory'],
        isInDefaultSet: false,
      },
      {
        BlobInventoryPolicyCompleted: 'Raised when an inventory run of a rule completes.',
        LifecyclePolicyCompleted: {
          description: 'Raised when the actions of a lifecycle management policy have been performed.',
          dataVersion: '1',
          subject: [
            'BlobDataManagement/LifeCycleManagement/SummaryReport',
            'BlobDataManagement/LifeCycleManagement/SummaryReport',
          ],
        },
      },
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion: '1.0',
        subject: ['DataManagement/StorageTasks', 'DataManagement/StorageTasks'],
        isInDefaultSet: false,
      },
      {
        StorageTaskQueued: 'Raised when a run of a storage task is queued.',
        StorageTaskCompleted: 'Raised when a run of a storage task completes.',
        StorageTaskAssignmentQueued: 'Raised when a run of a storage task assignment is queued.',
        StorageTaskAssignmentCompleted: 'Raised when a run of a storage task assignment completes.',
      },
    ),
  ],
  documented: {
    examples: {
      BlobCreated: {
        api: 'PutBlockList',
        clientRequestId,
        requestId,
        eTag: '0x8D4BCC2E4835CD0',
        contentType: 'application/octet-stream',
        contentLength: 524288,
        blobType: 'BlockBlob',
        url: blobUrl,
        sequencer,
        storageDiagnostics,
      },
      BlobDeleted: {
        api: 'DeleteBlob',
        requestId,
        contentType: 'text/plain',
        blobType: 'BlockBlob',
        url: blobUrl,
        sequencer,
        storageDiagnostics,
      },
      BlobTierChanged: blob('SetBlobTier'),
      AsyncOperationInitiated: blob('SetBlobTier'),
      BlobRenamed: renamed('RenameFile', blobUrl.replace('.blob.', '.dfs.')),
      DirectoryCreated: {
        api: 'CreateDirectory',
        clientRequestId,
        requestId,
        url: directoryUrl,
        sequencer,
        storageDiagnostics,
      },
      DirectoryDeleted: {
        api: 'DeleteDirectory',
        clientRequestId,
        requestId,
        url: directoryUrl,
        recursive: 'true',
        sequencer,
        storageDiagnostics,
      },
      DirectoryRenamed: renamed('RenameDirectory', directoryUrl),
      BlobInventoryPolicyCompleted: {
        scheduleDateTime: '2021-05-28T03:50:27Z',
        accountName: 'contoso',
        ruleName: 'Rule_1',
        policyRunStatus: 'Succeeded',
        policyRunStatusMessage: 'Inventory run succeeded, refer manifest file for inventory details.',
        policyRunId: 'b5e1d4cc-ee23-4ed5-b039-897376a84f79',
        manifestBlobUrl: `${host}.blob.core.windows.net/inventory-destination-container/2021/05/26/15-54-54/Rule_1/Rule_1-manifest.json`,
      },
      LifecyclePolicyCompleted: {
        scheduleTime: '2022/05/24 22:57:29.3260160',
        policyRunSummary: { completionStatus: 'Completed' },
        deleteSummary: summary,
        tierToCoolSummary: { totalObjectsCount: 0, successCount: 0, errorList: '' },
        tierToColdSummary: { totalObjectsCount: 0, successCount: 0, errorList: '' },
        tierToArchiveSummary: { totalObjectsCount: 0, successCount: 0, errorList: '' },
      },
      StorageTaskQueued: queued,
      StorageTaskCompleted: task,
      StorageTaskAssignmentQueued: queued,
      StorageTaskAssignmentCompleted: task,
    },
    corrections: {
      StorageBlobCreatedEventData: { optional: ['accessTier'] },
      StorageBlobDeletedEventData: { optional: often },
      StorageBlobTierChangedEventData: { optional: ['accessTier', 'previousTier'] },
      StorageAsyncOperationInitiatedEventData: { optional: often },
      StorageBlobRenamedEventData: { optional: often },
      StorageDirectoryCreatedEventData: { optional: [...often, 'eTag'] },
      StorageDirectoryDeletedEventData: { optional: often },
      StorageDirectoryRenamedEventData: { optional: often },
    },
  },
})
