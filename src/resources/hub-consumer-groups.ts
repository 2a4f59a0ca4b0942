import { invalidProperty } from '../wire/errors.ts'
import type { WireObject } from '../wire/shape.ts'
import { fields, readString } from '../wire/shape.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

/** The group that every hub has. */
export const defaultConsumerGroup = '$Default'

/** With the one that every hub has. Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
const groupsMost = 20

/** The body may repeat the name, and says nothing else. */
function decode(wire: WireObject, { name }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const given = readString(from, 'name', 256)
  if (given !== undefined && given.toLowerCase() !== name.toLowerCase())
    throw invalidProperty('properties.name', `'${name}', as in the path`, given)
  return { properties: {}, secrets: {} }
}

/**
 * Consumer groups of a hub's built-in endpoint: who receives over Event Hubs' protocol names one.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource/create-event-hub-consumer-group
 */
export const hubConsumerGroups: ResourceType = {
  type: 'Microsoft.Devices/IotHubs/eventHubEndpoints/ConsumerGroups',
  within: { word: 'eventHubEndpoints', name: 'events' },
  childForms: [],
  scope: 'child',
  extension: undefined,
  withoutSystemData: true,
  tracked: false,
  hasIdentity: false,
  name: {
    pattern: /^[a-zA-Z0-9](?:[\w.-]{0,48}[a-zA-Z0-9])?$/,
    rule: '1 to 50 letters, digits, dots, hyphens or underscores, a letter or digit at the ends',
  },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 200, replace: 200, update: 200, delete: 200 },
  unique: undefined,
  quota: () => groupsMost - 1,
  companion: undefined,
  decode,
  patch: undefined,
  encode: ({ provisioningState, createdAt }) => ({
    created: new Date(createdAt).toUTCString(),
    provisioningState,
  }),
  actions: {},
  builtIns: [{ name: defaultConsumerGroup, properties: {} }],
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: { name: 'analytics', body: { properties: { name: 'analytics' } } },
}
