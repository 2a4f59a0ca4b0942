import { eventSource, eventTypes } from './event-source.ts'

const data = (stageName: string) => ({
  serialNumber: 'SampleSerialNumber',
  stageName,
  stageTime: '2022-10-12T19:38:08.0218897Z',
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-data-box */
export const dataBox = eventSource({
  service: 'data-box',
  provider: 'Microsoft.DataBox',
  displayName: 'Azure Data Box',
  description: 'Azure Data Box service events.',
  resourceType: 'Microsoft.DataBox/jobs',
  eventTypes: eventTypes(
    'Microsoft.DataBox',
    { dataVersion: '1', subject: ['/jobs/{job}', '/jobs/contoso'] },
    {
      CopyStarted: 'Triggered when the copy has started from the device and the first byte is copied.',
      CopyCompleted: 'Triggered when the copy has completed from the device.',
      OrderCompleted: 'Triggered when the order has completed copying and copy logs are available.',
    },
  ),
  documented: {
    examples: {
      CopyStarted: data('CopyStarted'),
      CopyCompleted: data('CopyCompleted'),
      OrderCompleted: data('OrderCompleted'),
    },
  },
})
