import type { Catalog, Topic } from '../catalog/catalog.ts'
import type { GridEvent } from '../event/event.ts'
import type { HttpRequest } from '../http/http.ts'
import { channelNotFound, missingChannelName } from './errors.ts'

/** The ARM id of what an event goes to beside the topic that it was published to; undefined: nothing. */
export type TopicOf = (event: GridEvent) => string | undefined

/**
 * Which partner topic the events of a request are for: that of the channel which the request names, or of the channel
 * whose source an event has. Where the subscriber has not activated it, the events are wanted by nobody.
 *
 * @returns undefined where the events themselves say all there is to say
 *
 * Source: learn.microsoft.com/azure/event-grid/onboard-partner, "Partner topic routing mode"
 */
export function routeOf({ partners }: Catalog, request: HttpRequest, topic: Topic): TopicOf | undefined {
  if (topic.kind !== 'partnerNamespace') return undefined
  if (topic.routing === 'ChannelNameHeader') {
    const name = request.headers['aeg-channel-name']
    if (typeof name !== 'string' || name === '') throw missingChannelName()
    const channel = partners.channel(topic.id, name)
    if (!channel) throw channelNotFound(name, topic.name)
    const partnerTopicId = partners.activeTopicOf(channel)
    return () => partnerTopicId
  }
  return ({ envelope }) => {
    const channel = partners.channelOfSource(topic.id, envelope['source'] as string)
    return channel && partners.activeTopicOf(channel)
  }
}
