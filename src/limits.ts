import { defaultAmqpLimits } from './amqp/limits.ts'
import { defaultArmBodyBytes } from './arm/body.ts'
import { azureTemplateLimits } from './client/topic-template.ts'
import { defaultDeadLetterLimits } from './delivery/dead-letter-writer.ts'
import { defaultHttpLimits } from './http/http.ts'
import { defaultHubEventsLimits } from './hubevents/hub-events.ts'
import { defaultHubRoutesLimits } from './hubroutes/limits.ts'
import { defaultLifecycleLimits } from './lifecycle/lifecycle.ts'
import { defaultPublishLimits, type PublishLimits } from './publish/limits.ts'
import { defaultPullLimits, type PullLimits } from './pull/limits.ts'
import { defaultRegistryLimits } from './registry/limits.ts'
import type { MqttQuotas } from './resources/resource-type.ts'
import { defaultRoutingLimits } from './routing/routing.ts'
import { defaultTailLimits } from './trace/tail.ts'

interface Limit {
  readonly default: number
  readonly least: number
  readonly most: number
  readonly meaning: string
}

/** Bytes that one Buffer or string may safely grow to; no body limit may be set beyond it. */
const largestBody = 256 * 1024 * 1024
const anyCount = 1_000_000_000
const anyBytes = Number.MAX_SAFE_INTEGER
const dayMs = 86_400_000

/** Every named limit that the configuration file may set under `limits`. */
export const limitTable = {
  requestBytes: limit(defaultPublishLimits.requestBytes, 1, largestBody, 'body of one publish request'),
  eventBytes: limit(defaultPublishLimits.eventBytes, 1, largestBody, 'one event within a request'),
  eventsPerRequest: limit(defaultPublishLimits.events, 1, 1_000_000, 'events in one publish request'),
  jsonDepth: limit(defaultPublishLimits.nesting, 1, 1_000, 'objects and arrays nested in an event'),
  pendingRequests: limit(
    defaultPublishLimits.pendingRequests,
    1,
    1_000_000,
    'publish requests under way; one more is answered 429',
  ),
  pendingBytes: limit(defaultPublishLimits.pendingBytes, 1, anyBytes, 'bodies of publish requests under way'),
  eventsPerNamespaceRequest: limit(
    defaultPullLimits.events,
    1,
    1_000_000,
    'events in one publish request to a namespace topic',
  ),
  lockTokensPerRequest: limit(
    defaultPullLimits.lockTokens,
    1,
    100_000,
    'lock tokens in one request to acknowledge, release, reject or renew',
  ),
  receiveBytes: limit(
    defaultPullLimits.receiveBytes,
    1,
    largestBody,
    'events in one answer to receive, unless a single one is larger',
  ),
  waitingReceivers: limit(
    defaultPullLimits.waitingReceivers,
    1,
    1_000_000,
    'requests to receive that wait; one more is answered 429',
  ),
  mqttClientEventQuietMs: limit(
    defaultLifecycleLimits.quietMs,
    0,
    dayMs,
    'how long a client resource is left alone before its change is told of',
  ),
  mqttClientEventMostMs: limit(
    defaultLifecycleLimits.mostMs,
    0,
    dayMs,
    'how long after the first change of a client resource it is told of at the latest',
  ),
  mqttWaitingLifecycleEvents: limit(
    defaultLifecycleLimits.waitingEvents,
    1,
    anyCount,
    'life-cycle events of a namespace that wait for the store; more are dropped',
  ),
  mqttWaitingRoutedMessages: limit(
    defaultRoutingLimits.waitingEvents,
    1,
    anyCount,
    'MQTT messages of a namespace that wait to be routed once more; more are dropped',
  ),
  mqttWaitingRoutedBytes: limit(
    defaultRoutingLimits.waitingBytes,
    1,
    anyBytes,
    'events made of MQTT messages that wait to be routed once more',
  ),
  armBodyBytes: limit(defaultArmBodyBytes, 1, largestBody, 'body of one control-plane request'),
  eventSubscriptionsPerTopic: limit(
    10_000,
    1,
    anyCount,
    'event subscriptions of one topic, domain or domain topic (Azure: 500, of a domain 50)',
  ),
  backlogEvents: limit(
    10_000_000,
    1,
    anyCount,
    'events waiting for one event subscription of a namespace topic; of more it gets none',
  ),
  domainTopicsPerDomain: limit(100_000, 1, anyCount, 'topics of one domain'),
  mqttClients: limit(
    10_000,
    1,
    anyCount,
    'client resources of a namespace, for each of its throughput units',
  ),
  mqttCaCertificates: limit(10, 1, 1_000, 'CA certificates of a namespace'),
  mqttClientGroups: limit(10, 1, 10_000, 'client groups of a namespace'),
  mqttTopicSpaces: limit(10, 1, 10_000, 'topic spaces of a namespace'),
  mqttTopicTemplates: limit(azureTemplateLimits.perTopicSpace, 1, 10_000, 'topic templates of a topic space'),
  mqttTemplateBytes: limit(azureTemplateLimits.bytes, 1, 65_535, 'one topic template'),
  mqttTemplateSegments: limit(azureTemplateLimits.segments, 1, 1_000, 'segments of one topic template'),
  mqttPermissionBindings: limit(100, 1, 100_000, 'permission bindings of a namespace'),
  deadLetterDelayMs: limit(
    defaultDeadLetterLimits.deadLetterDelayMs,
    0,
    dayMs,
    'from the last attempt to the dead-letter blob',
  ),
  deadLetterPatienceMs: limit(
    defaultDeadLetterLimits.deadLetterPatienceMs,
    0,
    anyCount,
    'how long a dead-letter record waits for its container before it is dropped; 0: forever (Azure: 4 hours)',
  ),
  devicesPerHub: limit(
    defaultRegistryLimits.identities,
    1,
    100_000_000,
    'devices and modules of one IoT hub',
  ),
  amqpConnections: limit(
    defaultAmqpLimits.connections,
    1,
    1_000_000,
    'connections over AMQP, with those over WebSocket; one more is closed',
  ),
  hubEventBytes: limit(
    defaultHubEventsLimits.bytes,
    8 * 1024 * 1024,
    1024 ** 4,
    'messages of one IoT hub on disk, in its built-in endpoint; of more the oldest go before their time',
  ),
  hubEventReaders: limit(
    defaultHubEventsLimits.waiting,
    1,
    1_000_000,
    'requests that wait for messages of one IoT hub; one more is answered 429',
  ),
  hubRouteBacklogMessages: limit(
    defaultHubRoutesLimits.backlogMessages,
    1,
    anyCount,
    'messages of an IoT hub that wait for one routing endpoint; more are dropped',
  ),
  traceEvents: limit(10_000, 0, anyCount, 'events whose trace is kept'),
  traceBytes: limit(33_554_432, 0, anyBytes, 'memory for traces'),
  tailFollowers: limit(defaultTailLimits.followers, 0, 10_000, 'who may follow events live at a time'),
  journalBytes: limit(
    0,
    0,
    anyBytes,
    'events on disk before new ones are refused; 0: until the disk is full',
  ),
  connections: limit(defaultHttpLimits.connections, 1, 1_000_000, 'open connections of one listener'),
  headerBytes: limit(defaultHttpLimits.headerBytes, 1_024, 1_048_576, 'header of one request'),
  requestMs: limit(defaultHttpLimits.requestMs, 1_000, dayMs, 'from the first byte of a request to its last'),
  idleMs: limit(defaultHttpLimits.idleMs, 1_000, dayMs, 'a connection without a request before it is closed'),
} satisfies Record<string, Limit>

