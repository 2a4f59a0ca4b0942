import { eventSource, eventTypes } from './event-source.ts'

/** Source: learn.microsoft.com/azure/event-grid/event-schema-app-configuration */
export const appConfiguration = eventSource({
  service: 'app-configuration',
  provider: 'Microsoft.AppConfiguration',
  displayName: 'Azure App Configuration',
  description: 'Azure App Configuration service events.',
  resourceType: 'Microsoft.AppConfiguration/configurationStores',
  eventTypes: [
    ...eventTypes(
      'Microsoft.AppConfiguration',
      {
        dataVersion: '1',
        subject: [
          'https://{store}.azconfig.io/kv/{key}?label={label}',
          'https://contoso.azconfig.io/kv/Foo?label=FizzBuzz',
        ],
      },
      {
        KeyValueModified: 'Raised when a key-value is created or replaced.',
        KeyValueDeleted: 'Raised when a key-value is deleted.',
      },
    ),
    ...eventTypes(
      'Microsoft.AppConfiguration',
      {
        dataVersion: '1',
        subject: [
          'https://{store}.azconfig.io/snapshots/{snapshot}',
          'https://contoso.azconfig.io/snapshots/Foo',
        ],
      },
      {
        SnapshotCreated: 'Raised when a snapshot is created.',
        SnapshotModified: 'Raised when a snapshot is modified.',
      },
    ),
  ],
  documented: {
    samples: {
      key: 'Foo',
      label: 'FizzBuzz',
      name: 'Foo',
      etag: 'FnUExLaj2moIi4tJX9AXn9sakm0',
      syncToken: 'zAJw6V16=Njo1IzUxNjQ2NzM=;sn=5164673',
    },
    // A key-value without a label; samples from before synchronisation tokens.
    corrections: {
      AppConfigurationKeyValueModifiedEventData: { optional: ['label', 'syncToken'] },
      AppConfigurationKeyValueDeletedEventData: { optional: ['label', 'syncToken'] },
    },
  },
})
