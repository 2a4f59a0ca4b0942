import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.Communication'
const common = { dataVersion: '1.0' }

const acs = '8:acs:109f0644-b956-4cd9-87b1-71024f6e2f44'
const identifier = (user: string) => ({
  rawId: `${acs}_${user}`,
  communicationUser: { id: `${acs}_${user}` },
})
const bob = identifier('00000008-578d-7caf-07fd-084822001724')
const john = identifier('00000008-578d-7d05-83fe-084822000f6d')
const participant = { communicationIdentifier: bob, role: 'Organizer' }
const threadId = '19:6e5d6ca1d75044a49a36a7965ec4a906@thread.v2'
const serverCallId = 'aHR0cHM6Ly9jb252LXVzZWEyLTAxLmNvbnYuc2t5cGUuY29tL2NvbnYvUzFzZ0p6'
const jobId = '7f1df17b-570b-4ae5-9cf5-fe6ff64cc712'
const workerId = 'e3a3f2f9-3582-4bfe-9c5a-aa57831a0f88'
const assignmentId = '6f1df17b-570b-4ae5-9cf5-fe6ff64cc712'
const queueId = '625fec06-ab81-4e60-b780-f364ed96ade1'
const labels = { Locale: 'en-us', Segment: 'Enterprise', Token: 'FooToken' }
const selector = {
  key: 'string',
  labelOperator: 'equal',
  value: 5,
  ttlSeconds: 50,
  expirationTime: '2022-02-17T00:58:25.1736293Z',
}

/** What follows the thread, and whether the event is for one user of it. */
const chat = (rest: string, forUser: boolean) =>
  [
    `thread/{thread}${rest}${forUser ? '/recipient/{rawId}' : ''}`,
    `thread/${threadId}${rest.replace('{rawId}', bob.rawId)}${forUser ? `/recipient/${john.rawId}` : ''}`,
  ] as const

const job = (rest = '', example = '') =>
  [`job/{job}/channel/{channel}${rest}`, `job/${jobId}/channel/FooVoiceChannelId${example}`] as const

const worker = (rest = '', example = '') =>
  [`worker/{worker}${rest}`, `worker/${workerId}${example}`] as const

const offer = worker('/job/{job}', `/job/${jobId}`)
const assigned = job('/assignment/{assignment}', `/assignment/${assignmentId}`)
const queued = job('/queue/{queue}', `/queue/${queueId}`)

const call = (rest: string, example: string) =>
  [`call/{call}${rest}`, `call/${serverCallId}${example}`] as const
const callParticipant = call('/participant/{rawId}', `/participant/${bob.rawId}`)

const message = [
  'advancedMessage/sender/{sender}/recipient/{channel}',
  'advancedMessage/sender/+15555555555/recipient/11111111-1111-1111-1111-111111111111',
] as const

const callTypes = eventTypes(
  prefix,
  { ...common, subject: callParticipant },
  {
    IncomingCall: {
      description: 'Published when there is an incoming call.',
      subject: ['/caller/{rawId}/recipient/{rawId}', `/caller/${bob.rawId}/recipient/${john.rawId}`],
    },
    CallStarted: {
      description: 'Published when a call is started.',
      subject: call('/startedBy/{rawId}', `/startedBy/${bob.rawId}`),
    },
    CallEnded: { description: 'Published when a call is ended.', subject: call('', '') },
    CallParticipantAdded: 'Published when a participant is added to a call.',
    CallParticipantRemoved: 'Published when a participant is removed from a call.',
    RecordingFileStatusUpdated: {
      description: 'Published when a recording file is available.',
      subject: [
        '/recording/call/{call}/recordingId/{recording}',
        `/recording/call/${serverCallId}/recordingId/eyJQbGF0Zm9ybUVuZHBvaW50SWQi`,
      ],
    },
    UserDisconnected: {
      description: 'Published after a user has been deleted and so disconnected.',
      subject: ['user/{rawId}', `user/${bob.rawId}`],
    },
  },
)

