import { storageEndpoints } from '../destinations/storage-connection.ts'
import { durationMs, readDuration } from '../wire/duration.ts'
import { invalidProperty } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  overlay,
  readBoolean,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'

/*
 * What an IoT hub says of messages to devices, of their feedback, and of files that devices upload.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource/create-or-update, and
 * learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d, "Cloud-to-device configuration options"
 */

/** Of a queue that the service side reads. */
export interface NoticeSettings {
  readonly lockMs: number
  readonly ttlMs: number
  readonly maxDeliveryCount: number
}

export interface HubMessaging {
  readonly cloudToDevice: {
    readonly maxDeliveryCount: number
    readonly defaultTtlMs: number
    readonly feedback: NoticeSettings
  }
  readonly fileNotifications: NoticeSettings & { readonly isEnabled: boolean }
  /** Where devices upload files; undefined: nowhere. */
  readonly storage: HubStorage | undefined
}

export interface HubStorage {
  readonly connectionString: string
  readonly containerName: string
  /** How long a device may write its file. */
  readonly sasTtlMs: number
}

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

const ttl = { least: minute, most: 48 * hour, text: 'of ISO 8601 from one minute to two days' }
const lock = { least: 5 * second, most: 300 * second, text: 'of ISO 8601 from 5 to 300 seconds' }
const sasTtl = { least: minute, most: 24 * hour, text: 'of ISO 8601 from one minute to one day' }
const deliveriesMost = 100

const queueDefaults = { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 }

export const hubMessagingDefaults: WireObject = {
  messagingEndpoints: { fileNotifications: queueDefaults },
  enableFileUploadNotifications: false,
  cloudToDevice: { maxDeliveryCount: 10, defaultTtlAsIso8601: 'PT1H', feedback: queueDefaults },
}

/** The properties of a hub, where what is left out of these parts is at its default. */
export function fillHubMessaging(properties: WireObject): WireObject {
  const filled = (given: unknown, defaults: WireObject): WireObject => {
    if (!isObject(given)) return defaults
    const whole = overlay(
      defaults,
      Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)),
    )
    return Object.fromEntries(
      Object.entries(whole).map(([name, value]) => {
        const inner = defaults[name]
        return [name, isObject(inner) ? filled(value, inner) : value]
      }),
    )
  }
  const parts = ['messagingEndpoints', 'cloudToDevice'] as const
  const given = fields(properties, 'properties')
  return overlay(
    properties,
    Object.fromEntries(
      parts.map((part) => [part, filled(given.raw(part), hubMessagingDefaults[part] as WireObject)]),
    ),
  )
}

/** Checks and decodes; what is left out is at its default. Throws where something cannot be. */
export function decodeHubMessaging(properties: WireObject): HubMessaging {
  const from = fields(properties, 'properties')
  const cloudToDevice = readObject(from, 'cloudToDevice')
  const endpoints = readObject(from, 'messagingEndpoints')
  const notifications = endpoints && readObject(endpoints, 'fileNotifications')
  return {
    cloudToDevice: {
      maxDeliveryCount: deliveriesOf(cloudToDevice),
      defaultTtlMs: msOf(cloudToDevice, 'defaultTtlAsIso8601', ttl) ?? hour,
      feedback: queueOf(cloudToDevice && readObject(cloudToDevice, 'feedback')),
    },
    fileNotifications: {
      ...queueOf(notifications),
      isEnabled: readBoolean(from, 'enableFileUploadNotifications') ?? false,
    },
    storage: storageOf(readObject(from, 'storageEndpoints')),
  }
}

const queueOf = (from: Fields | undefined): NoticeSettings => ({
  lockMs: msOf(from, 'lockDurationAsIso8601', lock) ?? minute,
  ttlMs: msOf(from, 'ttlAsIso8601', ttl) ?? hour,
  maxDeliveryCount: deliveriesOf(from),
})

const deliveriesOf = (from: Fields | undefined): number =>
  (from && readInteger(from, 'maxDeliveryCount', 1, deliveriesMost)) ?? 10

function msOf(
  from: Fields | undefined,
  name: string,
  bounds: Parameters<typeof readDuration>[2],
): number | undefined {
  const text = from && readDuration(from, name, bounds)
  return text === undefined ? undefined : durationMs(text)
}

/** The only storage endpoint that a hub has. */
const onlyEndpoint = '$default'

function storageOf(endpoints: Fields | undefined): HubStorage | undefined {
  const from = endpoints && readObject(endpoints, onlyEndpoint)
  if (!from) return undefined
  const sasTtlMs = msOf(from, 'sasTtlAsIso8601', sasTtl) ?? hour
  const connectionString = readString(from, 'connectionString', 4_096)
  const containerName = readString(from, 'containerName', 63)
  // As the service shows a hub that has none.
  if (!connectionString && !containerName) return undefined
  if (!connectionString || !storageEndpoints(connectionString)?.blob)
    throw invalidProperty(from.at('connectionString'), 'that of a storage account', 'something else')
  if (containerName === undefined || !/^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(containerName))
    throw invalidProperty(from.at('containerName'), 'the name of a blob container', containerName)
  return { connectionString, containerName, sasTtlMs }
}

/** Throws where a hub names storage endpoints that it cannot have. */
export function checkStorageNames(properties: WireObject): void {
  const endpoints = fields(properties, 'properties').raw('storageEndpoints')
  if (endpoints === undefined) return
  for (const name of Object.keys(isObject(endpoints) ? endpoints : {}))
    if (name !== onlyEndpoint)
      throw invalidProperty(`properties.storageEndpoints.${name}`, `called ${onlyEndpoint}`, name)
}

/** A body that leaves out the secret of a storage endpoint, as every GET does, keeps the one that there is. */
export function keepStorageSecret(properties: WireObject, before: WireObject | undefined): WireObject {
  const endpointOf = (whole: WireObject): WireObject | undefined => {
    const endpoints = fields(whole, 'properties').raw('storageEndpoints')
    const endpoint = isObject(endpoints) ? endpoints[onlyEndpoint] : undefined
    return isObject(endpoint) ? endpoint : undefined
  }
  const given = endpointOf(properties)
  const known = before && endpointOf(before)
  if (!given || !known) return properties
  const connectionString = fields(known, onlyEndpoint).raw('connectionString')
  const isNamed = Object.keys(given).some((name) => name.toLowerCase() === 'connectionstring')
  if (isNamed || connectionString === undefined) return properties
  return overlay(properties, { storageEndpoints: { [onlyEndpoint]: { ...given, connectionString } } })
}
