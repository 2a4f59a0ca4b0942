import { eventSource, eventTypes } from './event-source.ts'

/** Source: learn.microsoft.com/azure/event-grid/event-schema-event-hubs */
export const eventHub = eventSource({
  service: 'event-hub',
  topicType: 'Microsoft.Eventhub.Namespaces',
  provider: 'Microsoft.Eventhub',
  displayName: 'EventHubs Namespace',
  description: 'Microsoft EventHubs service events.',
  resourceType: 'Microsoft.EventHub/namespaces',
  exampleName: 'tfdatamigratens',
  eventTypes: eventTypes(
    'Microsoft.EventHub',
    { dataVersion: '', subject: ['eventhubs/{event hub}', 'eventhubs/hubdatamigration'] },
    { CaptureFileCreated: 'Raised when a capture file is created.' },
  ),
  documented: {
    examples: {
      CaptureFileCreated: {
        fileUrl:
          'https://tf0831datamigrate.blob.core.windows.net/windturbinecapture/tfdatamigratens/hubdatamigration/1/2017/08/31/19/11/45.avro',
        fileType: 'AzureBlockBlob',
        partitionId: '1',
        sizeInBytes: 249168,
        eventCount: 1500,
        firstSequenceNumber: 2400,
        lastSequenceNumber: 3899,
        firstEnqueueTime: '2017-08-31T19:12:14.674Z',
        lastEnqueueTime: '2017-08-31T19:12:44.309Z',
      },
    },
  },
})
