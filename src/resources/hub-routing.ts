import { decodeConnectionString } from '../destinations/connection-string.ts'
import { connectionAdvice } from '../destinations/connections.ts'
import { decodeStorageConnection } from '../destinations/storage-connection.ts'
import { compileRouteCondition } from '../hubquery/route-condition.ts'
import { QueryError } from '../hubquery/tokens.ts'
import { invalidProperty, invalidRequest, notSupported } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  type Item,
  isObject,
  readArray,
  readBoolean,
  readEnum,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { type DecodedPlace, maskedConnectionString, masks } from './hub-routing-secrets.ts'
import type { Content, DecodeContext } from './resource-type.ts'

/*
 * `properties.routing` of an IoT hub: where messages go, by which conditions, and with what added. Decoded once, so that
 * what a hub has is whole: every endpoint that a route names is there and can be reached, and every condition compiles.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource/create-or-update and
 * learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-d2c
 */

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
const endpointsMost = 10
const routesMost = 100
const enrichmentsMost = 10

const nameCharacters = 64
const namePattern = /^[A-Za-z0-9._-]{1,64}$/
const nameRule = '1 to 64 letters, digits, periods, underscores and hyphens'

/** The endpoint that every hub has, and what stands for Event Grid. */
export const builtInEndpoint = 'events'
export const eventGridEndpoint = 'eventgrid'
/** The one route to Event Grid: the hub has it while somebody listens, and its condition may be changed. */
export const eventGridRoute = 'RouteToEventGrid'
const reservedNames = new Set([builtInEndpoint, eventGridEndpoint, 'filenotifications', '$default'])

export const routeSources = [
  'DeviceMessages',
  'TwinChangeEvents',
  'DeviceLifecycleEvents',
  'DeviceConnectionStateEvents',
] as const
export type RouteSource = (typeof routeSources)[number]
/** Sources of Azure that nothing here raises. */
const otherSources = ['DeviceJobLifecycleEvents', 'DigitalTwinChangeEvents', 'MqttBrokerMessages'] as const

/** How an endpoint is reached: by what it says itself, or by what the configuration says of a resource. */
export type EndpointAccess =
  | { readonly kind: 'key'; readonly connectionString: string }
  | { readonly kind: 'identity'; readonly resourceId: string }

export interface MessagingEndpoint {
  readonly kind: 'serviceBusQueue' | 'serviceBusTopic' | 'eventHub'
  readonly name: string
  readonly access: EndpointAccess
  /** Of the queue, topic or event hub in its namespace. */
  readonly entity: string
}

export interface StorageEndpoint {
  readonly kind: 'storageContainer'
  readonly name: string
  readonly access: EndpointAccess
  readonly containerName: string
  readonly fileNameFormat: string
  readonly batchFrequencyMs: number
  readonly maxChunkBytes: number
}

export type RoutingEndpoint = MessagingEndpoint | StorageEndpoint

export interface MessageRoute {
  readonly name: string
  readonly source: RouteSource
  readonly condition: string
  readonly endpointName: string
  readonly isEnabled: boolean
}

export interface Enrichment {
  readonly key: string
  readonly value: string
  readonly endpointNames: readonly string[]
}

export interface HubRouting {
  readonly endpoints: readonly RoutingEndpoint[]
  readonly routes: readonly MessageRoute[]
  readonly fallback: MessageRoute
  readonly enrichments: readonly Enrichment[]
  /** Into which messages are spread by their devices. */
  readonly partitions: number
}

/** The name under which connection strings of endpoints are sealed; no path of a secret member has it. */
export const routingSecret = 'routingConnectionStrings'

type RoutingContext = Pick<DecodeContext, 'before' | 'capabilities' | 'parentId'>

