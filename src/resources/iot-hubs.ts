import { RequestError } from '../base/errors.ts'
import { newAccessKey } from '../base/ids.ts'
import { invalidProperty } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  overlay,
  readArray,
  readBoolean,
  readEnum,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { bodyEtagOf } from './body-etag.ts'
import { decodeHubAccess } from './hub-access.ts'
import {
  checkStorageNames,
  decodeHubMessaging,
  fillHubMessaging,
  hubMessagingDefaults,
  keepStorageSecret,
} from './hub-messaging.ts'
import { testAllRoutes, testNewRoute } from './hub-route-tests.ts'
import { decodeRouting, routingSecret } from './hub-routing.ts'
import { refuseUnsupported } from './hub-unsupported.ts'
import { patchProperties } from './patch.ts'
import type {
  Action,
  Content,
  DecodeContext,
  EncodeContext,
  ResourceType,
  StoredResource,
} from './resource-type.ts'
import { joinSecrets, splitSecrets } from './secret-members.ts'

const type = 'Microsoft.Devices/IotHubs'

/** What a shared access policy lets its holder do. */
export const hubRights = ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'] as const
export type HubRight = (typeof hubRights)[number]

/** A shared access policy as it is sealed. */
export interface StoredHubPolicy {
  readonly keyName: string
  readonly primaryKey: string
  readonly secondaryKey: string
  /** As Azure writes them: `RegistryWrite, ServiceConnect`. */
  readonly rights: string
}

const policiesMost = 16
/** The name under which policies are sealed; no path of a secret member has it. */
const policiesSecret = 'authorizationPolicies'

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-dev-guide-sas, "Access control and permissions" */
const defaultPolicies: Readonly<Record<string, string>> = {
  iothubowner: 'RegistryWrite, ServiceConnect, DeviceConnect',
  service: 'ServiceConnect',
  device: 'DeviceConnect',
  registryRead: 'RegistryRead',
  registryReadWrite: 'RegistryWrite',
}

/** The host that clients name. Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource */
export const hubHostName = (name: string): string => `${name}.azure-devices.net`

export const policiesOf = ({ secrets }: Content): readonly StoredHubPolicy[] =>
  JSON.parse(secrets[policiesSecret] ?? '[]') as readonly StoredHubPolicy[]

/** With what is secret in them, but for the policies. */
export function hubPropertiesOf({ properties, secrets }: Content): WireObject {
  const { [policiesSecret]: _, [routingSecret]: _of, ...members } = secrets
  return joinSecrets({ properties, secrets: members })
}

/** What the hub says itself; a body that repeats it changes nothing. */
const readOnly = new Set(
  [
    'provisioningState',
    'state',
    'hostName',
    'locations',
    'authorizationPolicies',
    'privateEndpointConnections',
    // Decoded for itself.
    'routing',
  ].map((name) => name.toLowerCase()),
)

function decode(wire: WireObject, context: DecodeContext): Content {
  const { before, name } = context
  const from = fields(wire, 'properties')
  for (const flag of ['disableLocalAuth', 'disableDeviceSAS', 'disableModuleSAS']) readBoolean(from, flag)
  const { routing, secret } = decodeRouting(from, context)
  const given = Object.entries(wire).filter(
    ([member, value]) =>
      value !== null && !readOnly.has(member.toLowerCase()) && member.toLowerCase() !== 'eventhubendpoints',
  )
  const eventHubEndpoints = decodeEventHubEndpoints(from, before)
  const whole = keepStorageSecret(
    fillHubMessaging(overlay({ ...defaults(), eventHubEndpoints }, Object.fromEntries(given))),
    before && hubPropertiesOf(before),
  )
  checkStorageNames(whole)
  decodeHubAccess(whole)
  refuseUnsupported(whole)
  decodeHubMessaging(whole)
  const { properties, secrets } = splitSecrets(`${type}/${name}`, whole)
  return {
    properties: { ...properties, routing },
    secrets: {
      ...secrets,
      [policiesSecret]: JSON.stringify(decodePolicies(from, before)),
      [routingSecret]: secret,
    },
  }
}

