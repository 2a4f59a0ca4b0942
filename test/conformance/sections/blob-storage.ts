import { proved, type Section } from '../rule.ts'

const file = 'test/blob-events.test.ts'

export const blobStorage: Section = {
  title: 'Events of blob storage',
  source: 'learn.microsoft.com/azure/event-grid/event-schema-blob-storage',
  rules: [
    proved('BlobCreated tells what the service answered: eTag, request id, type and length of the content', [
      file,
      'an uploaded blob is told of with what the service answered, and the official client knows the event',
    ]),
    proved('PutBlob, PutBlockList, CopyBlob, DeleteBlob and SetBlobTier raise one event each', [
      file,
      'each way of changing a blob is told of once, under the name of its operation, and the later one compares higher',
    ]),
    proved('Nothing is raised for what the service has refused', [
      file,
      'nothing is told of what the service refused',
    ]),
    proved('Each operation within a batch raises its event', [
      file,
      'each delete in a batch is told of, and a part that is refused is not',
    ]),
    proved('Of two events of one blob the later has the higher sequencer', [
      file,
      'each way of changing a blob is told of once, under the name of its operation, and the later one compares higher',
    ]),
  ],
}
