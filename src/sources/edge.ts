import { eventSource, eventTypes, exampleGroup } from './event-source.ts'

const target = `${exampleGroup}/providers/Microsoft.Edge/targets/mytarget`
const template = `${exampleGroup}/providers/Microsoft.Edge/solutionTemplates/mytemplate`
const version = `${target}/solutions/mysolution/versions/1.0.0`

/** Source: learn.microsoft.com/azure/azure-arc/workload-orchestration/external-validation */
export const edge = eventSource({
  service: 'edge',
  provider: 'Microsoft.Edge',
  displayName: 'Azure Arc workload orchestration',
  description: 'Workload orchestration events.',
  resourceType: 'Microsoft.Edge/contexts',
  eventTypes: eventTypes(
    'Microsoft.Edge',
    { dataVersion: '1', subject: ['{solution version id}', version] },
    { SolutionVersionPublished: 'Raised when a solution version is published.' },
  ),
  documented: {
    examples: {
      SolutionVersionPublished: {
        externalValidationId: '7d3a5a5e-0a5e-4bd2-8a6c-2f4f8b1f6c11',
        targetId: target,
        solutionTemplateId: template,
        solutionTemplateVersionId: `${template}/versions/1.0.0`,
        solutionVersionId: version,
        apiVersion: '2025-01-01-preview',
        callbackUrl: `https://management.azure.com${target}/updateExternalValidationStatus?api-version=2025-01-01-preview`,
      },
    },
  },
})
