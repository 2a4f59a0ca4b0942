import type { StoredResources } from '../resources/resource-type.ts'
import { gatewayError } from './errors.ts'
import type { ProviderBlock } from './path.ts'

/** Whether a path ends with `extensionTopics/default` of Event Grid. */
export const isExtensionTopic = ({ namespace, types, names }: ProviderBlock): boolean =>
  namespace.toLowerCase() === 'microsoft.eventgrid' &&
  types.length === 1 &&
  types[0]?.toLowerCase() === 'extensiontopics' &&
  names[0]?.toLowerCase() === 'default'

/**
 * What tells the system topic of a source. Throws 404 where the source has none.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/extension-topics/get
 */
export function encodeExtensionTopic(sourceId: string, stored: StoredResources): Record<string, unknown> {
  const systemTopic = stored.systemTopicOf(sourceId)
  if (!systemTopic) throw gatewayError(404, 'ResourceNotFound', `'${sourceId}' has no system topic.`)
  return {
    properties: { description: 'The system topic of this source.', systemTopic: systemTopic.id },
    id: `${sourceId}/providers/Microsoft.EventGrid/extensionTopics/default`,
    name: 'default',
    type: 'Microsoft.EventGrid/extensionTopics',
  }
}
