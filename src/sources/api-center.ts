import { eventSource, eventTypes } from './event-source.ts'

/** Source: learn.microsoft.com/azure/event-grid/event-schema-api-center */
export const apiCenter = eventSource({
  service: 'api-center',
  provider: 'Microsoft.ApiCenter',
  displayName: 'Azure API Center',
  description: 'Azure API Center service events.',
  resourceType: 'Microsoft.ApiCenter/services',
  eventTypes: eventTypes(
    'Microsoft.ApiCenter',
    {
      dataVersion: '1.0',
      subject: [
        '/workspaces/{workspace}/apis/{api}/versions/{version}/definitions/{definition}',
        '/workspaces/default/apis/echo-api/versions/1-0/definitions/openapi',
      ],
    },
    {
      ApiDefinitionAdded: 'Raised when an API definition is added.',
      ApiDefinitionUpdated: 'Raised when an API definition is updated.',
    },
  ),
  documented: {
    samples: {
      title: 'OpenAPI',
      description: 'Definition of the echo API',
      name: 'openapi',
      version: '3.0.1',
    },
    corrections: {
      ApiCenterApiDefinitionAddedEventData: { optional: ['description'] },
      ApiCenterApiDefinitionUpdatedEventData: { optional: ['description'] },
    },
  },
})
