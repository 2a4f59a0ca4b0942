import type { PublisherAccess } from '../catalog/catalog.ts'
import type { OutletSettings } from './outlet.ts'

/*
 * What the door must know of namespaces, their topics, and the event subscriptions that are received from.
 */

export interface NamespaceFacts extends PublisherAccess {
  /** ARM id. */
  readonly id: string
  readonly name: string
  /** Normalised, such as `westus2`. */
  readonly location: string
  readonly keys: readonly [string, string]
  /** Throughput units. */
  readonly capacity: number
  /** What Azure refuses is refused. */
  readonly isStrict: boolean
  /** Whether that host name, in lower case and without a port, is one that the namespace has to itself. */
  readonly isOwnHost: (host: string) => boolean
}

export interface NamespaceTopicFacts {
  readonly id: string
  readonly name: string
  /** Its own, which are good for this topic alone. */
  readonly keys: readonly [string, string]
}

export interface QueueFacts {
  readonly id: string
  readonly name: string
  /** Names its queue. */
  readonly uid: string
  /** ARM id. */
  readonly topicId: string
  readonly settings: OutletSettings
}

export interface Directory {
  /**
   * @param host in lower case, without a port
   * @param prefix the request's path up to `/topics/`; empty where the host alone names the namespace
   */
  namespaceAt(host: string, prefix: string): NamespaceFacts | undefined
  /** @param name in any letter case */
  topic(namespace: NamespaceFacts, name: string): NamespaceTopicFacts | undefined
  /** `'push'`: there is one, and it delivers its events itself. @param name in any letter case */
  queue(topic: NamespaceTopicFacts, name: string): QueueFacts | 'push' | undefined
  permits(principalIds: readonly string[], dataAction: string, resourceId: string): boolean
}
