import { eventSource, eventTypes } from './event-source.ts'

const connection = {
  timestamp: '2019-06-10T18:41:00.9584103Z',
  hubName: 'chat',
  connectionId: 'crH0uxVSvP61p5wkFY1x1A',
  userId: 'user-eymwyo23',
}

/** Source: learn.microsoft.com/azure/event-grid/event-schema-azure-signalr */
export const signalrService = eventSource({
  service: 'signalr-service',
  provider: 'Microsoft.SignalRService',
  displayName: 'Azure SignalR',
  description: 'Azure SignalR service events.',
  resourceType: 'Microsoft.SignalRService/SignalR',
  eventTypes: eventTypes(
    'Microsoft.SignalRService',
    { dataVersion: '1.0', subject: ['/hub/{hub}', '/hub/chat'] },
    {
      ClientConnectionConnected: 'Raised when a client connection connected.',
      ClientConnectionDisconnected: 'Raised when a client connection disconnected.',
    },
  ),
  documented: {
    examples: {
      ClientConnectionConnected: connection,
      ClientConnectionDisconnected: { ...connection, errorMessage: 'Internal server error.' },
    },
    // A user without a claim; a client that left by itself.
    corrections: {
      SignalRServiceClientConnectionConnectedEventData: { optional: ['userId'] },
      SignalRServiceClientConnectionDisconnectedEventData: { optional: ['userId', 'errorMessage'] },
    },
  },
})
