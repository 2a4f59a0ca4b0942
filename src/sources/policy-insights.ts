import { eventSource, eventTypes, exampleGroup, exampleSubscription } from './event-source.ts'

const data = (complianceState: string) => ({
  timestamp: '2021-03-27T18:37:42.4496956Z',
  policyAssignmentId: `${exampleSubscription}/providers/Microsoft.Authorization/policyAssignments/audit-vms`,
  policyDefinitionId:
    '/providers/Microsoft.Authorization/policyDefinitions/06a78e20-9358-41c9-923c-fb736d382a4d',
  policyDefinitionReferenceId: '',
  complianceState,
  subscriptionId: '00000000-0000-0000-0000-000000000000',
  complianceReasonCode: '',
})

const { created, changed, deleted } = {
  created: 'PolicyInsightsPolicyStateCreatedEventData',
  changed: 'PolicyInsightsPolicyStateChangedEventData',
  deleted: 'PolicyInsightsPolicyStateDeletedEventData',
}
const optional = ['policyDefinitionReferenceId', 'complianceReasonCode']

/** Source: learn.microsoft.com/azure/event-grid/event-schema-policy */
export const policyInsights = eventSource({
  service: 'policy-insights',
  topicType: 'Microsoft.PolicyInsights.PolicyStates',
  provider: 'Microsoft.PolicyInsights',
  displayName: 'Azure Policy States',
  description: 'Azure Policy compliance state events.',
  regionType: 'GlobalResource',
  scope: 'AzureSubscription',
  eventTypes: eventTypes(
    'Microsoft.PolicyInsights',
    {
      dataVersion: '1',
      subject: ['{resource id}', `${exampleGroup}/providers/Microsoft.Compute/virtualMachines/vm1`],
    },
    {
      PolicyStateCreated: 'Raised when a policy compliance state is created.',
      PolicyStateChanged: 'Raised when a policy compliance state is changed.',
      PolicyStateDeleted: 'Raised when a policy compliance state is deleted.',
    },
  ),
  documented: {
    examples: {
      PolicyStateCreated: data('NonCompliant'),
      PolicyStateChanged: data('Compliant'),
      PolicyStateDeleted: data('Compliant'),
    },
    corrections: { [created]: { optional }, [changed]: { optional }, [deleted]: { optional } },
  },
})
