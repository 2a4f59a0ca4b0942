/**
 * The providers of Azure whose resources are stored here although nothing runs behind them, with the types that
 * are listed of each. A type that is not listed is taken as well: providers have hundreds, and new ones every month.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/management/azure-services-resource-providers
 */
const table: Readonly<Record<string, string>> = {
  'Microsoft.Storage':
    'storageAccounts storageAccounts/blobServices storageAccounts/blobServices/containers storageAccounts/queueServices storageAccounts/queueServices/queues storageAccounts/tableServices storageAccounts/tableServices/tables storageAccounts/fileServices storageAccounts/fileServices/shares storageAccounts/managementPolicies',
  'Microsoft.Devices': 'IotHubs IotHubs/certificates provisioningServices',
  'Microsoft.EventHub':
    'namespaces namespaces/authorizationRules namespaces/eventhubs namespaces/eventhubs/authorizationRules namespaces/eventhubs/consumergroups namespaces/networkRuleSets clusters',
  'Microsoft.ServiceBus':
    'namespaces namespaces/authorizationRules namespaces/queues namespaces/queues/authorizationRules namespaces/topics namespaces/topics/authorizationRules namespaces/topics/subscriptions namespaces/topics/subscriptions/rules namespaces/networkRuleSets',
  'Microsoft.Relay':
    'namespaces namespaces/authorizationRules namespaces/hybridConnections namespaces/hybridConnections/authorizationRules namespaces/wcfRelays',
  'Microsoft.Web':
    'sites sites/config sites/functions sites/slots sites/hostNameBindings serverfarms connections certificates staticSites hostingEnvironments',
  'Microsoft.Logic': 'workflows integrationAccounts',
  'Microsoft.KeyVault': 'vaults vaults/secrets vaults/keys vaults/accessPolicies managedHSMs',
  'Microsoft.ManagedIdentity': 'userAssignedIdentities userAssignedIdentities/federatedIdentityCredentials',
  'Microsoft.Insights':
    'components actionGroups activityLogAlerts metricAlerts scheduledQueryRules workbooks webtests autoscalesettings dataCollectionRules dataCollectionEndpoints diagnosticSettings dataCollectionRuleAssociations',
  'Microsoft.OperationalInsights': 'workspaces workspaces/tables workspaces/savedSearches',
  'Microsoft.OperationsManagement': 'solutions',
  'Microsoft.Network':
    'virtualNetworks virtualNetworks/subnets networkSecurityGroups networkSecurityGroups/securityRules networkInterfaces publicIPAddresses privateEndpoints privateEndpoints/privateDnsZoneGroups privateDnsZones privateDnsZones/virtualNetworkLinks dnsZones loadBalancers applicationGateways routeTables natGateways frontDoors',
  'Microsoft.Compute':
    'virtualMachines virtualMachines/extensions virtualMachineScaleSets disks images snapshots availabilitySets sshPublicKeys',
  'Microsoft.ContainerService': 'managedClusters managedClusters/agentPools fleets',
  'Microsoft.ContainerRegistry': 'registries registries/webhooks registries/replications',
  'Microsoft.ContainerInstance': 'containerGroups',
  'Microsoft.App': 'containerApps managedEnvironments managedEnvironments/daprComponents jobs',
  'Microsoft.Sql': 'servers servers/databases servers/firewallRules servers/elasticPools managedInstances',
  'Microsoft.DBforPostgreSQL':
    'flexibleServers flexibleServers/databases flexibleServers/firewallRules servers',
  'Microsoft.DBforMySQL': 'flexibleServers flexibleServers/databases servers',
  'Microsoft.DBforMariaDB': 'servers',
  'Microsoft.DocumentDB':
    'databaseAccounts databaseAccounts/sqlDatabases databaseAccounts/sqlDatabases/containers mongoClusters',
  'Microsoft.Cache': 'redis redisEnterprise redisEnterprise/databases',
  'Microsoft.AppConfiguration': 'configurationStores configurationStores/keyValues',
  'Microsoft.ApiManagement': 'service service/apis service/products service/backends',
  'Microsoft.SignalRService': 'signalR webPubSub',
  'Microsoft.Communication': 'communicationServices emailServices emailServices/domains',
  'Microsoft.CognitiveServices': 'accounts accounts/deployments',
  'Microsoft.MachineLearningServices': 'workspaces workspaces/computes registries',
  'Microsoft.Search': 'searchServices',
  'Microsoft.Media': 'mediaServices',
  'Microsoft.Maps': 'accounts',
  'Microsoft.HealthcareApis': 'workspaces workspaces/fhirservices workspaces/dicomservices services',
  'Microsoft.DataFactory': 'factories factories/pipelines factories/datasets factories/linkedservices',
  'Microsoft.Databricks': 'workspaces',
  'Microsoft.Synapse': 'workspaces workspaces/bigDataPools workspaces/sqlPools',
  'Microsoft.StreamAnalytics': 'streamingjobs clusters',
  'Microsoft.Kusto': 'clusters clusters/databases clusters/databases/dataConnections',
  'Microsoft.Automation': 'automationAccounts automationAccounts/runbooks',
  'Microsoft.Batch': 'batchAccounts batchAccounts/pools',
  'Microsoft.Cdn': 'profiles profiles/endpoints profiles/afdEndpoints',
  'Microsoft.Portal': 'dashboards',
  'Microsoft.NotificationHubs': 'namespaces namespaces/notificationHubs',
  'Microsoft.DigitalTwins': 'digitalTwinsInstances digitalTwinsInstances/endpoints',
  'Microsoft.IoTCentral': 'iotApps',
  'Microsoft.IoTOperations': 'instances instances/brokers instances/dataflowProfiles',
  'Microsoft.DeviceRegistry': 'assets assetEndpointProfiles schemaRegistries',
  'Microsoft.Kubernetes': 'connectedClusters',
  'Microsoft.ExtendedLocation': 'customLocations',
  'Microsoft.HybridCompute': 'machines machines/extensions',
  'Microsoft.AVS': 'privateClouds privateClouds/clusters',
  'Microsoft.ApiCenter': 'services services/workspaces',
  'Microsoft.DataBox': 'jobs',
  'Microsoft.Edge': 'sites',
  'Microsoft.RecoveryServices': 'vaults vaults/backupPolicies',
  'Microsoft.LoadTestService': 'loadTests',
  'Microsoft.Dashboard': 'grafana',
  'Microsoft.Monitor': 'accounts',
  'Microsoft.AlertsManagement': 'smartDetectorAlertRules actionRules prometheusRuleGroups',
  'Microsoft.Purview': 'accounts',
  'Microsoft.PowerBIDedicated': 'capacities',
  'Microsoft.Fabric': 'capacities',
  'Microsoft.ServiceFabric': 'clusters managedClusters',
  'Microsoft.BotService': 'botServices botServices/channels',
  'Microsoft.DevTestLab': 'labs labs/virtualmachines schedules',
  'Microsoft.Migrate': 'migrateProjects assessmentProjects',
  'Microsoft.NetApp': 'netAppAccounts netAppAccounts/capacityPools netAppAccounts/capacityPools/volumes',
  'Microsoft.VideoIndexer': 'accounts',
  'Microsoft.KubernetesConfiguration': 'extensions fluxConfigurations',
  'Microsoft.GuestConfiguration': 'guestConfigurationAssignments',
  'Microsoft.Maintenance': 'maintenanceConfigurations configurationAssignments',
  'Microsoft.PolicyInsights': 'remediations',
  'Microsoft.ServiceLinker': 'linkers',
  'Microsoft.Consumption': 'budgets',
  'Microsoft.CostManagement': 'exports',
  'Microsoft.Chaos': 'experiments targets',
}

