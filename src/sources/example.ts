import { type EventSource, exampleGroup, exampleSubscription } from './event-source.ts'

/** A source of that kind, as an ARM id; for examples, and where a caller names none. */
export function exampleSource({ scope, resourceType, exampleName }: EventSource): string {
  if (scope === 'AzureSubscription' || resourceType === undefined)
    return scope === 'ResourceGroup' ? exampleGroup : exampleSubscription
  return `${exampleGroup}/providers/${resourceType}/${exampleName}`
}

/** `topic` as the service writes it on the events of that source. */
export const topicOf = ({ upperCaseTopic }: EventSource, sourceId: string): string =>
  upperCaseTopic ? sourceId.toUpperCase() : sourceId

export const exampleTopic = (source: EventSource): string => topicOf(source, exampleSource(source))
