import type { BrokerRealm } from './broker-realm.ts'
import { innerFilter, isShared } from './topics.ts'

export interface Explanation {
  /** Whether a message to the topic name would reach the client now or when it comes back. */
  readonly receives: boolean
  readonly reasons: readonly string[]
  /** Filters of the session that match. */
  readonly matching: readonly string[]
}

/** Why a client gets the messages of a topic name, or does not, as things are. */
export function explain(realm: BrokerRealm, sessionName: string, topicName: string): Explanation {
  const session = realm.sessions.get(sessionName)
  if (!session)
    return {
      receives: false,
      reasons: [
        `There is no session '${sessionName}': its client never connected, or the session has ended.`,
      ],
      matching: [],
    }
  const matching = realm.matching(topicName).filter((each) => each.session === session)
  const reasons: string[] = []
  let receives = matching.length > 0
  if (matching.length === 0)
    reasons.push(
      session.subscriptions.size === 0
        ? 'The session has no subscription.'
        : `None of the ${session.subscriptions.size} subscriptions of the session matches.`,
    )
  for (const { filter, qos, noLocal } of matching) {
    reasons.push(`'${filter}' matches, with QoS ${qos} at most.`)
    if (noLocal)
      reasons.push(`'${filter}' has No Local: what the client publishes itself does not come back.`)
    if (isShared(filter)) reasons.push(`'${filter}' is shared: each message goes to one of its group alone.`)
    if (!realm.realm.maySubscribe(session.identity, innerFilter(filter)))
      reasons.push(`The client may not subscribe to '${innerFilter(filter)}' any more.`)
  }
  const { connection } = session
  if (!session.online) {
    if (matching.every(({ qos }) => qos === 0)) receives = false
    reasons.push(
      'The client is not connected: messages of QoS 1 and 2 wait for it, those of QoS 0 are dropped.',
    )
  }
  if (connection?.congested) reasons.push('The client reads slowly: messages of QoS 0 to it may be dropped.')
  if (connection && connection.droppedQos0 > 0)
    reasons.push(`${connection.droppedQos0} messages of QoS 0 were dropped since it connected.`)
  if (connection && connection.maximumPacketBytes < Number.POSITIVE_INFINITY)
    reasons.push(`The client takes no packet of more than ${connection.maximumPacketBytes} bytes.`)
  const queued = session.durable?.count().messages ?? session.queuedMessages
  if (queued > 0) reasons.push(`${queued} messages wait for it or are in flight.`)
  return { receives, reasons, matching: matching.map(({ filter }) => filter) }
}
