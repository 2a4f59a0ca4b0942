import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCheckData } from './check-data.ts'
import { createDataSchemas } from './data-schemas.ts'

/*
 * Samples of the documentation, as they are printed, where they differ from the examples of the shelf: whoever
 * pastes one must not be refused.
 */

const samples: Readonly<Record<string, readonly (readonly [eventType: string, data: unknown])[]>> = {
  'event-schema-subscriptions, 2017': [
    [
      'Microsoft.Resources.ResourceWriteSuccess',
      {
        authorization: '{azure_resource_manager_authorizations}',
        claims: '{azure_resource_manager_claims}',
        correlationId: '54ef1e39-6a82-44b3-abc1-bdeb6ce4d3c6',
        httpRequest: '{request-operation}',
        resourceProvider: 'Microsoft.EventGrid',
        resourceUri: '/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/eventSubscriptions/l',
        operationName: 'Microsoft.EventGrid/eventSubscriptions/write',
        status: 'Succeeded',
        subscriptionId: 's',
        tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
      },
    ],
  ],
  'event-schema-iot-hub': [
    [
      'Microsoft.Devices.DeviceDisconnected',
      { deviceConnectionStateEventInfo: { sequenceNumber: '01' }, hubName: 'egtesthub1', deviceId: 'd' },
    ],
    [
      'Microsoft.Devices.DeviceTelemetry',
      { body: 'eyJhIjoxfQ==', properties: {}, systemProperties: { 'iothub-message-source': 'Telemetry' } },
    ],
  ],
  'event-schema-event-grid-namespace': [
    [
      'Microsoft.EventGrid.MQTTClientCreatedOrUpdated',
      {
        createdOn: '2023-07-29T01:14:34.2048108Z',
        updatedOn: '2023-07-29T01:14:34.2048108Z',
        namespaceName: 'myns',
        clientName: 'client1',
        clientAuthenticationName: 'client1',
        state: 'Disabled',
        attributes: { floor: 7, rooms: ['a', 'b'] },
      },
    ],
  ],
  'event-schema-blob-storage, with SFTP and with hierarchical namespaces': [
    [
      'Microsoft.Storage.BlobCreated',
      {
        api: 'SftpCommit',
        requestId: '831e1650-001e-001b-66ab-eeb76e000000',
        eTag: '"0x8D4BCC2E4835CD0"',
        contentType: 'text/plain',
        contentLength: 0,
        contentOffset: 0,
        blobType: 'BlockBlob',
        url: 'https://my-storage-account.blob.core.windows.net/testcontainer/testfile.txt',
        sequencer: '00000000000004420000000000028963',
        identity: 'localuser',
        storageDiagnostics: { batchId: 'b68529f3-68cd-4744-baa4-3c0498ec19f0' },
      },
    ],
    [
      'Microsoft.Storage.DirectoryDeleted',
      {
        api: 'SftpRemoveDir',
        requestId: '831e1650-001e-001b-66ab-eeb76e000000',
        url: 'https://my-storage-account.blob.core.windows.net/testcontainer/testDirectory',
        recursive: 'false',
        sequencer: '00000000000004420000000000028963',
        identity: 'localuser',
      },
    ],
  ],
  'event-schema-key-vault': [
    [
      'Microsoft.KeyVault.SecretNewVersionCreated',
      {
        Id: 'https://sample-kv.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10',
        VaultName: 'sample-kv',
        ObjectType: 'Secret',
        'ObjectName ': 'newsecret',
        Version: ' ee059b2bb5bc48398a53b168c6cdcb10',
        NBF: '1559081980',
        EXP: '1559082102',
      },
    ],
  ],
  'event-schema-app-service': [
    [
      'Microsoft.Web.SlotSwapStarted',
      {
        appEventTypeDetail: null,
        siteName: 'site',
        clientRequestId: '922f4841-20d9-4dd6-8c5b-23f0d85e5592',
        correlationRequestId: '9ac46505-2b8a-4e06-834c-05ffbe2e8c3a',
        requestId: '765117aa-eaf8-4bd2-a644-1dbf69c7b0fd',
        address: '/websystems/WebSites/web/subscriptions/id/webspaces/space/sites/site/slots?Command=SWAP',
        verb: 'POST',
        sourceSlot: 'staging',
        targetSlot: 'production',
      },
    ],
  ],
  'event-schema-machine-learning': [
    [
      'Microsoft.MachineLearningServices.RunCompleted',
      { experimentId: 'e', experimentName: 'n', runId: 'r', runType: null, runTags: {}, runProperties: {} },
    ],
  ],
  'communication-services-router-events': [
    [
      'Microsoft.Communication.RouterJobQueued',
      {
        jobId: '7f1df17b-570b-4ae5-9cf5-fe6ff64cc712',
        channelReference: 'test-abc',
        channelId: 'FooVoiceChannelId',
        queueId: '625fec06-ab81-4e60-b780-f364ed96ade1',
        priority: 1,
        labels: null,
        tags: { Locale: 'en-us' },
        requestedWorkerSelectors: [
          { key: 'string', labelOperator: 'equal', value: 5, ttl: 'P3Y6M4DT12H30M5S' },
        ],
        attachedWorkerSelectors: [],
      },
    ],
  ],
  'communication-services-voice-video-events': [
    [
      'Microsoft.Communication.CallEnded',
      {
        durationOfCall: 49.728617199999995,
        startedBy: { rawId: '8:acs:1', communicationUser: { id: '8:acs:1' }, role: '{role}' },
        serverCallId: '{serverCallId}',
        group: { id: '00000000-0000-0000-0000-000000000000' },
        room: { id: '{roomId}' },
        isTwoParty: false,
        correlationId: '{correlationId}',
        isRoomsCall: true,
      },
    ],
  ],
  'event-schema-media-services': [
    ['Microsoft.Media.JobStateChange', { previousState: 'Processing', state: 'Finished' }],
    [
      'Microsoft.Media.LiveEventConnectionRejected',
      {
        streamId: 'Mystream1',
        ingestUrl: 'http://abc.ingest.isml',
        encoderIp: '118.238.251.xxx',
        encoderPort: 52859,
        resultCode: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
      },
    ],
  ],
}

const checkData = createCheckData(createDataSchemas())

for (const [article, events] of Object.entries(samples))
  test(`the samples of ${article}`, async () => {
    for (const [eventType, data] of events) assert.deepEqual(await checkData(eventType, data), [], eventType)
  })