/** @returns `routing` as GET prints it, and the connection strings of its endpoints as they are sealed */
export function decodeRouting(
  from: Fields,
  context: RoutingContext,
): { readonly routing: WireObject; readonly secret: string } {
  const routing = readObject(from, 'routing') ?? fields({}, from.at('routing'))
  const secrets: Record<string, string> = {}
  const endpoints = decodeEndpoints(routing, context, secrets)
  const known = new Map(
    [builtInEndpoint, ...endpoints.names].map((name) => [name.toLowerCase(), name] as const),
  )
  return {
    routing: {
      endpoints: endpoints.wire,
      routes: decodeRoutes(routing, known),
      fallbackRoute: decodeFallback(routing, known),
      enrichments: decodeEnrichments(routing, new Map([...known, [eventGridEndpoint, eventGridEndpoint]])),
    },
    secret: JSON.stringify(secrets),
  }
}

// ---------------------------------------------------------------- endpoints

interface EndpointKind {
  readonly kind: RoutingEndpoint['kind']
  /** Of the resource that the configuration says how to reach. */
  readonly resourceType: string
}

const endpointKinds: Readonly<Record<string, EndpointKind>> = {
  serviceBusQueues: { kind: 'serviceBusQueue', resourceType: 'Microsoft.ServiceBus/namespaces/queues' },
  serviceBusTopics: { kind: 'serviceBusTopic', resourceType: 'Microsoft.ServiceBus/namespaces/topics' },
  eventHubs: { kind: 'eventHub', resourceType: 'Microsoft.EventHub/namespaces/eventhubs' },
  storageContainers: { kind: 'storageContainer', resourceType: 'Microsoft.Storage/storageAccounts' },
}

function decodeEndpoints(routing: Fields, context: RoutingContext, secrets: Record<string, string>) {
  const from = readObject(routing, 'endpoints') ?? fields({}, routing.at('endpoints'))
  if ((readArray(from, 'cosmosDBSqlContainers', endpointsMost) ?? []).length > 0)
    throw notSupported(from.at('cosmosDBSqlContainers'), 'Routing to Cosmos DB')
  const names = new Set<string>()
  const shown: string[] = []
  const wire: Record<string, readonly WireObject[]> = {}
  for (const [member, kind] of Object.entries(endpointKinds))
    wire[member] = (readArray(from, member, endpointsMost) ?? []).map((item) => {
      const endpoint = fields(item.value, item.path)
      const name = readName(endpoint)
      if (reservedNames.has(name.toLowerCase()))
        throw invalidRequest(
          `The name '${name}' is reserved; give the endpoint another one.`,
          endpoint.at('name'),
        )
      if (names.has(name.toLowerCase()))
        throw invalidRequest(`There are two endpoints named '${name}'.`, endpoint.at('name'))
      names.add(name.toLowerCase())
      shown.push(name)
      return decodeEndpoint(endpoint, name, kind, context, secrets)
    })
  if (names.size > endpointsMost)
    throw invalidProperty(
      routing.at('endpoints'),
      `at most ${endpointsMost} endpoints`,
      `${names.size} endpoints`,
    )
  return { wire: { ...wire, cosmosDBSqlContainers: [] }, names: shown }
}

function readName(from: Fields): string {
  const name = readString(from, 'name', nameCharacters)
  if (name === undefined || !namePattern.test(name)) throw invalidProperty(from.at('name'), nameRule, name)
  return name
}

function decodeEndpoint(
  from: Fields,
  name: string,
  kind: EndpointKind,
  context: RoutingContext,
  secrets: Record<string, string>,
): WireObject {
  const [, , subscription, , group] = context.parentId.split('/')
  const type = readEnum(from, 'authenticationType', ['keyBased', 'identityBased']) ?? 'keyBased'
  const base = {
    name,
    authenticationType: type,
    subscriptionId: readString(from, 'subscriptionId', 64) ?? subscription,
    resourceGroup: readString(from, 'resourceGroup', 90) ?? group,
  }
  const identity = from.raw('identity')
  const place =
    type === 'keyBased'
      ? decodeKeyBased(from, name, kind, context, secrets)
      : decodeIdentityBased(from, kind, base, context)
  return {
    ...base,
    ...place,
    ...(isObject(identity) && { identity }),
    ...(kind.kind === 'storageContainer' && decodeStorage(from)),
  }
}

