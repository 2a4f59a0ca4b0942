import type { Namespace, NamespaceTopic } from './namespace.ts'

/** The namespaces that there are, with their topics. Ids, names and hosts are in any letter case. */
export class Namespaces {
  /** By id. */
  readonly #namespaces = new Map<string, Namespace>()
  readonly #byPath = new Map<string, Namespace>()
  readonly #byTopicHost = new Map<string, Namespace>()
  readonly #byMqttHost = new Map<string, Namespace>()
  /** By id. */
  readonly #topics = new Map<string, NamespaceTopic>()

  get(id: string): Namespace | undefined {
    return this.#namespaces.get(id.toLowerCase())
  }

  all(): Iterable<Namespace> {
    return this.#namespaces.values()
  }

  /** The only one; undefined where there is none or more than one. */
  only(): Namespace | undefined {
    return this.#namespaces.size === 1 ? this.#namespaces.values().next().value : undefined
  }

  /** By what the paths of its topics begin with, such as `/namespaces/westus2/contoso`. */
  byPath(path: string): Namespace | undefined {
    return this.#byPath.get(path.toLowerCase())
  }

  /** By a host name, without a port, that its topics have to themselves. */
  byTopicHost(host: string): Namespace | undefined {
    return this.#byTopicHost.get(host.toLowerCase())
  }

  /** By a host name, without a port, that its MQTT broker has to itself. */
  byMqttHost(host: string): Namespace | undefined {
    return this.#byMqttHost.get(host.toLowerCase())
  }

  topic(id: string): NamespaceTopic | undefined {
    return this.#topics.get(id.toLowerCase())
  }

  topicOf(namespaceId: string, name: string): NamespaceTopic | undefined {
    return this.topic(`${namespaceId}/topics/${name}`)
  }

  topics(): Iterable<NamespaceTopic> {
    return this.#topics.values()
  }

  place(namespace: Namespace): void {
    this.forget(namespace.id)
    this.#namespaces.set(namespace.id.toLowerCase(), namespace)
    this.#byPath.set(namespace.path, namespace)
    for (const host of namespace.topicHosts) this.#byTopicHost.set(host, namespace)
    for (const host of namespace.mqtt?.hosts ?? []) this.#byMqttHost.set(host, namespace)
  }

  forget(id: string): void {
    const key = id.toLowerCase()
    const namespace = this.#namespaces.get(key)
    if (!namespace) return
    this.#namespaces.delete(key)
    this.#byPath.delete(namespace.path)
    for (const host of namespace.topicHosts) this.#byTopicHost.delete(host)
    for (const host of namespace.mqtt?.hosts ?? []) this.#byMqttHost.delete(host)
  }

  placeTopic(topic: NamespaceTopic): void {
    this.#topics.set(topic.id.toLowerCase(), topic)
  }

  forgetTopic(id: string): void {
    this.#topics.delete(id.toLowerCase())
  }
}
