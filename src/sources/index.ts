import { apiCenter } from './api-center.ts'
import { apiManagement } from './api-management.ts'
import { appConfiguration } from './app-configuration.ts'
import { avs } from './avs.ts'
import { cache } from './cache.ts'
import { communication } from './communication.ts'
import { containerRegistry } from './container-registry.ts'
import { containerService } from './container-service.ts'
import { dataBox } from './data-box.ts'
import { devices } from './devices.ts'
import { edge } from './edge.ts'
import { eventGridControl, eventGridDomains, eventGridNamespaces, eventGridTopics } from './event-grid.ts'
import { eventHub } from './event-hub.ts'
import type { EventSource } from './event-source.ts'
import { healthcareApis } from './healthcare-apis.ts'
import { keyVault } from './key-vault.ts'
import { machineLearningServices } from './machine-learning-services.ts'
import { maps } from './maps.ts'
import { media } from './media.ts'
import { policyInsights } from './policy-insights.ts'
import {
  containerServiceEventResources,
  healthResources,
  resourceManagement,
} from './resource-notifications.ts'
import { resourceGroups, subscriptions } from './resources.ts'
import { serviceBus } from './service-bus.ts'
import { signalrService } from './signalr-service.ts'
import { storage } from './storage.ts'
import { webServerFarms, webSites } from './web.ts'

/**
 * Every event source of Azure, by its topic type's name. To add one: write the file, add the line, and run
 * `node scripts/generate-event-types.ts`.
 */
export const sources: readonly EventSource[] = [
  subscriptions,
  resourceGroups,
  storage,
  devices,
  eventGridNamespaces,
  eventGridTopics,
  eventGridDomains,
  eventGridControl,
  apiCenter,
  apiManagement,
  appConfiguration,
  avs,
  cache,
  communication,
  containerRegistry,
  containerService,
  dataBox,
  edge,
  eventHub,
  healthcareApis,
  keyVault,
  machineLearningServices,
  maps,
  media,
  policyInsights,
  healthResources,
  resourceManagement,
  containerServiceEventResources,
  serviceBus,
  signalrService,
  webSites,
  webServerFarms,
]
