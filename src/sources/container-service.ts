import { eventSource, eventTypes } from './event-source.ts'

/** Source: learn.microsoft.com/azure/event-grid/event-schema-aks */
export const containerService = eventSource({
  service: 'container-service',
  provider: 'Microsoft.ContainerService',
  displayName: 'Azure Kubernetes Service',
  description: 'Azure Kubernetes Service events.',
  resourceType: 'Microsoft.ContainerService/managedClusters',
  eventTypes: eventTypes(
    'Microsoft.ContainerService',
    { dataVersion: '1', subject: ['{cluster}', 'contoso'] },
    {
      NewKubernetesVersionAvailable: 'Triggered when the list of available Kubernetes versions is updated.',
      ClusterSupportEnding: 'Triggered when support for the Kubernetes version of a cluster is about to end.',
      ClusterSupportEnded: 'Triggered when support for the Kubernetes version of a cluster has ended.',
      NodePoolRollingStarted: 'Triggered when the nodes of a pool begin to be updated one after the other.',
      NodePoolRollingSucceeded: 'Triggered when all nodes of a pool have been updated.',
      NodePoolRollingFailed: 'Triggered when the update of the nodes of a pool has failed.',
    },
  ),
  documented: {
    samples: {
      latestSupportedKubernetesVersion: '1.20.7',
      latestStableKubernetesVersion: '1.19.11',
      lowestMinorKubernetesVersion: '1.18.19',
      latestPreviewKubernetesVersion: '1.21.1',
      kubernetesVersion: '1.23.15',
      nodePoolName: 'nodepool1',
    },
  },
})
