import { domains } from '../resources/domains.ts'
import { type InputSchemaProperties, mappingOf } from '../resources/input-schema.ts'
import { partnerNamespaces } from '../resources/partner-namespaces.ts'
import type { PublisherAccessProperties } from '../resources/publisher-access.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'
import {
  domainEndpointPath,
  partnerNamespaceEndpointPath,
  topicEndpointPath,
} from '../resources/topic-endpoint.ts'
import { topics } from '../resources/topics.ts'
import type { Topic } from './catalog.ts'
import { createPublisherAccess } from './publisher-access.ts'

/** The types that publishers send events to, and where. */
export const endpoints: Readonly<
  Record<string, { readonly kind: Topic['kind']; path(location: string, name: string): string }>
> = {
  [topics.type]: { kind: 'topic', path: topicEndpointPath },
  [domains.type]: { kind: 'domain', path: domainEndpointPath },
  [partnerNamespaces.type]: { kind: 'partnerNamespace', path: partnerNamespaceEndpointPath },
}

/** A stored topic as the data plane knows it. */
export function decodeTopic(
  stored: StoredResource,
  { properties, secrets }: Content,
  kind: Topic['kind'],
): Topic {
  const decoded = properties as unknown as InputSchemaProperties & PublisherAccessProperties
  return {
    kind,
    id: stored.id,
    name: stored.name,
    location: stored.location as string,
    // Partners write CloudEvents and nothing else.
    inputSchema: kind === 'partnerNamespace' ? 'CloudEventSchemaV1_0' : decoded.inputSchema,
    inputSchemaMapping: mappingOf(decoded.inputSchemaMapping ?? null),
    keys: [secrets.key1 as string, secrets.key2 as string],
    ...createPublisherAccess(decoded),
    routing: properties.partnerTopicRoutingMode as Topic['routing'],
  }
}