const defaults = (): WireObject => ({
  ...hubMessagingDefaults,
  features: 'None',
})

const defaultPartitions = 4
const partitionLimits = { least: 2, most: 128 }
const daysLimits = { least: 1, most: 7 }

/**
 * How its built-in endpoint is. A hub that was stored before these were checked may say anything.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-read-builtin
 */
export function hubEventsOf({ eventHubEndpoints }: WireObject): {
  readonly partitions: number
  readonly retentionDays: number
} {
  const { events } = (eventHubEndpoints ?? {}) as { readonly events?: WireObject }
  return {
    partitions: within(events?.partitionCount, partitionLimits, defaultPartitions),
    retentionDays: within(events?.retentionTimeInDays, daysLimits, 1),
  }
}

function within(
  value: unknown,
  { least, most }: { readonly least: number; readonly most: number },
  byDefault: number,
): number {
  return Number.isInteger(value) ? Math.min(Math.max(value as number, least), most) : byDefault
}

/** How many partitions there are is decided once. What a body leaves out of them stays. */
function decodeEventHubEndpoints(from: Fields, before: Content | undefined): WireObject {
  const endpoints = readObject(from, 'eventHubEndpoints')
  const { events: _, ...others } = (from.raw('eventHubEndpoints') ?? {}) as WireObject
  const events = endpoints && readObject(endpoints, 'events')
  const known = before && hubEventsOf(before.properties)
  const count = events && readInteger(events, 'partitionCount', partitionLimits.least, partitionLimits.most)
  if (known && count !== undefined && count !== known.partitions)
    throw invalidProperty(
      'properties.eventHubEndpoints.events.partitionCount',
      `${known.partitions}: it cannot be changed once the hub is there`,
      count,
    )
  const days = events && readInteger(events, 'retentionTimeInDays', daysLimits.least, daysLimits.most)
  return {
    ...others,
    events: {
      retentionTimeInDays: days ?? known?.retentionDays ?? 1,
      partitionCount: count ?? known?.partitions ?? defaultPartitions,
    },
  }
}

/** Those that a body leaves out stay; a hub that has none gets those of every new hub. */
function decodePolicies(from: Fields, before: Content | undefined): readonly StoredHubPolicy[] {
  const known = before ? policiesOf(before) : []
  const items = readArray(from, 'authorizationPolicies', policiesMost)
  if (!items || items.length === 0) return known.length > 0 ? known : newPolicies()
  return items.map(({ value, path }) => {
    const policy = fields(value, path)
    const keyName = readString(policy, 'keyName', 64)
    if (keyName === undefined || !/^[A-Za-z0-9_.-]+$/.test(keyName))
      throw invalidProperty(`${path}.keyName`, 'letters, digits, _ . and -', keyName)
    const same = known.find((each) => each.keyName.toLowerCase() === keyName.toLowerCase())
    return {
      keyName,
      primaryKey: decodeKey(policy, 'primaryKey') ?? same?.primaryKey ?? newAccessKey(),
      secondaryKey: decodeKey(policy, 'secondaryKey') ?? same?.secondaryKey ?? newAccessKey(),
      rights: decodeRights(policy),
    }
  })
}

const newPolicies = (): readonly StoredHubPolicy[] =>
  Object.entries(defaultPolicies).map(([keyName, rights]) => ({
    ...{ keyName, rights },
    primaryKey: newAccessKey(),
    secondaryKey: newAccessKey(),
  }))

function decodeKey(policy: Fields, name: string): string | undefined {
  const key = readString(policy, name, 200)
  if (key === undefined || key === '') return undefined
  const { length } = Buffer.from(key, 'base64')
  if (length >= 16 && length <= 64 && /^[A-Za-z0-9+/]+={0,2}$/.test(key)) return key
  throw invalidProperty(policy.at(name), 'base64 of 16 to 64 bytes', 'something else')
}

