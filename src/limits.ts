import { defaultArmBodyBytes } from './arm/body.ts'
import { defaultDeadLetterLimits } from './delivery/dead-letter-writer.ts'
import { defaultHttpLimits } from './http/http.ts'
import { defaultPublishLimits, type PublishLimits } from './publish/limits.ts'
import { defaultPullLimits, type PullLimits } from './pull/limits.ts'
import { defaultRegistryLimits } from './registry/limits.ts'
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
