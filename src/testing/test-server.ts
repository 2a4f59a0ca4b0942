import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { readOptions, type SettingName } from '../config.ts'
import { noJitter } from '../delivery/policy.ts'
import { eventGridSchema } from '../event/schemas/event-grid.ts'
import { defaultDecodeLimits } from '../event/schemas/schema.ts'
import { type RunningServer, startServer } from '../server.ts'
import type { TraceAnswer } from '../trace/trace.ts'
import { closeAfter, type Ending } from './close-after.ts'
import { type Answer, apiVersion, subscription } from './control-plane.ts'
import { ManualClock } from './manual-clock.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface TestServerOptions {
  /** With a manual one, `settle` is called after every callback. Default: the system's. */
  readonly clock?: Clock
  /** What the configuration file says. */
  readonly file?: Readonly<Record<string, unknown>>
  readonly flags?: Readonly<Partial<Record<SettingName, string>>>
  /** Sent to the control plane, where `file` names administrators. */
  readonly administratorKey?: string
}

export interface TestTopic {
  readonly name: string
  readonly id: string
  /** As the resource shows it. */
  readonly endpoint: string
  readonly key1: string
  readonly key2: string
}

export interface SubscribeOptions {
  readonly to: string
  /** Default: `orders`. */
  readonly topic?: string
  /** Default: `es1`. */
  readonly name?: string
  /** Of the WebHook destination, beside its URL. */
  readonly webhook?: Readonly<Record<string, unknown>>
  /** Of the event subscription, beside its destination. */
  readonly properties?: Readonly<Record<string, unknown>>
}

