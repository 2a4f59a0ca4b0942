import { RequestError } from '../base/errors.ts'

/*
 * What a command line or an SDK asks first of a cloud that it does not know: where to sign in, and for which
 * audience. The answer has had three shapes.
 *
 * Source: learn.microsoft.com/cli/azure/cloud, "az cloud register"; learn.microsoft.com/azure-stack/user/
 * azure-stack-profiles-azure-resource-manager-versions
 */

/** The first version that answers with a list of clouds, and the first that answers with one cloud. */
const listSince = '2019-05-01'
const oneSince = '2022-09-01'
const wellFormed = /^(1\.0|\d{4}-\d{2}-\d{2}(-[a-z]+)?)$/i

export const metadataPath = /^\/+metadata\/+endpoints\/?$/i

/** What a token for the control plane is asked for, whatever the name of this server. */
const audiences = ['https://management.core.windows.net/', 'https://management.azure.com/']

/**
 * Throws a `RequestError` 400 for a version that is none.
 *
 * @param base under which the client reaches this server; without a slash at its end
 */
export function cloudMetadata(base: string, version: string | null): unknown {
  if (version === null || version === '')
    throw new RequestError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    )
  if (!wellFormed.test(version))
    throw new RequestError(
      400,
      'InvalidApiVersionParameter',
      `The api-version '${version.slice(0, 64)}' is invalid. The supported versions are '${oneSince},${listSince},2015-01-01'.`,
    )
  if (version >= oneSince) return cloud(base, base)
  if (version >= listSince) return [cloud(base, offlineLogin(base))]
  return {
    galleryEndpoint: `${base}/`,
    graphEndpoint: 'https://graph.windows.net/',
    portalEndpoint: `${base}/`,
    authentication: { loginEndpoint: offlineLogin(base), audiences },
  }
}

/**
 * Command lines that read the older shapes ask Microsoft's own servers about every authority but this kind, which
 * makes them useless without the internet; whatever reads the newest appends the tenant and asks nobody.
 */
const offlineLogin = (base: string) => `${base}/adfs`

/** Services that are not here have the names that they have in Azure: clients build host names with them. */
function cloud(base: string, loginEndpoint: string): Record<string, unknown> {
  return {
    portal: `${base}/`,
    authentication: { loginEndpoint, audiences, tenant: 'common', identityProvider: 'AAD' },
    media: 'https://rest.media.azure.net',
    graphAudience: 'https://graph.windows.net/',
    graph: 'https://graph.windows.net/',
    name: 'Busbar',
    suffixes: {
      azureDataLakeStoreFileSystem: 'azuredatalakestore.net',
      acrLoginServer: 'azurecr.io',
      sqlServerHostname: 'database.windows.net',
      azureDataLakeAnalyticsCatalogAndJob: 'azuredatalakeanalytics.net',
      keyVaultDns: 'vault.azure.net',
      storage: 'core.windows.net',
      azureFrontDoorEndpointSuffix: 'azurefd.net',
      storageSyncEndpointSuffix: 'afs.azure.net',
      mhsmDns: 'managedhsm.azure.net',
      mysqlServerEndpoint: 'mysql.database.azure.com',
      postgresqlServerEndpoint: 'postgres.database.azure.com',
      mariadbServerEndpoint: 'mariadb.database.azure.com',
      synapseAnalytics: 'dev.azuresynapse.net',
      attestationEndpoint: 'attest.azure.net',
    },
    batch: 'https://batch.core.windows.net/',
    resourceManager: `${base}/`,
    vmImageAliasDoc:
      'https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json',
    activeDirectoryDataLake: 'https://datalake.azure.net/',
    sqlManagement: 'https://management.core.windows.net:8443/',
    microsoftGraphResourceId: 'https://graph.microsoft.com/',
    appInsightsResourceId: 'https://api.applicationinsights.io',
    appInsightsTelemetryChannelResourceId: 'https://dc.applicationinsights.azure.com/v2/track',
    attestationResourceId: 'https://attest.azure.net',
    synapseAnalyticsResourceId: 'https://dev.azuresynapse.net',
    logAnalyticsResourceId: 'https://api.loganalytics.io',
    ossrDbmsResourceId: 'https://ossrdbms-aad.database.windows.net',
    gallery: `${base}/`,
  }
}
