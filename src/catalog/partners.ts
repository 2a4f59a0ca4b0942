import { type ChannelProperties, channels } from '../resources/channels.ts'
import { type PartnerDestinationProperties, partnerDestinations } from '../resources/partner-destinations.ts'
import { partnerTopics } from '../resources/partner-topics.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'

/** What an event of a partner namespace goes by. */
export interface Channel {
  readonly id: string
  readonly source: string | undefined
  /** Its partner topic, activated or not; undefined where it has none. */
  readonly partnerTopicId: string | undefined
}

/** Where a partner takes the events of a subscriber. */
export interface PartnerDestination {
  readonly endpointUrl: string
  readonly azureActiveDirectoryTenantId: string | undefined
  readonly azureActiveDirectoryApplicationIdOrUri: string | undefined
  readonly activated: boolean
}

/** What partners and their subscribers have agreed on, as the data plane looks it up. Ids are in any letter case. */
export class Partners {
  /** By id. */
  readonly #channels = new Map<string, Channel>()
  /** By namespace and source. */
  readonly #bySource = new Map<string, Channel>()
  readonly #activated = new Set<string>()
  readonly #destinations = new Map<string, PartnerDestination>()

  channel(namespaceId: string, name: string): Channel | undefined {
    return this.#channels.get(`${namespaceId}/channels/${name}`.toLowerCase())
  }

  channelOfSource(namespaceId: string, source: string): Channel | undefined {
    return this.#bySource.get(sourceKey(namespaceId, source))
  }

  /** The partner topic whose subscriber takes the events of a channel; undefined when nobody does. */
  activeTopicOf({ partnerTopicId }: Channel): string | undefined {
    const isActive = partnerTopicId !== undefined && this.#activated.has(partnerTopicId.toLowerCase())
    return isActive ? partnerTopicId : undefined
  }

  /** Undefined also where it has no endpoint, as no channel leads to it. */
  destination(id: string): PartnerDestination | undefined {
    return this.#destinations.get(id.toLowerCase())
  }

  place(resource: StoredResource, { properties, secrets }: Content): void {
    const key = resource.id.toLowerCase()
    this.forget(resource)
    if (resource.type === channels.type) {
      const { partnerTopicInfo } = properties as unknown as ChannelProperties
      const channel = {
        id: resource.id,
        source: partnerTopicInfo?.source,
        partnerTopicId: partnerTopicInfo ? resource.twinId : undefined,
      }
      this.#channels.set(key, channel)
      if (channel.source !== undefined)
        this.#bySource.set(sourceKey(resource.parentId, channel.source), channel)
    } else if (resource.type === partnerTopics.type) {
      if (properties.activationState === 'Activated') this.#activated.add(key)
    } else if (resource.type === partnerDestinations.type && secrets.endpointUrl !== undefined) {
      const { activationState, clientAuthentication } = properties as unknown as PartnerDestinationProperties
      this.#destinations.set(key, {
        endpointUrl: secrets.endpointUrl,
        azureActiveDirectoryTenantId: clientAuthentication?.azureActiveDirectoryTenantId,
        azureActiveDirectoryApplicationIdOrUri: clientAuthentication?.azureActiveDirectoryApplicationIdOrUri,
        activated: activationState === 'Activated' && resource.twinId !== undefined,
      })
    }
  }

  forget({ id, parentId }: StoredResource): void {
    const key = id.toLowerCase()
    const channel = this.#channels.get(key)
    if (channel?.source !== undefined) {
      const bySource = sourceKey(parentId, channel.source)
      if (this.#bySource.get(bySource) === channel) this.#bySource.delete(bySource)
    }
    this.#channels.delete(key)
    this.#activated.delete(key)
    this.#destinations.delete(key)
  }
}

/** A source is told apart by letter case, as CloudEvents compare it. */
const sourceKey = (namespaceId: string, source: string) => `${namespaceId.toLowerCase()} ${source}`
