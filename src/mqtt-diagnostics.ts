import type { Diagnostics } from './diagnostics/diagnostics.ts'
import type { MqttRecord } from './diagnostics/mqtt-records.ts'
import type { BrokerObserver } from './mqtt/broker.ts'
import type { Connection } from './mqtt/connection.ts'
import { protocols } from './mqtt/stats.ts'

/** Tells the diagnostic logs of what happens to MQTT clients, where somebody asked for them. */
export function createMqttObserver({ mqtt }: Diagnostics): BrokerObserver {
  if (!mqtt) return {}
  const record = (
    connection: Connection,
    what: Pick<MqttRecord, 'operation' | 'failure' | 'properties'>,
  ): void => {
    const { realm, session, clientId, protocol } = connection
    const { resource } = realm.realm
    if (!resource) return
    mqtt({
      ...{ resourceId: resource.id, location: resource.location, sessionName: clientId },
      protocol: protocols[protocol] as string,
      identity: session?.identity.log ?? {},
      ...what,
    })
  }
  return {
    connected: (connection) => record(connection, { operation: 'connect', failure: undefined }),
    connectFailed: (connection, failure) => record(connection, { operation: 'connect', failure }),
    disconnected: (connection, failure) => record(connection, { operation: 'disconnect', failure }),
    publishFailed: (connection, topicName, qos, failure) =>
      record(connection, {
        ...{ operation: 'publish', failure },
        properties: { qos, topicName, operationCount: 1 },
      }),
    subscribeFailed: (connection, operation, topicFilters, failure) =>
      record(connection, { operation, failure, properties: { topicFilters } }),
  }
}
