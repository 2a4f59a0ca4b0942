import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http'
import type { TestContext } from 'node:test'
import { TokenRefused } from '../auth/token-refused.ts'
import { createSystemClock } from '../base/clock.ts'
import { newAccessKey } from '../base/ids.ts'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import type { Catalog, Topic } from '../catalog/catalog.ts'
import { MqttAccess } from '../catalog/mqtt-access.ts'
import { Namespaces } from '../catalog/namespace.ts'
import { Partners } from '../catalog/partners.ts'
import type { GridEvent } from '../event/event.ts'
import { listen } from '../http/http.ts'
import { createPublishDoor, type PublishDoorOptions } from '../publish/publish.ts'

export interface PublishServer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly metrics: Metrics
  /** What has been accepted, in order. */
  readonly accepted: GridEvent[]
  /** Called before anything is accepted; may wait or throw. */
  onAccept: () => Promise<void> | void
  topic(name: string): Topic
  /** Replaces a topic as an update would. */
  change(name: string, properties: Partial<Topic>): void
}

/**
 * The publish door alone, on a real socket, with topics `events` (Event Grid schema) and `clouds` (CloudEvents)
 * at `/topics/<name>/api/events`.
 */
export async function startPublishServer(
  t: Pick<TestContext, 'after'>,
  options: Partial<
    Pick<PublishDoorOptions, 'limits' | 'publicHosts' | 'clock' | 'readBearer' | 'peerOf'>
  > = {},
): Promise<PublishServer> {
  const topics = new Map<string, Topic>()
  for (const [name, inputSchema] of [
    ['events', 'EventGridSchema'],
    ['clouds', 'CloudEventSchemaV1_0'],
  ] as const)
    topics.set(name, {
      kind: 'topic',
      id: `/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/topics/${name}`,
      name,
      location: 'westus2',
      inputSchema,
      inputSchemaMapping: undefined,
      keys: [newAccessKey(), newAccessKey()],
      disableLocalAuth: false,
      publicNetworkAccess: true,
      allowsAddress: undefined,
      requiresTls: false,
    })
  const find = (host: string, path: string): Topic | undefined =>
    topics.get(
      /^\/topics\/(\w+)\/api\/events$/.exec(path.toLowerCase())?.[1] ??
        /^(\w+)\.westus2-1\.eventgrid\.azure\.net$/.exec(host)?.[1] ??
        '',
    )
  const catalog: Catalog = {
    topic: (id) => [...topics.values()].find((topic) => topic.id === id),
    topics: () => topics.values(),
    movedTo: () => undefined,
    topicByEndpoint: find,
    systemTopic: () => undefined,
    partners: new Partners(),
    mqtt: new MqttAccess(),
    namespaces: new Namespaces(),
    systemTopicOf: () => undefined,
    eventSubscriptions: () => [],
    eventSubscriptionsOf: () => [],
    permits: () => false,
    onChange: () => {},
  }
  const accepted: GridEvent[] = []
  const metrics = new Metrics()
  const log = createLog('silent')
  const door = createPublishDoor({
    catalog,
    accept: async (_topic, events) => {
      await server.onAccept()
      accepted.push(...events)
    },
    clock: createSystemClock(),
    log,
    metrics,
    readBearer: () => Promise.reject(new TokenRefused('No issuer is trusted here.')),
    ...options,
  })
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [door], log })
  t.after(() => listener.close(0))
  const named = (name: string) => {
    const topic = topics.get(name)
    if (!topic) throw new Error(`There is no topic '${name}'.`)
    return topic
  }
  const server: PublishServer = {
    url: listener.url,
    metrics,
    accepted,
    onAccept: () => {},
    topic: named,
    change: (name, properties) => topics.set(name, { ...named(name), ...properties }),
  }
  return server
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** `error.code`, and `error.details[0].code`. */
  readonly code: string | undefined
  readonly detailCode: string | undefined
}

/** One request exactly as given: `fetch` would tidy it up. */
export function sendRaw(
  url: string,
  method: string,
  headers: OutgoingHttpHeaders,
  body: string | Buffer = '',
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const error = text === '' ? undefined : (JSON.parse(text) as ErrorBody).error
        const { statusCode: status = 0, headers: answered } = response
        resolve({
          status,
          headers: answered,
          text,
          code: error?.code,
          detailCode: error?.details?.[0]?.code,
        })
      })
    })
    request.on('error', reject)
    // As bytes: with a string, the headers would be written in the string's encoding too.
    request.end(Buffer.from(body))
  })
}

interface ErrorBody {
  readonly error: { readonly code: string; readonly details?: readonly { readonly code: string }[] }
}