function decodeKeyBased(
  from: Fields,
  name: string,
  { kind }: EndpointKind,
  { before }: RoutingContext,
  secrets: Record<string, string>,
): DecodedPlace {
  const at = from.at('connectionString')
  const given = readString(from, 'connectionString', 2048)
  if (given === undefined)
    throw invalidProperty(at, "a connection string, or authenticationType 'identityBased'", given)
  const kept = connectionStringsOf(before)[name.toLowerCase()]
  // What GET has shown stands for what it hid.
  const text = masks(given) && kept !== undefined && maskedConnectionString(kept) === given ? kept : given
  if (masks(text)) throw invalidRequest(`The connection string of '${name}' has a masked key.`, at)
  secrets[name.toLowerCase()] = text
  const shown = { connectionString: maskedConnectionString(text) }
  if (kind === 'storageContainer') {
    const service = decodeStorageConnection(text, 'blob')
    if (typeof service === 'string') throw invalidRequest(`The property '${at}' ${service}.`, at)
    return shown
  }
  const access = decodeConnectionString(text)
  if (typeof access === 'string') throw invalidRequest(`The property '${at}' ${access}.`, at)
  const entityPath = access.entityPath ?? readString(from, 'entityPath', 260)
  if (entityPath === undefined) throw invalidRequest(`The property '${at}' lacks EntityPath.`, at)
  return { ...shown, entityPath }
}

/** The configuration says how the resource is reached, in the place of an identity. */
function decodeIdentityBased(
  from: Fields,
  { kind, resourceType }: EndpointKind,
  {
    subscriptionId,
    resourceGroup,
  }: { readonly subscriptionId: string | undefined; readonly resourceGroup: string | undefined },
  { capabilities }: RoutingContext,
): DecodedPlace {
  const endpointUri = readString(from, 'endpointUri', 512)
  const host = URL.parse((endpointUri ?? '').replace(/^sb:/i, 'https:'))?.hostname
  if (endpointUri === undefined || !host)
    throw invalidProperty(
      from.at('endpointUri'),
      kind === 'storageContainer'
        ? 'https://ACCOUNT.blob.core.windows.net'
        : 'sb://NAMESPACE.servicebus.windows.net',
      endpointUri,
    )
  const entityPath = kind === 'storageContainer' ? undefined : readString(from, 'entityPath', 260)
  if (kind !== 'storageContainer' && entityPath === undefined)
    throw invalidProperty(from.at('entityPath'), 'the name of the entity', entityPath)
  const [provider, ...types] = resourceType.split('/')
  const names = [host.split('.')[0], entityPath]
  const resourceId = [
    `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/${provider}`,
    ...types.map((type, n) => `${type}/${names[n]}`),
  ].join('/')
  if (!capabilities.hasConnection(resourceId))
    throw invalidRequest(
      `How '${resourceId}' is reached is not known. ${connectionAdvice(resourceType)} or that of the resource ` +
        `that it lives in.`,
      from.at('endpointUri'),
    )
  return { endpointUri, ...(entityPath !== undefined && { entityPath }), resourceId }
}

const fileNameParts = ['{iothub}', '{partition}', '{YYYY}', '{MM}', '{DD}', '{HH}', '{mm}']
const megabyte = 1024 * 1024

