import type { Section } from '../rule.ts'
import { access } from './access.ts'
import { blobStorage } from './blob-storage.ts'
import { clients } from './clients.ts'
import { controlPlane } from './control-plane.ts'
import { delivery } from './delivery.ts'
import { destinations } from './destinations.ts'
import { domains } from './domains.ts'
import { eventSubscriptions } from './event-subscriptions.ts'
import { filters } from './filters.ts'
import { iotHub } from './iot-hub.ts'
import { iotHubOperations } from './iot-hub-operations.ts'
import { limits } from './limits.ts'
import { mqttBroker } from './mqtt-broker.ts'
import { mqttClients } from './mqtt-clients.ts'
import { mqttConnections } from './mqtt-connections.ts'
import { mqttLifecycle, mqttRouting, mqttSessions } from './mqtt-messages.ts'
import { namespaceTopics } from './namespace-topics.ts'
import { namespaces } from './namespaces.ts'
import { observing } from './observing.ts'
import { partners } from './partners.ts'
import { publish } from './publish.ts'
import { refusals } from './refused.ts'
import { resourceEvents } from './resource-events.ts'
import { resourceManager } from './resource-manager.ts'
import { roles } from './roles.ts'
import { schemas } from './schemas.ts'
import { systemTopics } from './system-topics.ts'
import { webhooks } from './webhooks.ts'

/** Every section of docs/compatibility.md, in its order. To add one: write the file, add the line. */
export const sections: readonly Section[] = [
  clients,
  controlPlane,
  resourceManager,
  publish,
  access,
  roles,
  schemas,
  domains,
  systemTopics,
  resourceEvents,
  partners,
  eventSubscriptions,
  filters,
  webhooks,
  destinations,
  delivery,
  blobStorage,
  iotHub,
  ...iotHubOperations,
  mqttBroker,
  mqttClients,
  mqttSessions,
  mqttRouting,
  mqttLifecycle,
  mqttConnections,
  namespaces,
  namespaceTopics,
  limits,
  observing,
  refusals,
]
