import type { Session } from './session.ts'
import { protocols } from './stats.ts'

/** A session as operators see it. */
export function describeSession(session: Session, whole = false): object {
  const { connection, durable, identity, sessionName, will } = session
  const queued = durable?.count() ?? { messages: session.queuedMessages, bytes: session.queuedBytes }
  return {
    name: sessionName,
    authenticationName: identity.authenticationName,
    connected: session.online,
    ...(connection && {
      protocol: protocols[connection.protocol],
      remoteAddress: connection.remoteAddress,
      connectedAt: new Date(connection.connectedAt).toISOString(),
      keepAliveSeconds: connection.keepAliveMs / 1000,
      inFlight: session.inFlight,
      droppedQos0: connection.droppedQos0,
    }),
    durable: durable !== undefined,
    expirySeconds: session.expiryMs / 1000,
    ...(Number.isFinite(session.expiresAt) && { expiresAt: new Date(session.expiresAt).toISOString() }),
    subscriptions: whole
      ? [...session.subscriptions.values()].map(
          ({ filter, qos, noLocal, retainAsPublished, retainHandling, subscriptionId }) => ({
            ...{ topicFilter: filter, qos, noLocal, retainAsPublished, retainHandling, subscriptionId },
          }),
        )
      : session.subscriptions.size,
    queuedMessages: queued.messages,
    queuedBytes: queued.bytes,
    ...(will && { willTopic: will.message.topicName }),
  }
}
