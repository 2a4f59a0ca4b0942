import { mappingOf } from '../resources/input-schema.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'
import type { TopicProperties } from '../resources/topics.ts'
import type { Topic } from './catalog.ts'

/** A stored topic as the data plane knows it. */
export function decodeTopic(stored: StoredResource, { properties, secrets }: Content): Topic {
  const { inputSchema, inputSchemaMapping, disableLocalAuth, publicNetworkAccess } =
    properties as unknown as TopicProperties
  return {
    id: stored.id,
    name: stored.name,
    location: stored.location as string,
    inputSchema,
    inputSchemaMapping: mappingOf(inputSchemaMapping),
    keys: [secrets.key1 as string, secrets.key2 as string],
    disableLocalAuth,
    publicNetworkAccess: publicNetworkAccess === 'Enabled',
  }
}