const messageTypes = [
  ...eventTypes(
    prefix,
    { ...common, subject: ['/phonenumber/{number}', '/phonenumber/15555555555'] },
    {
      SMSReceived: 'Published when an SMS is received by a phone number of the Communication Service.',
      SMSDeliveryReportReceived:
        'Published when a delivery report is received for an SMS sent by the Communication Service.',
    },
  ),
  ...eventTypes(
    prefix,
    {
      ...common,
      subject: [
        'sender/{sender}/message/{message}',
        'sender/senderid@contoso.com/message/00000000-0000-0000-0000-000000000000',
      ],
    },
    {
      EmailDeliveryReportReceived:
        'Published when a delivery report is received for an email sent by the Communication Service.',
      EmailEngagementTrackingReportReceived:
        'Published when an email is opened or, where there is one, its link is clicked.',
    },
  ),
  ...eventTypes(
    prefix,
    { ...common, subject: message },
    {
      AdvancedMessageReceived: 'Published when the Communication Service receives an advanced message.',
      AdvancedMessageDeliveryStatusUpdated:
        'Published when the status of a sent advanced message is updated.',
    },
  ),
]

const chatTypes = eventTypes(
  prefix,
  { ...common, subject: chat('/sender/{rawId}', false) },
  {
    ChatMessageReceived: {
      description: 'Published when a message is received in a chat thread with a specific user.',
      subject: chat('/sender/{rawId}', true),
    },
    ChatMessageEdited: {
      description: 'Published when a message is edited in a chat thread with a specific user.',
      subject: chat('/sender/{rawId}', true),
    },
    ChatMessageDeleted: {
      description: 'Published when a message is deleted in a chat thread with a specific user.',
      subject: chat('/sender/{rawId}', true),
    },
    ChatMessageReceivedInThread: 'Published when a message is received in a chat thread.',
    ChatMessageEditedInThread: 'Published when a message is edited in a chat thread.',
    ChatMessageDeletedInThread: 'Published when a message is deleted in a chat thread.',
    ChatAzureBotCommandReceivedInThread: 'Published when a command to an Azure bot is received in a thread.',
    ChatTypingIndicatorReceivedInThread: 'Published when a typing indicator is received in a chat thread.',
    ChatThreadCreated: {
      description: 'Published when a chat thread is created.',
      subject: chat('/createdBy/{rawId}', false),
    },
    ChatThreadCreatedWithUser: {
      description: 'Published when a chat thread is created with a specific user.',
      subject: chat('/createdBy/{rawId}', true),
    },
    ChatThreadDeleted: {
      description: 'Published when a chat thread is deleted.',
      subject: chat('/deletedBy/{rawId}', false),
    },
    ChatThreadWithUserDeleted: {
      description: 'Published when a chat thread containing a specific user is deleted.',
      subject: chat('/deletedBy/{rawId}', true),
    },
    ChatThreadPropertiesUpdated: {
      description: "Published when a chat thread's properties are updated.",
      subject: chat('/editedBy/{rawId}', false),
    },
    ChatThreadPropertiesUpdatedPerUser: {
      description: "Published when the chat thread's properties are updated for a specific user.",
      subject: chat('/editedBy/{rawId}', true),
    },
    ChatThreadParticipantAdded: {
      description: 'Published when a new participant is added to a chat thread.',
      subject: chat('/participantAdded/{rawId}', false),
    },
    ChatThreadParticipantRemoved: {
      description: 'Published when a participant is removed from a chat thread.',
      subject: chat('/participantRemoved/{rawId}', false),
    },
    ChatParticipantAddedToThreadWithUser: {
      description: 'Published when a participant is added to a chat thread with a specific user.',
      subject: chat('/participantAdded/{rawId}', true),
    },
    ChatParticipantRemovedFromThreadWithUser: {
      description: 'Published when a participant is removed from a chat thread with a specific user.',
      subject: chat('/participantRemoved/{rawId}', true),
    },
  },
)

