import { caCertificates } from './ca-certificates.ts'
import { channels } from './channels.ts'
import { clientGroups } from './client-groups.ts'
import { customRoles } from './custom-roles.ts'
import { domainTopics } from './domain-topics.ts'
import { domains } from './domains.ts'
import { eventSubscriptions } from './event-subscriptions/event-subscriptions.ts'
import { hubCertificates } from './hub-certificates.ts'
import { hubConsumerGroups } from './hub-consumer-groups.ts'
import { iotHubs } from './iot-hubs.ts'
import { managementLocks } from './management-locks.ts'
import { namespaceClients } from './namespace-clients.ts'
import { namespaceEventSubscriptions } from './namespace-event-subscriptions.ts'
import { namespaceTopics } from './namespace-topics.ts'
import { namespaces } from './namespaces.ts'
import { partnerConfigurations } from './partner-configurations.ts'
import { partnerDestinations } from './partner-destinations.ts'
import { partnerNamespaces } from './partner-namespaces.ts'
import { partnerRegistrations } from './partner-registrations.ts'
import { partnerTopics } from './partner-topics.ts'
import { permissionBindings } from './permission-bindings.ts'
import { privateEndpointConnections, privateLinkGroups } from './private-endpoint-connections.ts'
import { resourceGroups } from './resource-groups.ts'
import type { ResourceType } from './resource-type.ts'
import { roleAssignments } from './role-assignments.ts'
import { systemTopics } from './system-topics.ts'
import { topicSpaces } from './topic-spaces.ts'
import { topics } from './topics.ts'

/** Every resource type. To add one: write the file, add the line. A parent comes before what may be put on it. */
export const resourceTypes: readonly ResourceType[] = [
  resourceGroups,
  topics,
  domains,
  domainTopics,
  systemTopics,
  partnerRegistrations,
  partnerConfigurations,
  partnerNamespaces,
  partnerTopics,
  partnerDestinations,
  channels,
  iotHubs,
  hubCertificates,
  hubConsumerGroups,
  namespaces,
  namespaceTopics,
  namespaceEventSubscriptions,
  caCertificates,
  namespaceClients,
  clientGroups,
  topicSpaces,
  permissionBindings,
  ...Object.keys(privateLinkGroups).map(privateEndpointConnections),
  eventSubscriptions,
  customRoles,
  roleAssignments,
  managementLocks,
]
