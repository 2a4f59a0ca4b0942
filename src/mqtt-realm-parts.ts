import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { Metrics } from './base/metrics.ts'
import type { Catalog } from './catalog/catalog.ts'
import type { Namespace } from './catalog/namespace.ts'
import type { GridEvent } from './event/event.ts'
import type { Fanout } from './fanout/fanout.ts'
import type { ClientResource } from './lifecycle/client-events.ts'
import { type Lifecycle, openLifecycle } from './lifecycle/lifecycle.ts'
import type { Limits } from './limits.ts'
import type { Realm } from './mqtt/realm.ts'
import { createRouting, type RoutingFailure, type RoutingSettings } from './routing/routing.ts'
import { openSessionStore } from './sessions/session-store.ts'
import type { Queues } from './store/store.ts'

/*
 * What the broker of one namespace leaves behind: sessions that outlive the process, events that its messages are
 * routed to, and life-cycle events. Opened with the namespace's realm, and closed after it.
 */

export interface RealmParts extends Pick<Realm, 'sessions' | 'accepted' | 'connected' | 'disconnected'> {
  /** The namespace was written: its messages may go elsewhere from now on. */
  changed(namespace: Namespace): void
  /** A client resource was made, changed or deleted. Resolves when the change will be told of whatever happens. */
  clientChanged: Lifecycle['clientChanged']
  /** Resolves when everything that is due has been told. */
  settle(): Promise<void>
  /** Before the store is closed, and after the connections are. */
  close(): Promise<void>
}

export interface RealmPartsOptions {
  readonly namespace: Namespace
  readonly queues: Queues
  readonly catalog: Pick<Catalog, 'topic' | 'namespaces' | 'permits'>
  readonly fanout: Pick<Fanout, 'accept' | 'raise' | 'isHeard'>
  /** The client resources of the namespace. */
  readonly clients: () => Iterable<ClientResource>
  readonly limits: Pick<
    Limits,
    | 'mqttClientEventQuietMs'
    | 'mqttClientEventMostMs'
    | 'mqttWaitingLifecycleEvents'
    | 'mqttWaitingRoutedMessages'
    | 'mqttWaitingRoutedBytes'
  >
  /** Messages that expired while they waited for a session. */
  readonly onExpired?: (messages: number) => void
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Log
}

export async function openRealmParts(options: RealmPartsOptions): Promise<RealmParts> {
  const { namespace, queues, fanout, clients, limits, onExpired, clock, metrics, log } = options
  const realm = namespace.uid
  const lifecycle = await openLifecycle({
    ...{ queues, realm, clients, clock, metrics, log },
    namespaceId: namespace.id,
    namespaceName: namespace.name,
    raise: (sourceId, topicType, events) => fanout.raise(sourceId, topicType, events),
    isHeard: (sourceId, topicType) => fanout.isHeard(sourceId, topicType),
    limits: {
      quietMs: limits.mqttClientEventQuietMs,
      mostMs: limits.mqttClientEventMostMs,
      waitingEvents: limits.mqttWaitingLifecycleEvents,
    },
  })
  const sessions = await openSessionStore({ queues, realm, clock, log, ...(onExpired && { onExpired }) })
  let current = namespace
  const routing = createRouting({
    namespaceId: namespace.id,
    send: (targetId, events) => send(options, current, targetId, events),
    limits: {
      waitingEvents: limits.mqttWaitingRoutedMessages,
      waitingBytes: limits.mqttWaitingRoutedBytes,
    },
    ...{ clock, metrics, log },
  })
  routing.configure(settingsOf(namespace))
  const accepted: Realm['accepted'] = (message, publisher) => routing.accepted(message, publisher)
  return {
    sessions,
    get accepted() {
      return current.mqtt?.routing ? accepted : undefined
    },
    connected: (session) => lifecycle.connected(session),
    disconnected: (ended) => lifecycle.disconnected(ended),
    changed(next) {
      current = next
      routing.configure(settingsOf(next))
    },
    clientChanged: (before, after) => lifecycle.clientChanged(before, after),
    settle: () => lifecycle.settle(),
    async close() {
      await routing.close()
      await lifecycle.close()
      await sessions.close()
    },
  }
}

function settingsOf({ name, mqtt }: Namespace): RoutingSettings | undefined {
  const routing = mqtt?.routing
  if (!routing) return undefined
  return { namespaceName: name, targetId: routing.targetId, enrichments: routing.enrichments }
}

/** Source: learn.microsoft.com/azure/event-grid/mqtt-routing-to-event-grid-topics */
const sendAction = 'Microsoft.EventGrid/events/send/action'

/** Hands events to a topic of the same namespace, or as the namespace's identity to a custom topic. */
async function send(
  { catalog, fanout }: RealmPartsOptions,
  namespace: Namespace,
  targetId: string,
  events: readonly GridEvent[],
): Promise<RoutingFailure | undefined> {
  const own = catalog.namespaces.topic(targetId)
  if (own?.namespaceId.toLowerCase() === namespace.id.toLowerCase()) {
    await fanout.accept(own, events)
    return undefined
  }
  const topic = catalog.topic(targetId)
  if (!topic)
    return {
      error: 'TopicNotFoundError',
      reason: `there is no topic '${targetId}'; route to one that there is`,
    }
  const principalId = namespace.mqtt?.routing?.principalId
  if (principalId === undefined || !catalog.permits([principalId], sendAction, topic.id))
    return {
      error: 'AuthenticationError',
      reason:
        principalId === undefined
          ? `the namespace routes as no identity: set routingIdentityInfo, and give the identity the role 'EventGrid Data Sender' over '${topic.id}'`
          : `the principal '${principalId}' lacks the role 'EventGrid Data Sender' over '${topic.id}'`,
    }
  if (topic.inputSchema !== 'CloudEventSchemaV1_0')
    return {
      error: 'ServiceError',
      reason: `the input schema of the topic is ${topic.inputSchema}; messages are routed to CloudEventSchemaV1_0`,
    }
  await fanout.accept(topic, events)
  return undefined
}