function decodeStorage(from: Fields): WireObject {
  const containerName = readString(from, 'containerName', 63)
  if (containerName === undefined || !/^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(containerName))
    throw invalidProperty(from.at('containerName'), 'the name of a container', containerName)
  const fileNameFormat = readString(from, 'fileNameFormat', 512) ?? fileNameParts.join('/')
  const lacks = fileNameParts.find((part) => !fileNameFormat.includes(part))
  if (lacks !== undefined)
    throw invalidProperty(
      from.at('fileNameFormat'),
      `a format with all of ${fileNameParts.join(' ')}`,
      fileNameFormat,
    )
  if (
    !fileNameFormat.isWellFormed() ||
    fileNameFormat.split('/').some((part) => part === '.' || part === '..')
  )
    throw invalidProperty(
      from.at('fileNameFormat'),
      'a format whose blobs are in the container, without . and .. between slashes',
      fileNameFormat,
    )
  const encoding = readString(from, 'encoding', 32)
  if (encoding?.toLowerCase() !== 'json')
    throw notSupported(
      from.at('encoding'),
      encoding === undefined ? 'Avro, the encoding of who names none,' : `The encoding '${encoding}'`,
      "Set it to 'JSON'.",
    )
  return {
    containerName,
    fileNameFormat,
    encoding: 'JSON',
    batchFrequencyInSeconds: readInteger(from, 'batchFrequencyInSeconds', 60, 720) ?? 300,
    maxChunkSizeInBytes:
      readInteger(from, 'maxChunkSizeInBytes', 10 * megabyte, 500 * megabyte) ?? 300 * megabyte,
  }
}

// ---------------------------------------------------------------- routes

/** By name in lower case, as they are spelled. */
type EndpointNames = ReadonlyMap<string, string>

function decodeRoutes(routing: Fields, known: EndpointNames): readonly WireObject[] {
  const names = new Set<string>()
  return (readArray(routing, 'routes', routesMost) ?? []).map(({ value, path }) => {
    const from = fields(value, path)
    const name = readName(from)
    if (names.has(name.toLowerCase()))
      throw invalidRequest(`There are two routes named '${name}'.`, from.at('name'))
    names.add(name.toLowerCase())
    const source = readSource(from) ?? 'DeviceMessages'
    const toEventGrid = name.toLowerCase() === eventGridRoute.toLowerCase()
    if (toEventGrid && source !== 'DeviceMessages')
      throw invalidProperty(from.at('source'), `DeviceMessages, as ${eventGridRoute} has it`, source)
    const endpoints = toEventGrid ? new Map([[eventGridEndpoint, eventGridEndpoint]]) : known
    return {
      name,
      source,
      condition: readCondition(from),
      endpointNames: [readEndpointName(from, endpoints)],
      isEnabled: readBoolean(from, 'isEnabled') ?? true,
    }
  })
}

function readSource(from: Fields): RouteSource | undefined {
  const given = from.raw('source')
  const other = otherSources.find((each) => each.toLowerCase() === String(given).toLowerCase())
  if (other !== undefined)
    throw notSupported(from.at('source'), `The source '${other}'`, 'Leave out the route.')
  return readEnum(from, 'source', routeSources)
}

function readCondition(from: Fields): string {
  const condition = readString(from, 'condition', 8192) ?? 'true'
  try {
    compileRouteCondition(condition)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    throw invalidRequest(
      `The property '${from.at('condition')}' is no condition: ${error.message}`,
      from.at('condition'),
    )
  }
  return condition
}

function readEndpointName(from: Fields, known: EndpointNames): string {
  const items = readArray(from, 'endpointNames', 1) ?? []
  if (items.length === 0)
    throw invalidProperty(from.at('endpointNames'), 'an array with the name of one endpoint', items)
  return endpointNameOf(items[0] as Item, known)
}

function endpointNameOf({ value, path }: Item, known: EndpointNames): string {
  const name = typeof value === 'string' ? known.get(value.toLowerCase()) : undefined
  if (name === undefined)
    throw invalidProperty(path, `the name of an endpoint: ${[...known.values()].join(', ')}`, value)
  return name
}

function decodeFallback(routing: Fields, known: EndpointNames): WireObject {
  const from = readObject(routing, 'fallbackRoute')
  const source = from && readSource(from)
  if (from && source !== undefined && source !== 'DeviceMessages')
    throw invalidProperty(from.at('source'), 'DeviceMessages', source)
  const isNamed = from && from.raw('endpointNames') !== undefined
  return {
    name: (from && readString(from, 'name', nameCharacters)) ?? '$fallback',
    source: 'DeviceMessages',
    condition: from ? readCondition(from) : 'true',
    endpointNames: [isNamed ? readEndpointName(from, known) : builtInEndpoint],
    isEnabled: (from && readBoolean(from, 'isEnabled')) ?? true,
  }
}

