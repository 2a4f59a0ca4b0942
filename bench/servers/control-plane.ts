import { until } from '../load/monotonic.ts'

export interface BenchTopic {
  readonly id: string
  readonly endpoint: string
  readonly key: string
}

/** A namespace whose topics are published to and received from. */
export interface BenchNamespace {
  /** Up to `/topics/`. */
  readonly base: string
  readonly key: string
  createTopic(name: string): Promise<void>
  /** An event subscription that is received from, and wants every event. */
  createQueue(topic: string, name: string): Promise<void>
}

export interface EventSubscriptionShape {
  readonly endpointUrl: string
  /** Default: every event type. */
  readonly eventTypes?: readonly string[]
  /** Default: one event in a request. */
  readonly maxEventsPerBatch?: number
}

const subscription = '/subscriptions/00000000-0000-0000-0000-000000000000'
const resourceGroup = `${subscription}/resourceGroups/bench`
const createdWithinMs = 60_000

const idOf = (name: string, type: 'topics' | 'domains' | 'namespaces') =>
  `${resourceGroup}/providers/Microsoft.EventGrid/${type}/${name}`

/** Just enough of the control plane to set up a run. */
export class ControlPlane {
  readonly #url: string
  #hasGroup = false

  constructor(url: string) {
    this.#url = url
  }

  async createTopic(name: string, type: 'topics' | 'domains' = 'topics'): Promise<BenchTopic> {
    if (!this.#hasGroup) await this.#call('PUT', resourceGroup, '2021-04-01', { location: 'westus2' })
    this.#hasGroup = true
    await this.#create(idOf(name, type), { location: 'westus2', properties: {} })
    return this.topic(name, type)
  }

  /** Any resource of the group, which exists. */
  async createResource(type: string, name: string, tags: Readonly<Record<string, string>>): Promise<void> {
    await this.#call('PUT', `${resourceGroup}/providers/${type}/${name}`, undefined, {
      ...{ location: 'westus2', tags, properties: {} },
    })
  }

  /** The first page of a list in the group. */
  async list(path: string, query: Readonly<Record<string, string>>): Promise<unknown> {
    const given = new URLSearchParams({ 'api-version': '2025-02-15', ...query })
    const response = await fetch(`${this.#url}${resourceGroup}/${path}?${given.toString()}`)
    if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`)
    return response.json()
  }

  /** Any resource, by its id; the group is there. */
  async put(id: string, body: unknown): Promise<unknown> {
    return this.#call('PUT', id, undefined, body)
  }

  async post(path: string): Promise<unknown> {
    return this.#call('POST', path)
  }

  async createNamespace(name: string): Promise<BenchNamespace> {
    if (!this.#hasGroup) await this.#call('PUT', resourceGroup, '2021-04-01', { location: 'westus2' })
    this.#hasGroup = true
    await this.#create(idOf(name, 'namespaces'), { location: 'westus2' })
    return this.namespace(name)
  }

  /** A namespace that exists, with its endpoint as the server shows it now. */
  async namespace(name: string): Promise<BenchNamespace> {
    const id = idOf(name, 'namespaces')
    const { properties } = (await this.#call('GET', id)) as {
      readonly properties: { readonly topicsConfiguration: { readonly hostname: string } }
    }
    const { key1 } = (await this.#call('POST', `${id}/listKeys`)) as { readonly key1: string }
    return {
      base: `http://${properties.topicsConfiguration.hostname}`,
      key: key1,
      createTopic: (topic) => this.#create(`${id}/topics/${topic}`, { properties: {} }),
      createQueue: (topic, queue) =>
        this.#create(`${id}/topics/${topic}/eventSubscriptions/${queue}`, {
          properties: { deliveryConfiguration: { deliveryMode: 'Queue' } },
        }),
    }
  }

  /** A topic of a domain, which nobody has subscribed to yet. */
  async createDomainTopic(domainId: string, name: string): Promise<void> {
    await this.#call('PUT', `${domainId}/topics/${name}`)
  }

  /** A topic that exists, with its endpoint as the server shows it now. */
  async topic(name: string, type: 'topics' | 'domains' = 'topics'): Promise<BenchTopic> {
    const id = idOf(name, type)
    const { properties } = (await this.#call('GET', id)) as {
      readonly properties: { readonly endpoint: string }
    }
    const { key1 } = (await this.#call('POST', `${id}/listKeys`)) as { readonly key1: string }
    return { id, endpoint: properties.endpoint, key: key1 }
  }

  async createEventSubscription(topicId: string, name: string, shape: EventSubscriptionShape): Promise<void> {
    const { endpointUrl, eventTypes, maxEventsPerBatch } = shape
    await this.#create(`${topicId}/providers/Microsoft.EventGrid/eventSubscriptions/${name}`, {
      properties: {
        destination: {
          endpointType: 'WebHook',
          properties: {
            endpointUrl,
            ...(maxEventsPerBatch !== undefined && {
              maxEventsPerBatch,
              preferredBatchSizeInKilobytes: 1024,
            }),
          },
        },
        ...(eventTypes && { filter: { includedEventTypes: eventTypes } }),
        eventDeliverySchema: 'EventGridSchema',
      },
    })
  }

  async deleteEventSubscription(topicId: string, name: string): Promise<void> {
    const id = `${topicId}/providers/Microsoft.EventGrid/eventSubscriptions/${name}`
    await this.#call('DELETE', id)
    const gone = async () => (await this.#send('GET', id)).status === 404
    if (!(await until(gone, createdWithinMs))) throw new Error(`${id} was expected to be gone.`)
  }

  async #create(id: string, body: unknown): Promise<void> {
    await this.#call('PUT', id, undefined, body)
    let state = ''
    const isDone = async () => {
      const { properties } = (await this.#call('GET', id)) as {
        readonly properties: { readonly provisioningState: string }
      }
      state = properties.provisioningState
      return state === 'Succeeded' || state === 'Failed'
    }
    await until(isDone, createdWithinMs, 10)
    if (state !== 'Succeeded') throw new Error(`${id} was expected to be made; its state is ${state}.`)
  }

  async #call(method: string, id: string, apiVersion?: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, id, apiVersion, body)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${id} was answered ${response.status}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  #send(method: string, id: string, apiVersion = '2025-02-15', body?: unknown): Promise<Response> {
    return fetch(`${this.#url}${id}?api-version=${apiVersion}`, {
      method,
      headers: { authorization: 'Bearer bench', 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }
}