export interface PublishOptions {
  readonly topic?: string
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * The whole server on free ports, with a data directory of its own, over which the control plane is called as any
 * client would. What it publishes goes over HTTP; `https` and `ca` are for official clients. Group `rg` exists, and in it
 * topic `orders`.
 */
export interface TestServer {
  readonly http: string
  readonly https: string
  /** `mqtt://host:port` and `mqtts://host:port`. */
  readonly mqtt: string
  readonly mqtts: string
  /** `amqps://host:port`. */
  readonly amqps: string
  /** The authority that clients of `https` trust, in PEM. */
  readonly ca: string
  readonly dataDir: string
  /** The blob endpoint of the first storage account that is passed on. */
  readonly blobs: string
  /** Sends JSON to the control plane, to a path below the default subscription or to a whole ARM id. */
  readonly call: (method: string, path: string, body?: unknown) => Promise<Answer>
  readonly createTopic: (name?: string, properties?: Readonly<Record<string, unknown>>) => Promise<TestTopic>
  /** Makes or replaces an event subscription and expects that its endpoint agrees. Resolves with its ARM id. */
  readonly subscribe: (options: SubscribeOptions) => Promise<string>
  /** The ARM id of an event subscription. */
  readonly idOf: (name?: string, topic?: string) => string
  /** Publishes and expects 200. Members that the Event Grid schema requires are filled in. */
  readonly publish: (
    events: Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[],
    options?: PublishOptions,
  ) => Promise<void>
  /** Publishes a body as it is. */
  readonly publishRaw: (body: string | Buffer, options?: PublishOptions) => Promise<Response>
  /** Raises events in the Event Grid schema as an Azure service would. */
  readonly raise: (
    sourceId: string,
    topicType: string,
    events: readonly Readonly<Record<string, unknown>>[],
  ) => Promise<void>
  /** Messages to the devices of the IoT hub with that ARM id. */
  readonly devicebound: RunningServer['devicebound']
  /** Everything that is due has been tried. */
  readonly settle: () => Promise<void>
  readonly trace: (eventId: string) => Promise<TraceAnswer>
  /** The sum of all series of that name whose labels include these. */
  readonly metric: (name: string, labels?: Readonly<Record<string, string>>) => Promise<number>
  /** Closes and starts again on the same data directory; ports change. */
  readonly restart: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function startTestServer(
  t: Ending,
  { clock, file, flags = {}, administratorKey }: TestServerOptions = {},
): Promise<TestServer> {
  const cwd = await temporaryDirectory(t)
  const dataDir = join(cwd, 'data')
  const config = join(cwd, 'busbar.json')
  if (file) writeFileSync(config, JSON.stringify(file))
  const topics = new Map<string, TestTopic>()
  let running: RunningServer | undefined

  const open = async () => {
    const options = await readOptions({
      flags: {
        ...{ dataDir, httpPort: '0', httpsPort: '0', mqttPort: '0', mqttsPort: '0', amqpsPort: '0' },
        ...(file && { config }),
        ...flags,
      },
      cwd,
    })
    const server = await startServer(options, {
      log: createLog('silent'),
      jitter: noJitter,
      ...(clock && { clock }),
    })
    if (clock instanceof ManualClock) clock.settle = () => server.settle()
    return server
  }
  const close = async () => {
    const closing = running
    running = undefined
    await closing?.close()
  }
  const server = () => {
    assert(running, 'the server is closed')
    return running
  }
  running = await open()
  closeAfter(t, close)

  const url = (base: string | undefined) => {
    assert(base !== undefined, 'this listener is off')
    return base
  }
  const http = () => url(server().http)
  const topicId = (name: string) =>
    `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/${name}`
  const idOf: TestServer['idOf'] = (name = 'es1', topic = 'orders') =>
    `${topicId(topic)}/providers/Microsoft.EventGrid/eventSubscriptions/${name}`

  const call: TestServer['call'] = async (method, path, body) => {
    const id = path.startsWith('/subscriptions/') ? path : subscription + path
    const response = await fetch(`${http()}${id}?api-version=${apiVersion}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(administratorKey !== undefined && { authorization: `Bearer ${administratorKey}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    }
  }
  const expect = async (statuses: readonly number[], ...request: Parameters<typeof call>) => {
    const answer = await call(...request)
    assert(statuses.includes(answer.status), `${request[0]} ${request[1]}: ${JSON.stringify(answer.body)}`)
    return answer
  }
  await expect([201], 'PUT', '/resourceGroups/rg', { location: 'westus2' })

  const publishRaw: TestServer['publishRaw'] = (
    body,
    { topic = 'orders', contentType = 'application/json', headers = {} } = {},
  ) => {
    const { endpoint, key1 } = topics.get(topic) as TestTopic
    return fetch(http() + new URL(endpoint).pathname, {
      method: 'POST',
      headers: { 'content-type': contentType, 'aeg-sas-key': key1, ...headers },
      // What Node calls a body, the types call an array buffer view.
      body: body as string,
    })
  }

  const createTopic: TestServer['createTopic'] = async (name = 'orders', properties = {}) => {
    const { body } = await expect([201], 'PUT', topicId(name), { location: 'westus2', properties })
    const keys = await expect([200], 'POST', `${topicId(name)}/listKeys`)
    const topic = { name, id: topicId(name), endpoint: body.properties.endpoint, ...keys.body } as TestTopic
    topics.set(name, topic)
    return topic
  }
  await createTopic()

  return {
    get http() {
      return http()
    },
    get https() {
      return url(server().https)
    },
    get mqtt() {
      return url(server().mqtt)
    },
    get mqtts() {
      return url(server().mqtts)
    },
    get amqps() {
      return url(server().amqps)
    },
    get ca() {
      return readFileSync(server().caFile, 'utf8')
    },
    get blobs() {
      return url(Object.values(server().blobServices)[0])
    },
    dataDir,
    call,
    idOf,
    createTopic,
    async subscribe({ to, topic = 'orders', name = 'es1', webhook = {}, properties = {} }) {
      const id = idOf(name, topic)
      await expect([201], 'PUT', id, {
        properties: {
          destination: { endpointType: 'WebHook', properties: { endpointUrl: to, ...webhook } },
          ...properties,
        },
      })
      const { body } = await expect([200], 'GET', id)
      assert.equal(body.properties.provisioningState, 'Succeeded')
      return id
    },
    async publish(events, options) {
      const list = (Array.isArray(events) ? events : [events]) as Record<string, unknown>[]
      const response = await publishRaw(JSON.stringify(list.map(complete)), options)
      assert.equal(response.status, 200, await response.text())
    },
    publishRaw,
    raise(sourceId, topicType, events) {
      const { createDecoder } = eventGridSchema
      const decode = createDecoder({
        topicId: sourceId,
        domain: false,
        mapping: undefined,
        now: () => Date.now(),
        limits: defaultDecodeLimits,
      })
      const body = Buffer.from(JSON.stringify(events.map(complete)))
      return server().raise(sourceId, topicType, decode({ body, contentType: undefined, rawHeaders: [] }))
    },
    devicebound: (hubId) => server().devicebound(hubId),
    settle: () => server().settle(),
    async trace(eventId) {
      const response = await fetch(`${http()}/events/${encodeURIComponent(eventId)}/trace`)
      assert.equal(response.status, 200)
      return (await response.json()) as TraceAnswer
    },
    async metric(name, labels = {}) {
      const text = await (await fetch(`${http()}/metrics`)).text()
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
      let sum = 0
      for (const [, series = '', value] of text.matchAll(/^([^#\s]\S*(?:\{.*\})?) (\S+)$/gm)) {
        const isNamed = series === name || series.startsWith(`${name}{`)
        if (isNamed && wanted.every((label) => series.includes(label))) sum += Number(value)
      }
      return sum
    },
    async restart() {
      await close()
      running = await open()
    },
    close,
  }
}

/** An Event Grid event that says at least what every one must say. */
const complete = (event: Readonly<Record<string, unknown>>) => ({
  subject: `/orders/${String(event.id)}`,
  eventType: 'Order.Placed',
  eventTime: '2026-01-02T03:04:05.0000000Z',
  data: {},
  dataVersion: '1.0',
  ...event,
})

/** Resolves once it is true; asked again in every turn of the loop. For what no signal tells of. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition()))
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
}
