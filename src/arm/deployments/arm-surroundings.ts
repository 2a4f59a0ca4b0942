import type { Clock } from '../../base/clock.ts'
import { newGuid } from '../../base/ids.ts'
import type { StoredCatalog } from '../../catalog/stored-catalog.ts'
import type { ObjectValue, Value } from '../../templates/language/value.ts'
import type { Surroundings } from '../../templates/templates.ts'
import { groupType } from '../../wire/arm-id.ts'
import { encodeProvider, encodeSubscription, encodeTenant } from '../directory.ts'
import { encodeResource } from '../envelope.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import type { Subscriptions } from '../subscriptions.ts'

export interface SurroundingsOptions {
  readonly catalog: StoredCatalog
  readonly refs: ResourceRefs
  readonly subscriptions: Subscriptions
  readonly tenantId: string
  readonly publicUrl: () => string
  readonly clock: Clock
}

/**
 * What a template may learn of this server.
 *
 * @param scopeSubscription id of the subscription that is deployed to
 */
export function createSurroundings(options: SurroundingsOptions, scopeSubscription: string): Surroundings {
  const { catalog, refs, subscriptions, tenantId, publicUrl, clock } = options
  return {
    now: clock.now(),
    newGuid,
    environment: environmentOf(publicUrl(), tenantId),
    tenant: encodeTenant(tenantId),
    subscription(id) {
      const found = subscriptions.find(id)
      return found && encodeSubscription(found, tenantId)
    },
    resourceGroup(id, name) {
      const ref = refs.group(id.toLowerCase(), name)
      const found = catalog.find(groupType, ref.id)?.resource
      return (
        found &&
        (encodeResource(found, ref.type, found, { publicUrl: publicUrl() }) as unknown as ObjectValue)
      )
    },
    managementGroup: () => undefined,
    providers(namespace, type) {
      const provider = encodeProvider(namespace, `/subscriptions/${scopeSubscription}`)
      if (!provider || type === undefined) return provider as unknown as Value | undefined
      const types = provider.resourceTypes as readonly ObjectValue[]
      return types.find((each) => (each.resourceType as string).toLowerCase() === type.toLowerCase())
    },
  }
}

/** Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-deployment, "environment" */
const environmentOf = (url: string, tenantId: string): ObjectValue => ({
  name: 'Busbar',
  gallery: url,
  graph: url,
  portal: url,
  graphAudience: url,
  activeDirectoryDataLake: url,
  batch: url,
  media: url,
  sqlManagement: url,
  vmImageAliasDoc: url,
  resourceManager: `${url}/`,
  authentication: {
    loginEndpoint: `${url}/`,
    audiences: ['https://management.core.windows.net/', 'https://management.azure.com/'],
    tenant: tenantId,
    identityProvider: 'AAD',
  },
  suffixes: {
    acrLoginServer: '.azurecr.io',
    azureDatalakeAnalyticsCatalogAndJob: 'azuredatalakeanalytics.net',
    azureDatalakeStoreFileSystem: 'azuredatalakestore.net',
    azureFrontDoorEndpointSuffix: 'azurefd.net',
    keyvaultDns: '.vault.azure.net',
    sqlServerHostname: '.database.windows.net',
    storage: 'core.windows.net',
  },
})
