import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.AVS'
const dataVersion = '1.0'

/** Source: learn.microsoft.com/azure/event-grid/event-schema-azure-vmware-solution */
export const avs = eventSource({
  service: 'avs',
  provider: prefix,
  displayName: 'Azure VMware Solution',
  description: 'Azure VMware Solution service events.',
  resourceType: 'Microsoft.AVS/privateClouds',
  eventTypes: [
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/clusters/{cluster}', '/clusters/Cluster-1'] },
      {
        ClusterCreated: 'Raised when a cluster is created.',
        ClusterUpdating: 'Raised when an update of a cluster has begun.',
        ClusterUpdated: 'Raised when a cluster is updated.',
        ClusterDeleted: 'Raised when a cluster is deleted.',
        ClusterFailed: 'Raised when an operation on a cluster has failed.',
      },
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/privateClouds/{privateCloud}', '/privateClouds/contoso'] },
      {
        PrivateCloudUpdating: 'Raised when an update of a private cloud has begun.',
        PrivateCloudUpdated: 'Raised when a private cloud is updated.',
        PrivateCloudFailed: 'Raised when an operation on a private cloud has failed.',
      },
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/scriptExecutions/{scriptExecution}', '/scriptExecutions/execution1'] },
      {
        ScriptExecutionStarted: 'Raised when a script execution has started.',
        ScriptExecutionFinished: 'Raised when a script execution has finished.',
        ScriptExecutionFailed: 'Raised when a script execution has failed.',
        ScriptExecutionCancelled: 'Raised when a script execution is cancelled.',
      },
    ),
  ],
  documented: {
    samples: {
      addedHostNames: ['esx15-r03.contoso.westus2.avs.azure.com'],
      removedHostNames: [],
      inMaintenanceHostNames: [],
      cmdletId: '{topic}/scriptPackages/Microsoft.AVS.Management@5.0.0/scriptCmdlets/Set-VmotionProtection',
      output: ['The cmdlet has run.'],
      namedOutputs: {},
      failureMessage: 'Host could not be added.',
    },
  },
})
