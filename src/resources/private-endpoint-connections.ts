import { invalidProperty } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  readArray,
  readEnum,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import type { Content, DecodeContext, EncodeContext, ResourceType, StoredResource } from './resource-type.ts'

interface ConnectionProperties {
  readonly privateEndpoint: { readonly id: string }
  readonly groupIds: readonly string[]
  readonly privateLinkServiceConnectionState: {
    readonly status: 'Pending' | 'Approved' | 'Rejected' | 'Disconnected'
    readonly description: string | null
    readonly actionsRequired: string | null
  }
}

const groupIds = 10
const textCharacters = 1024

/** What a private endpoint could be made for, by the type of the resource. */
export const privateLinkGroups: Readonly<Record<string, readonly string[]>> = {
  'Microsoft.EventGrid/topics': ['topic'],
  'Microsoft.EventGrid/domains': ['domain'],
  'Microsoft.EventGrid/partnerNamespaces': ['partnernamespace'],
  'Microsoft.EventGrid/namespaces': ['topic', 'topicspace'],
}

const nameOf = (parentType: string) => `${parentType}/privateEndpointConnections`

/**
 * The private endpoints of a resource, as records: the network that they belong to is Azure's, and who may publish is
 * decided by the resource's own `inboundIpRules` and `publicNetworkAccess`. A write of one that is there changes
 * nothing but whether it is approved.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/private-endpoint-connections
 */
export const privateEndpointConnections = (parentType: string): ResourceType => ({
  type: nameOf(parentType),
  childForms: [],
  scope: 'child',
  extension: undefined,
  warning:
    "A private endpoint connection is kept as a record, and no network follows it: who may publish is decided by 'inboundIpRules' and 'publicNetworkAccess'.",
  withoutSystemData: true,
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[\w.-]{1,260}$/, rule: '1 to 260 letters, digits, dots, hyphens or underscores' },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  quota: () => 1_000,
  companion: undefined,
  decode: (wire, context) => decode(wire, context, privateLinkGroups[parentType] ?? []),
  patch: undefined,
  encode: ({ properties, provisioningState }) => ({ ...properties, provisioningState }),
  actions: {},
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'from-the-office',
    body: {
      properties: {
        privateEndpoint: {
          id: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-orders/providers/Microsoft.Network/privateEndpoints/office',
        },
        privateLinkServiceConnectionState: { status: 'Approved', description: 'Ours.' },
      },
    },
  },
})

function decode(wire: WireObject, { before }: DecodeContext, groups: readonly string[]): Content {
  const from = fields(wire, 'properties')
  const old = before?.properties as unknown as ConnectionProperties | undefined
  const properties: ConnectionProperties = {
    privateEndpoint: { id: decodeEndpoint(from, old) },
    groupIds: old?.groupIds ?? decodeGroups(from, groups),
    privateLinkServiceConnectionState: decodeState(from),
  }
  return { properties: { ...properties }, secrets: {} }
}

function decodeEndpoint(properties: Fields, old: ConnectionProperties | undefined): string {
  const from = readObject(properties, 'privateEndpoint')
  const id = from && readString(from, 'id', textCharacters)
  const at = `${properties.at('privateEndpoint')}.id`
  if (old) {
    if (id !== undefined && id.toLowerCase() !== old.privateEndpoint.id.toLowerCase())
      throw propertyChangeNotAllowed(at, old.privateEndpoint.id, id)
    return old.privateEndpoint.id
  }
  if (id === undefined || !/^\/subscriptions\/[^/]+\/.*\/privateEndpoints\/[^/]+$/i.test(id))
    throw invalidProperty(at, 'the ARM id of a private endpoint', id)
  return id
}

function decodeGroups(from: Fields, groups: readonly string[]): readonly string[] {
  const given = readArray(from, 'groupIds', groupIds)?.map(({ value, path }) => {
    const word = checkString(value, path, 64)
    if (!groups.includes(word.toLowerCase())) throw invalidProperty(path, `one of ${groups.join(', ')}`, word)
    return word.toLowerCase()
  })
  return given ?? groups
}

function decodeState(properties: Fields): ConnectionProperties['privateLinkServiceConnectionState'] {
  const from =
    readObject(properties, 'privateLinkServiceConnectionState') ??
    fields({}, properties.at('privateLinkServiceConnectionState'))
  return {
    status: readEnum(from, 'status', ['Pending', 'Approved', 'Rejected', 'Disconnected']) ?? 'Pending',
    description: readString(from, 'description', textCharacters) ?? null,
    actionsRequired: readString(from, 'actionsRequired', textCharacters) ?? null,
  }
}

/** `privateEndpointConnections` of a resource; null where there are none. */
export function connectionsOf(
  parent: StoredResource,
  { stored }: EncodeContext,
): readonly WireObject[] | null {
  const type = nameOf(parent.type)
  const found = [...(stored?.below(type, `${parent.id}/privateEndpointConnections/`) ?? [])]
  if (found.length === 0) return null
  return found.map(({ id, name, properties, provisioningState }) => ({
    properties: { ...properties, provisioningState },
    id,
    name,
    type,
  }))
}