function decodeEnrichments(routing: Fields, known: EndpointNames): readonly WireObject[] {
  return (readArray(routing, 'enrichments', enrichmentsMost) ?? []).map(({ value: item, path }) => {
    const from = fields(item, path)
    const key = readString(from, 'key', 128)
    if (key === undefined || !/^[A-Za-z0-9._-]+$/.test(key))
      throw invalidProperty(from.at('key'), 'letters, digits, hyphens, underscores and periods', key)
    const value = readString(from, 'value', 1024)
    if (value === undefined || value === '') throw invalidProperty(from.at('value'), 'a string', value)
    const names = readArray(from, 'endpointNames', endpointsMost + 2) ?? []
    if (names.length === 0)
      throw invalidProperty(from.at('endpointNames'), 'an array with the name of an endpoint', names)
    return { key, value, endpointNames: names.map((name) => endpointNameOf(name, known)) }
  })
}

// ---------------------------------------------------------------- what is stored

export const noRouting: HubRouting = {
  endpoints: [],
  routes: [],
  fallback: {
    ...{ name: '$fallback', source: 'DeviceMessages', condition: 'true', endpointName: builtInEndpoint },
    isEnabled: true,
  },
  enrichments: [],
  partitions: 4,
}

const connectionStringsOf = (content: Content | undefined) =>
  JSON.parse(content?.secrets[routingSecret] ?? '{}') as Readonly<Record<string, string>>

interface StoredRoute extends Omit<MessageRoute, 'endpointName'> {
  readonly endpointNames: readonly [string]
}

interface StoredEndpoint {
  readonly name: string
  readonly resourceId?: string
  readonly entityPath?: string
  readonly containerName: string
  readonly fileNameFormat: string
  readonly batchFrequencyInSeconds: number
  readonly maxChunkSizeInBytes: number
}

interface StoredRouting {
  readonly endpoints: Readonly<Record<string, readonly StoredEndpoint[]>>
  readonly routes: readonly StoredRoute[]
  readonly fallbackRoute: StoredRoute
  readonly enrichments: readonly Enrichment[]
}

/** From what `decodeRouting` made. */
export function routingOf(content: Content): HubRouting {
  // A hub that was written before routing was read has none.
  if (content.secrets[routingSecret] === undefined) return noRouting
  const { endpoints, routes, fallbackRoute, enrichments } = content.properties.routing as StoredRouting
  const strings = connectionStringsOf(content)
  const routeOf = ({ endpointNames: [endpointName], ...route }: StoredRoute) => ({ ...route, endpointName })
  return {
    partitions: partitionsOf(content),
    endpoints: Object.entries(endpointKinds).flatMap(([member, { kind }]) =>
      (endpoints[member] ?? []).map((stored) => endpointOf(kind, stored, strings)),
    ),
    routes: routes.map(routeOf),
    fallback: routeOf(fallbackRoute),
    enrichments,
  }
}

function partitionsOf({ properties }: Content): number {
  const { events } = (properties.eventHubEndpoints ?? {}) as { readonly events?: WireObject }
  const count = Number(events?.partitionCount)
  return count >= 1 ? count : noRouting.partitions
}

function endpointOf(
  kind: RoutingEndpoint['kind'],
  stored: StoredEndpoint,
  strings: Readonly<Record<string, string>>,
): RoutingEndpoint {
  const { name, resourceId, entityPath = '' } = stored
  const access: EndpointAccess =
    resourceId === undefined
      ? { kind: 'key', connectionString: strings[name.toLowerCase()] ?? '' }
      : { kind: 'identity', resourceId }
  if (kind !== 'storageContainer') return { kind, name, access, entity: entityPath }
  const { containerName, fileNameFormat, batchFrequencyInSeconds, maxChunkSizeInBytes } = stored
  return {
    ...{ kind, name, access, containerName, fileNameFormat },
    batchFrequencyMs: batchFrequencyInSeconds * 1000,
    maxChunkBytes: maxChunkSizeInBytes,
  }
}
