import { eventSource, eventTypes } from './event-source.ts'

const geometry = (distance: number) => ({
  expiredGeofenceGeometryId: [],
  geometries: [
    {
      deviceId: 'device_1',
      distance,
      geometryId: '2',
      nearestLat: 47.618786,
      nearestLon: -122.132151,
      udId: '1a13b444-4acf-32ab-ce4e-9ca4af20b169',
    },
  ],
  invalidPeriodGeofenceGeometryId: [],
  isEventPublished: true,
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-azure-maps */
export const maps = eventSource({
  service: 'maps',
  provider: 'Microsoft.Maps',
  displayName: 'Azure Maps Accounts',
  description: 'Azure Maps account events.',
  regionType: 'GlobalResource',
  resourceType: 'Microsoft.Maps/accounts',
  eventTypes: eventTypes(
    'Microsoft.Maps',
    {
      dataVersion: '1.0',
      subject: [
        '/spatial/geofence/udid/{udid}/id/{event id}',
        '/spatial/geofence/udid/1a13b444-4acf-32ab-ce4e-9ca4af20b169/id/7f8446e2-1ac7-4234-8425-303726ea3981',
      ],
    },
    {
      GeofenceEntered:
        'Raised when received coordinates have moved from outside of a given geofence to within.',
      GeofenceExited: 'Raised when received coordinates have moved from within a given geofence to outside.',
      GeofenceResult: 'Raised every time a geofencing query returns a result, regardless of the state.',
    },
  ),
  documented: {
    examples: {
      GeofenceEntered: geometry(-999),
      GeofenceExited: geometry(999),
      GeofenceResult: geometry(-999),
    },
    corrections: Object.fromEntries(
      ['Entered', 'Exited', 'Result'].map((name) => [
        `MapsGeofence${name}EventData`,
        { optional: ['isEventPublished'] },
      ]),
    ),
  },
})