export type LimitName = keyof typeof limitTable
export type Limits = Readonly<Record<LimitName, number>>

export const defaultLimits = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits

/** The limits of publishing, in the words of that room. */
export function publishLimits(limits: Limits): PublishLimits {
  const { requestBytes, eventBytes, eventsPerRequest, jsonDepth, pendingRequests, pendingBytes } = limits
  return {
    requestBytes,
    eventBytes,
    events: eventsPerRequest,
    nesting: jsonDepth,
    pendingRequests,
    pendingBytes,
  }
}

/** What a namespace may hold for its MQTT broker, in the words of the resources. */
export function mqttQuotas(limits: Limits): MqttQuotas {
  return {
    clients: limits.mqttClients,
    caCertificates: limits.mqttCaCertificates,
    clientGroups: limits.mqttClientGroups,
    topicSpaces: limits.mqttTopicSpaces,
    templatesPerTopicSpace: limits.mqttTopicTemplates,
    templateBytes: limits.mqttTemplateBytes,
    templateSegments: limits.mqttTemplateSegments,
    permissionBindings: limits.mqttPermissionBindings,
  }
}

/** The limits of namespace topics' data plane, in the words of that room. */
export function pullLimits(limits: Limits): PullLimits {
  const { eventsPerNamespaceRequest, lockTokensPerRequest, receiveBytes, waitingReceivers } = limits
  return {
    ...publishLimits(limits),
    events: eventsPerNamespaceRequest,
    lockTokens: lockTokensPerRequest,
    receiveBytes,
    waitingReceivers,
  }
}

function limit(byDefault: number, least: number, most: number, meaning: string): Limit {
  return { default: byDefault, least, most, meaning }
}