const routerTypes = [
  ...eventTypes(
    prefix,
    { ...common, subject: job() },
    {
      RouterJobReceived: 'A new job was created for routing.',
      RouterJobClassified: {
        description: 'The classification policy was applied to a job.',
        subject: queued,
      },
      RouterJobQueued: { description: 'A job has been successfully enqueued.', subject: queued },
      RouterJobClassificationFailed: {
        description: 'The router failed to classify a job with its classification policy.',
        subject: job('/classificationpolicy/{classification policy}', '/classificationpolicy/test-policy'),
      },
      RouterJobCompleted: { description: 'A job was completed and enters wrap-up.', subject: assigned },
      RouterJobClosed: { description: 'A job was closed and wrap-up is finished.', subject: assigned },
      RouterJobCancelled: {
        description: 'A job was canceled.',
        subject: job('/disposition/{disposition code}', '/disposition/100'),
      },
      RouterJobExceptionTriggered: {
        description: 'A job exception has been triggered.',
        subject: job('/exceptionrule/{rule}', '/exceptionrule/r100'),
      },
      RouterJobWorkerSelectorsExpired: {
        description: 'One or more worker selectors on a job have expired.',
        subject: queued,
      },
      RouterJobUnassigned: {
        description: 'A job that was assigned has been unassigned from a worker.',
        subject: assigned,
      },
      RouterJobWaitingForActivation:
        "A scheduled job's time has arrived, and the router waits for its activation.",
      RouterJobSchedulingFailed: 'A scheduled job was requested, and the router failed to create one.',
      RouterJobDeleted: 'A job has been deleted.',
    },
  ),
  ...eventTypes(
    prefix,
    { ...common, subject: offer },
    {
      RouterWorkerOfferIssued: 'A job was offered to a worker.',
      RouterWorkerOfferAccepted: 'An offer to a worker was accepted.',
      RouterWorkerOfferDeclined: 'An offer to a worker was declined.',
      RouterWorkerOfferRevoked: 'An offer to a worker was revoked.',
      RouterWorkerOfferExpired: 'An offer to a worker has expired.',
      RouterWorkerRegistered: { description: 'A worker has been registered.', subject: worker() },
      RouterWorkerDeregistered: { description: 'A worker has been deregistered.', subject: worker() },
      RouterWorkerUpdated: { description: 'A worker has been updated.', subject: worker() },
      RouterWorkerDeleted: { description: 'A worker has been deleted.', subject: worker() },
    },
  ),
]

