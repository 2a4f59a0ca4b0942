import { suggestion } from '../base/nearest.ts'
import { regions } from '../base/regions.ts'
import type { EventSource, EventType } from '../sources/event-source.ts'
import { findTopicType, topicTypes } from '../sources/lookup.ts'
import { schemaUrl } from '../sources/schema-url.ts'
import { gatewayError } from './errors.ts'
import type { ParsedPath, ProviderBlock } from './path.ts'

/*
 * Topic types and event types, which are read and never written. Their ids begin without a slash.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/topic-types
 */

type TopicType = EventSource & { readonly topicType: string }

/**
 * What is at `/providers/Microsoft.EventGrid/topicTypes[/{topic type}[/eventTypes]]`; undefined for any other path.
 * Throws for a topic type that is not known.
 *
 * @param publicUrl where the schemas of event types are
 */
export function topicTypesAt(block: ProviderBlock, publicUrl: string): unknown {
  if (block.namespace.toLowerCase() !== 'microsoft.eventgrid') return undefined
  const [name = ''] = block.names
  switch (`${block.types.join('/').toLowerCase()}:${block.names.length}`) {
    case 'topictypes:0':
      return { value: topicTypes.map(encodeTopicType) }
    case 'topictypes:1':
      return encodeTopicType(topicTypeNamed(name))
    case 'topictypes/eventtypes:1':
      return encodeEventTypes(topicTypeNamed(name), publicUrl)
    default:
      return undefined
  }
}

/** What is at `{source}/providers/Microsoft.EventGrid/eventTypes`; undefined for any other path. */
export function eventTypesAt(path: ParsedPath, publicUrl: string): unknown {
  const block = path.blocks.at(-1)
  if (
    block?.namespace.toLowerCase() !== 'microsoft.eventgrid' ||
    block.names.length > 0 ||
    block.types.join('/').toLowerCase() !== 'eventtypes'
  )
    return undefined
  const source = path.blocks.at(-2)
  const resourceType = source && `${source.namespace}/${source.types.join('/')}`
  const scope = path.group === undefined ? 'AzureSubscription' : 'ResourceGroup'
  const found = topicTypes.find((topicType) =>
    resourceType === undefined
      ? topicType.scope === scope
      : topicType.resourceType?.toLowerCase() === resourceType.toLowerCase(),
  )
  if (!found) {
    const known = topicTypes.flatMap(({ resourceType: each }) => each ?? [])
    throw gatewayError(
      404,
      'NotFound',
      `Resources of type '${resourceType}' raise no events.${suggestion(resourceType ?? '', known)}`,
    )
  }
  return encodeEventTypes(found, publicUrl)
}

function topicTypeNamed(name: string): TopicType {
  const found = findTopicType(name)
  if (found) return found
  const known = topicTypes.map(({ topicType }) => topicType)
  throw gatewayError(
    404,
    'ResourceNotFound',
    `The topic type '${name}' is not known.${suggestion(name, known)}`,
  )
}

const idOf = ({ topicType }: TopicType) => `providers/Microsoft.EventGrid/topicTypes/${topicType}`

function encodeTopicType(topicType: TopicType) {
  const { provider, displayName, description, regionType, scope } = topicType
  return {
    properties: {
      provider,
      displayName,
      description,
      resourceRegionType: regionType,
      provisioningState: 'Succeeded',
      supportedLocations:
        regionType === 'RegionalResource' ? regions.map((region) => region.displayName) : null,
      sourceResourceFormat: scope === 'AzureSubscription' ? '/subscriptions/<subscriptionId>' : null,
      supportedScopesForSource: [scope],
    },
    id: idOf(topicType),
    name: topicType.topicType,
    type: 'Microsoft.EventGrid/topicTypes',
  }
}

const encodeEventTypes = (topicType: TopicType, publicUrl: string) => ({
  value: topicType.eventTypes.map((eventType) => encodeEventType(topicType, eventType, publicUrl)),
})

const encodeEventType = (
  topicType: TopicType,
  { name, displayName, description, isInDefaultSet }: EventType,
  publicUrl: string,
) => ({
  properties: { displayName, description, schemaUrl: schemaUrl(publicUrl, name), isInDefaultSet },
  id: `${idOf(topicType)}/eventTypes/${name}`,
  name,
  type: 'Microsoft.EventGrid/topicTypes/eventTypes',
})