/**
 * Those that stand on a subscription, a group or another resource, as `{scope}/providers/{type}/{name}`, by their types
 * in lower case.
 */
const extensions = new Set([
  'microsoft.insights/diagnosticsettings',
  'microsoft.insights/datacollectionruleassociations',
  'microsoft.kubernetesconfiguration/extensions',
  'microsoft.kubernetesconfiguration/fluxconfigurations',
  'microsoft.guestconfiguration/guestconfigurationassignments',
  'microsoft.maintenance/configurationassignments',
  'microsoft.policyinsights/remediations',
  'microsoft.servicelinker/linkers',
  'microsoft.consumption/budgets',
  'microsoft.costmanagement/exports',
  'microsoft.chaos/targets',
])

export const isGenericExtension = (type: string): boolean => extensions.has(type.toLowerCase())

export interface GenericProvider {
  readonly namespace: string
  /** Without the namespace. */
  readonly types: readonly string[]
}

export const genericProviders: readonly GenericProvider[] = Object.entries(table).map(
  ([namespace, types]) => ({ namespace, types: types.split(' ') }),
)

const namespaces = new Map(genericProviders.map(({ namespace }) => [namespace.toLowerCase(), namespace]))
const types = new Map(
  genericProviders.flatMap((provider) =>
    provider.types.map((word) => {
      const type = `${provider.namespace}/${word}`
      return [type.toLowerCase(), type] as const
    }),
  ),
)

/** In its registered casing; undefined when it is not a provider of Azure, or one whose resources run here. */
export const genericNamespace = (namespace: string): string | undefined =>
  namespaces.get(namespace.toLowerCase())

/** A listed type in its registered casing, by that type in any. */
export const listedGenericType = (type: string): string | undefined => types.get(type.toLowerCase())

/** The listed types of a provider, with its namespace; none of one that is not known. */
export const listedGenericTypes = (namespace: string): readonly string[] =>
  genericProviders
    .filter((provider) => provider.namespace === namespace)
    .flatMap((provider) => provider.types.map((word) => `${namespace}/${word}`))