/** Source: learn.microsoft.com/azure/event-grid/event-schema-communication-services */
export const communication = eventSource({
  service: 'communication',
  provider: prefix,
  displayName: 'Azure Communication Services',
  description: 'Azure Communication Services events.',
  regionType: 'GlobalResource',
  resourceType: 'Microsoft.Communication/communicationServices',
  eventTypes: [...callTypes, ...messageTypes, ...chatTypes, ...routerTypes],
  documented: {
    examples: {
      SMSReceived: {
        messageId: 'Incoming_20200918002745d29ebbea-3341-4466-9690-0a03af35228e',
        from: '15555555555',
        to: '15555555555',
        message: 'Great to connect with Azure Communication Services events',
        receivedTimestamp: '2020-09-18T00:27:45.32Z',
        segmentCount: 1,
      },
      SMSDeliveryReportReceived: {
        messageId: 'Outgoing_202009180022138813a09b-0cbf-4304-9b03-1546683bb910',
        from: '15555555555',
        to: '+15555555555',
        deliveryStatus: 'Delivered',
        deliveryStatusDetails: 'No error.',
        receivedTimestamp: '2020-09-18T00:22:20.2855749Z',
        deliveryAttempts: [
          { timestamp: '2020-09-18T00:22:14.9315918Z', segmentsSucceeded: 1, segmentsFailed: 0 },
        ],
        tag: 'Optional customer-tag set in the original message',
      },
      ChatMessageReceived: {
        messageBody: 'Welcome to Azure Communication Services',
        messageId: '1613694358927',
        metadata: { key: 'value', description: 'A map of data associated with the message' },
        senderCommunicationIdentifier: bob,
        senderDisplayName: 'Bob(Admin)',
        composeTime: '2021-02-19T00:25:58.927Z',
        type: 'Text',
        version: 1613694358927,
        recipientCommunicationIdentifier: john,
        transactionId: 'oh+LGB2dUUadMcTAdRWQxQ.1.1.1.1.1827536918.1.7',
        threadId,
      },
      AdvancedMessageReceived: {
        content: 'Hello',
        channelType: 'whatsapp',
        messageType: 'text',
        messageId: '0c9d3a2a-7c62-4f0e-9a5e-94cbf3a1b1f5',
        from: '15555555555',
        to: '11111111-1111-1111-1111-111111111111',
        receivedTimestamp: '2023-07-06T18:30:19+00:00',
      },
      AdvancedMessageDeliveryStatusUpdated: {
        messageId: '22222222-2222-2222-2222-222222222222',
        status: 'delivered',
        channelType: 'whatsapp',
        from: '11111111-1111-1111-1111-111111111111',
        to: '15555555555',
        receivedTimestamp: '2023-07-06T18:42:28.0000000Z',
      },
      EmailDeliveryReportReceived: {
        sender: 'senderid@contoso.com',
        recipient: 'receiver@contoso.com',
        internetMessageId: '<00000000.00000000@contoso.com>',
        messageId: '00000000-0000-0000-0000-000000000000',
        status: 'Delivered',
        deliveryStatusDetails: { recipientMailServerHostName: 'mx.contoso.com', statusMessage: 'OK' },
        deliveryAttemptTimestamp: '2020-09-18T00:22:20.2855749+00:00',
      },
      EmailEngagementTrackingReportReceived: {
        sender: 'senderid@contoso.com',
        recipient: 'receiver@contoso.com',
        messageId: '00000000-0000-0000-0000-000000000000',
        userActionTimestamp: '2022-09-06T22:34:52.1303595+00:00',
        engagementContext: '',
        userAgent: '',
        engagementType: 'view',
      },
      RouterJobClassificationFailed: {
        errors: [
          { code: null, message: 'Classification failed', target: null, innererror: null, details: null },
        ],
        jobId,
        channelReference: 'test-abc',
        channelId: 'FooVoiceChannelId',
        classificationPolicyId: 'test-policy',
        labels,
        tags: labels,
      },
    },
    samples: {
      startedBy: participant,
      user: participant,
      endedBy: { communicationIdentifier: bob, type: 'Participant', name: 'Bob' },
      reason: { code: 0, subCode: 7000, phrase: 'Call ended' },
      serverCallId,
      correlationId: 'd732db64-4803-462d-be9c-518943ea2b7a',
      group: { id: '00000000-0000-0000-0000-000000000000' },
      room: { id: '99199690362660524' },
      isTwoParty: false,
      isRoomsCall: true,
      callDurationInSeconds: 49.7,
      displayName: 'Bob',
      participantId: '041e3b8a-1cce-4ebf-b587-131312c39410',
      userAgent: 'acs-web-test-client-ACSWeb(3617/1.0.0.0/os=windows; browser=chrome)',
      to: john,
      from: bob,
      onBehalfOfCallee: john,
      callerDisplayName: 'Bob',
      customContext: { sipHeaders: {}, voipHeaders: {} },
      incomingCallContext: 'eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0',
      recordingStorageInfo: {
        recordingChunks: [
          {
            documentId: '0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8',
            index: 0,
            endReason: 'SessionEnded',
            contentLocation: 'https://storage.asm.skype.com/v1/objects/0-eus-d12/content/video',
            metadataLocation: 'https://storage.asm.skype.com/v1/objects/0-eus-d12/content/acsmetadata',
            deleteLocation: 'https://us-storage.asm.skype.com/v1/objects/0-eus-d12',
          },
        ],
      },
      recordingStartTime: '2021-07-27T15:20:23.6089755Z',
      recordingDurationMs: 6620,
      sessionEndReason: 'CallEnded',
      userCommunicationIdentifier: bob,
      senderCommunicationIdentifier: bob,
      recipientCommunicationIdentifier: john,
      createdByCommunicationIdentifier: bob,
      deletedByCommunicationIdentifier: bob,
      editedByCommunicationIdentifier: bob,
      addedByCommunicationIdentifier: bob,
      removedByCommunicationIdentifier: bob,
      participantAdded: { displayName: 'John', participantCommunicationIdentifier: john },
      participantRemoved: { displayName: 'John', participantCommunicationIdentifier: john },
      participants: [
        { displayName: 'Bob', participantCommunicationIdentifier: bob },
        { displayName: 'John', participantCommunicationIdentifier: john },
      ],
      senderDisplayName: 'Bob(Admin)',
      messageId: '1613694358927',
      messageBody: 'Welcome to Azure Communication Services',
      metadata: { key: 'value' },
      type: 'Text',
      version: 1613694358927,
      transactionId: 'oh+LGB2dUUadMcTAdRWQxQ.1.1.1.1.1827536918.1.7',
      threadId,
      properties: { topic: 'Chat about new communication services' },
      jobId,
      channelReference: 'test-abc',
      channelId: 'FooVoiceChannelId',
      classificationPolicyId: 'test-policy',
      queueId,
      queueDetails: {
        id: queueId,
        name: 'Queue 1',
        labels: { Language: 'en', Product: 'Office', Geo: 'NA' },
      },
      queueAssignments: [{ id: queueId, name: 'Queue 1', labels: { Language: 'en' } }],
      channelConfigurations: [{ channelId: 'FooVoiceChannelId', capacityCostPerJob: 10, maxNumberOfJobs: 5 }],
      totalCapacity: 10,
      updatedWorkerProperties: ['TotalCapacity', 'Labels'],
      priority: 5,
      jobPriority: 5,
      jobStatus: 'PendingClassification',
      labels,
      tags: labels,
      jobLabels: labels,
      jobTags: labels,
      workerLabels: labels,
      workerTags: labels,
      requestedWorkerSelectors: [selector],
      attachedWorkerSelectors: [selector],
      expiredRequestedWorkerSelectors: [{ ...selector, state: 'expired' }],
      expiredAttachedWorkerSelectors: [],
      scheduledOn: '2022-02-17T00:58:25.1736293Z',
      unavailableForMatching: false,
      note: 'Cancelled due to a change of plans',
      dispositionCode: '100',
      ruleKey: 'r100',
      exceptionRuleId: 'test-exception-rule',
      failureReason: 'Error',
      workerId,
      assignmentId,
      offerId: '525fec06-ab81-4e60-b780-f364ed96ade1',
      offeredOn: '2022-02-17T00:55:25.1736293Z',
      expiresOn: '2022-02-17T00:58:25.1736293Z',
    },
    // The members that the tables of the articles call nullable, and those that the samples leave out.
    corrections: {
      AcsCallParticipant: { optional: ['role'] },
      AcsCallEndedEventData: { optional: ['callDurationInSeconds'] },
      AcsCallParticipantAddedEventData: { optional: ['displayName', 'userAgent'] },
      AcsCallParticipantRemovedEventData: { optional: ['displayName', 'userAgent'] },
      AcsIncomingCallEventData: { optional: ['callerDisplayName', 'incomingCallContext'] },
      AcsRecordingChunkInfo: { optional: ['deleteLocation'] },
      AcsEmailDeliveryReportReceivedEventData: { optional: ['internetMessageId'] },
      AcsEmailEngagementTrackingReportReceivedEventData: {
        optional: ['recipient', 'engagementContext', 'userAgent'],
      },
      AcsMessageReceivedEventData: { optional: ['messageType'] },
      AcsRouterCommunicationError: { optional: ['code', 'target', 'details'] },
      AcsRouterWorkerSelector: {
        optional: ['ttlSeconds', 'state', 'expirationTime'],
        types: { value: [] },
      },
      AcsRouterJobReceivedEventData: { optional: ['unavailableForMatching'] },
      AcsRouterJobWaitingForActivationEventData: { optional: ['unavailableForMatching'] },
      AcsRouterJobClassifiedEventData: { optional: ['priority'] },
      AcsRouterJobQueuedEventData: { optional: ['channelReference'] },
      AcsRouterJobCancelledEventData: { optional: ['note', 'dispositionCode'] },
      AcsRouterJobClosedEventData: { optional: ['dispositionCode'] },
      AcsRouterJobSchedulingFailedEventData: { optional: ['scheduledOn', 'failureReason'] },
      AcsRouterWorkerDeletedEventData: { optional: ['jobId', 'channelReference', 'channelId'] },
    },
  },
})
