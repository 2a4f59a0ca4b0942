import { eventSource, eventTypes } from './event-source.ts'

/** The subject is the name of the event, and `data.name` says it again. */
const own = (name: string) => ({ dataVersion: '1.0', subject: [name, name] }) as const

const example = (name: string) => ({
  name,
  timestamp: '2020-12-09T21:50:19.9995668+00:00',
  status: 'Succeeded',
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-azure-cache */
export const cache = eventSource({
  service: 'cache',
  provider: 'Microsoft.Cache',
  displayName: 'Azure Cache for Redis',
  description: 'Azure Cache for Redis service events.',
  resourceType: 'Microsoft.Cache/Redis',
  eventTypes: eventTypes('Microsoft.Cache', own(''), {
    PatchingCompleted: {
      description: 'Triggered when patching is completed.',
      ...own('PatchingCompleted'),
    },
    ScalingCompleted: { description: 'Triggered when scaling is completed.', ...own('ScalingCompleted') },
    ExportRDBCompleted: {
      description: 'Triggered when cache data is exported.',
      ...own('ExportRDBCompleted'),
    },
    ImportRDBCompleted: {
      description: 'Triggered when cache data is imported.',
      ...own('ImportRDBCompleted'),
    },
  }),
  documented: {
    examples: {
      PatchingCompleted: example('PatchingCompleted'),
      ScalingCompleted: example('ScalingCompleted'),
      ExportRDBCompleted: example('ExportRDBCompleted'),
      ImportRDBCompleted: example('ImportRDBCompleted'),
    },
  },
})