function decodeRights(policy: Fields): string {
  const words = (readString(policy, 'rights', 200) ?? '').split(',').map((word) => word.trim())
  const rights = words.map((word) => hubRights.find((right) => right.toLowerCase() === word.toLowerCase()))
  if (rights.includes(undefined))
    throw invalidProperty(policy.at('rights'), `some of ${hubRights.join(', ')}, with commas between`, words)
  return rights.join(', ')
}

const listkeys: Action = (content) => ({ answer: { value: policiesOf(content) } })

const skus = ['F1', 'B1', 'B2', 'B3', 'S1', 'S2', 'S3'] as const

/** A body without one changes nothing of it; a hub that never had one is S1. */
function skuOf(from: Fields): WireObject {
  const sku = from.raw('sku')
  const given = fields(sku ?? {}, 'sku')
  const name = readEnum(given, 'name', skus) ?? 'S1'
  const tier = name === 'F1' ? 'Free' : name.startsWith('B') ? 'Basic' : 'Standard'
  return { name, tier, capacity: readInteger(given, 'capacity', 1, 200) ?? 1 }
}

export type HubSku = (typeof skus)[number]

export const hubSkuOf = (topLevel: WireObject | undefined): HubSku =>
  skuOf(fields(topLevel ?? {}, '')).name as HubSku

export const hubUnitsOf = (topLevel: WireObject | undefined): number =>
  skuOf(fields(topLevel ?? {}, '')).capacity as number

/** The service's own names for where events are read are made of the hub's. */
function encode(
  { name, properties, provisioningState, location }: StoredResource,
  { publicUrl, amqpsPort }: EncodeContext,
): WireObject {
  const { events, ...endpoints } = properties.eventHubEndpoints as { readonly events?: WireObject }
  const { partitions: count } = hubEventsOf(properties)
  return {
    ...properties,
    provisioningState,
    state: 'Active',
    hostName: hubHostName(name),
    locations: [{ location, role: 'primary' }],
    eventHubEndpoints: {
      ...endpoints,
      events: {
        ...events,
        partitionIds: Array.from({ length: count }, (_, n) => String(n)),
        path: name.toLowerCase(),
        // This server: nobody else has what the hub's devices say.
        ...(amqpsPort !== undefined && { endpoint: `sb://${new URL(publicUrl).hostname}:${amqpsPort}/` }),
      },
    },
  }
}

/**
 * IoT hubs: their registry runs here.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource
 */
export const iotHubs: ResourceType = {
  type,
  childForms: [],
  scope: 'group',
  extension: undefined,
  topLevel: ['sku'],
  tracked: true,
  hasIdentity: true,
  name: {
    pattern: /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{1,48}[a-zA-Z0-9])$/,
    rule: '3 to 50 letters, digits or hyphens, none at the ends',
  },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: ({ name }) => ({
    key: `iot hub ${name}`,
    taken: () =>
      new RequestError(409, 'IotHubNameAlreadyExists', `The IoT hub name '${name}' is already taken.`),
  }),
  quota: undefined,
  companion: undefined,
  envelope: {
    check: (body) => {
      skuOf(body)
    },
    encode: (_apiVersion, resource) => {
      const { topLevel = {}, id } = resource
      const [, , subscriptionid, , resourcegroup] = id.split('/')
      return {
        sku: skuOf(fields(topLevel, '')),
        etag: bodyEtagOf(resource),
        // Clients that are older than the id look for these.
        ...{ resourcegroup, subscriptionid },
      }
    },
  },
  decode,
  patch: patchProperties,
  encode,
  actions: {
    listkeys,
    'routing/routes/$testall': testAllRoutes,
    'routing/routes/$testnew': testNewRoute,
  },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'contoso',
    body: { location: 'westus2', sku: { name: 'S1', capacity: 1 }, tags: {}, properties: {} },
  },
}
