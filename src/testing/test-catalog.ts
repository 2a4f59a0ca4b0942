import type {
  Catalog,
  CatalogChange,
  CatalogListener,
  EventSubscription,
  SystemTopic,
  Topic,
} from '../catalog/catalog.ts'
import { MqttAccess } from '../catalog/mqtt-access.ts'
import { Namespaces } from '../catalog/namespace.ts'
import { Partners } from '../catalog/partners.ts'
import type { FilterSettings } from '../filter/filter.ts'
import { webhookTo } from './destinations.ts'

/** A catalog that a test writes by hand, for rooms that only read one. */
export class TestCatalog implements Catalog {
  readonly #topics = new Map<string, Topic>()
  /** By source, in lower case. */
  readonly systemTopics = new Map<string, SystemTopic>()
  readonly partners = new Partners()
  readonly mqtt = new MqttAccess()
  readonly namespaces = new Namespaces()
  readonly #eventSubscriptions = new Map<string, EventSubscription>()
  readonly #listeners: CatalogListener[] = []

  topic(id: string): Topic | undefined {
    return this.#topics.get(id.toLowerCase())
  }

  topics(): Iterable<Topic> {
    return this.#topics.values()
  }

  topicByEndpoint(): Topic | undefined {
    return undefined
  }

  /** By the id that a topic had before. */
  readonly moves = new Map<string, string>()

  movedTo(id: string): string | undefined {
    return this.moves.get(id)
  }

  systemTopic(id: string): SystemTopic | undefined {
    return [...this.systemTopics.values()].find((each) => each.id === id)
  }

  systemTopicOf(sourceId: string): SystemTopic | undefined {
    return this.systemTopics.get(sourceId.toLowerCase())
  }

  eventSubscriptions(): Iterable<EventSubscription> {
    return this.#eventSubscriptions.values()
  }

  eventSubscriptionsOf(topicId: string): readonly EventSubscription[] {
    return [...this.#eventSubscriptions.values()].filter((candidate) => candidate.topicId === topicId)
  }

  permits(): boolean {
    return false
  }

  onChange(listener: CatalogListener): void {
    this.#listeners.push(listener)
  }

  async putTopic(topic: Topic): Promise<void> {
    this.#topics.set(topic.id.toLowerCase(), topic)
    await this.#tell({ topics: [{ id: topic.id, topic }], eventSubscriptions: [] })
  }

  async put(after: EventSubscription): Promise<void> {
    const before = this.#eventSubscriptions.get(after.uid)
    this.#eventSubscriptions.set(after.uid, after)
    await this.#tell({ topics: [], eventSubscriptions: [{ uid: after.uid, before, after }] })
  }

  async delete(uid: string): Promise<void> {
    const before = this.#eventSubscriptions.get(uid)
    this.#eventSubscriptions.delete(uid)
    await this.#tell({ topics: [], eventSubscriptions: [{ uid, before, after: undefined }] })
  }

  async #tell(change: CatalogChange): Promise<void> {
    for (const listener of this.#listeners) await listener(change)
  }
}

export const exampleTopic: Topic = {
  kind: 'topic',
  id: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders',
  name: 'orders',
  location: 'westus2',
  inputSchema: 'EventGridSchema',
  inputSchemaMapping: undefined,
  keys: ['', ''],
  disableLocalAuth: false,
  publicNetworkAccess: true,
  allowsAddress: undefined,
  requiresTls: false,
}

export const everyEvent: FilterSettings = {
  subjectBeginsWith: '',
  subjectEndsWith: '',
  isSubjectCaseSensitive: false,
  includedEventTypes: undefined,
  enableAdvancedFilteringOnArrays: false,
  advancedFilters: [],
}

/** An event subscription of the example topic; whatever matters to the test is given. */
export function exampleEventSubscription(
  name: string,
  given: Partial<EventSubscription> = {},
): EventSubscription {
  return {
    id: `${exampleTopic.id}/providers/Microsoft.EventGrid/eventSubscriptions/${name}`,
    name,
    uid: `uid-of-${name}`,
    topicId: exampleTopic.id,
    destination: webhookTo('http://127.0.0.1:9/'),
    deliverySchema: 'EventGridSchema',
    filter: everyEvent,
    maxDeliveryAttempts: 30,
    eventTimeToLiveMs: 86_400_000,
    deadLetter: undefined,
    expiresAt: undefined,
    ...given,
  }
}
