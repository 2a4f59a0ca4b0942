import type { TestContext } from 'node:test'
import { type Arm, type ArmOptions, createArmDoor, defaultSubscriptionId } from '../arm/arm.ts'
import type { Clock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { createSealer } from '../base/sealer.ts'
import type { CatalogChange } from '../catalog/catalog.ts'
import { openCatalog, type StoredCatalog } from '../catalog/stored-catalog.ts'
import { connectionOf } from '../destinations/connections.ts'
import type { Verification, VerificationRequest } from '../destinations/destination.ts'
import { listen } from '../http/http.ts'
import { createPeerOf } from '../http/peer.ts'
import { defaultLimits, mqttQuotas } from '../limits.ts'
import type { TopicTypeFacts } from '../resources/resource-type.ts'
import { MemoryDisk, openMemoryStore } from '../store/engines/memory.ts'
import type { Store } from '../store/store.ts'
import { ManualClock } from './manual-clock.ts'

/** What a test's control plane is made with; everything has a default. */
export interface ControlPlaneOptions {
  readonly eventSubscriptionsPerTopic?: number
  /** Given again, it is the disk of a control plane that was stopped. */
  readonly disk?: MemoryDisk
  /** In place of the memory engine; closed with the control plane. */
  readonly store?: Store
  readonly clock?: Clock
  /** What endpoints answer when they are asked; default: yes. */
  readonly verify?: (request: VerificationRequest, signal: AbortSignal) => Promise<Verification>
  /** Takes the events of operations; default: nobody listens. */
  readonly fanout?: ArmOptions['fanout']
  readonly authorize?: ArmOptions['authorize']
  readonly allowHttpWebhooks?: boolean
  readonly locations?: readonly string[]
  /** What is known of Azure's topic types; default: nothing. */
  readonly topicType?: (name: string) => TopicTypeFacts | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Decoded JSON; undefined when there is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
  readonly body: any
}

/** A control plane over the memory engine, served on a port of its own. */
export interface ControlPlane {
  readonly url: string
  readonly arm: Arm
  readonly catalog: StoredCatalog
  readonly disk: MemoryDisk
  readonly changes: CatalogChange[]
  readonly metrics: Metrics
  /** Sends a request as it is. */
  readonly raw: (
    method: string,
    path: string,
    body?: string,
    headers?: Record<string, string>,
  ) => Promise<Answer>
  /** Sends JSON to a path below the default subscription, with an api-version. */
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answer>
  /** Follows a polling URL once. */
  readonly poll: (answer: Answer) => Promise<Answer>
  /** Makes group `rg`, and topic `orders` in it. */
  readonly makeTopic: (properties?: Record<string, unknown>) => Promise<void>
  readonly close: () => Promise<void>
}

export const subscription = `/subscriptions/${defaultSubscriptionId}`
export const apiVersion = '2025-02-15'
export const topicPath = '/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders'
export const eventSubscriptionPath = `${topicPath}/providers/Microsoft.EventGrid/eventSubscriptions/es1`

/** A body that makes an event subscription to that URL. */
export const toWebhook = (
  properties: Record<string, unknown> = {},
  endpointUrl = 'https://example.org/hook?code=s',
) => ({
  properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl } }, ...properties },
})

const key = Buffer.alloc(32, 7)

/** The storage account that a test's configuration knows. */
export const knownAccount = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/known`

/** Where the other resources live that a test's configuration knows, each named `known`. */
export const knownProviders = `${subscription}/resourceGroups/rg/providers`
const knownConnections = new Map(
  [
    knownAccount,
    `${knownProviders}/Microsoft.Web/sites/known`,
    `${knownProviders}/Microsoft.Relay/namespaces/known`,
    `${knownProviders}/Microsoft.EventGrid/namespaces/known`,
    `${knownProviders}/Microsoft.Insights/actionGroups/known`,
  ].map((id) => [id.toLowerCase(), {}]),
)

export async function startControlPlane(
  t: TestContext,
  options: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  const { disk = new MemoryDisk(), clock = new ManualClock() } = options
  const store = options.store ?? openMemoryStore(disk)
  const log = createLog('silent')
  const metrics = new Metrics()
  const sealer = createSealer(key)
  const catalog = await openCatalog({ records: store.records, sealer, clock, log })
  const changes: CatalogChange[] = []
  catalog.onChange((change) => void changes.push(change))
  let url = ''
  const arm = await createArmDoor({
    catalog,
    records: store.records,
    sealer,
    verify: options.verify ?? (() => Promise.resolve({ kind: 'verified' })),
    authorize: options.authorize ?? (() => Promise.resolve({ name: 'tester', isOwner: true })),
    fanout: options.fanout ?? { raise: () => Promise.resolve(), isHeard: () => false },
    metrics,
    peerOf: createPeerOf(undefined),
    publicUrl: () => url,
    capabilities: {
      eventSubscriptionsPerTopic: options.eventSubscriptionsPerTopic ?? 10_000,
      domainTopicsPerDomain: 100_000,
      mqttQuotas: mqttQuotas(defaultLimits),
      ...(options.topicType && { topicType: options.topicType }),
      locations: options.locations,
      allowHttpWebhooks: options.allowHttpWebhooks ?? false,
      hasConnection: (id) => connectionOf(knownConnections, id) !== undefined,
      isNamespaceTopic: (id) => catalog.namespaces.topic(id) !== undefined,
    },
    clock,
    log,
  })
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [arm.door], log })
  url = listener.url
  await arm.resume()
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= (async () => {
      await arm.close()
      await listener.close(0)
      await store.close()
    })()
    return closed
  }
  t.after(close)

  const raw: ControlPlane['raw'] = async (method, path, body, headers = {}) => {
    const response = await fetch(path.startsWith('http') ? path : url + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== ''
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : undefined }
  }
  const call: ControlPlane['call'] = (method, path, body, headers) => {
    const version = `${path.includes('?') ? '&' : '?'}api-version=${apiVersion}`
    return raw(
      method,
      `${subscription}${path}${version}`,
      body === undefined ? undefined : JSON.stringify(body),
      headers,
    )
  }
  return {
    url,
    arm,
    catalog,
    disk,
    changes,
    metrics,
    raw,
    call,
    poll: ({ headers }) =>
      raw('GET', headers.get('azure-asyncoperation') ?? headers.get('location') ?? 'no polling URL'),
    async makeTopic(properties = {}) {
      await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
      await call('PUT', topicPath, { location: 'westus2', properties })
    },
    close,
  }
}
