import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import type { WireObject } from '../wire/shape.ts'
import type { StoredIdentity } from './identity.ts'
import type { Section } from './twin.ts'

/*
 * Identities and twins as clients see them, their members in the service's order.
 *
 * Source: learn.microsoft.com/rest/api/iothub/service/devices and .../twin
 */

/** What is known of an identity beside what is stored. */
export interface Presence {
  readonly isConnected: boolean
  readonly connectionChangedAt: EpochMs | undefined
  readonly lastActivityAt: EpochMs | undefined
  readonly pendingMessages: number
}

export const absent: Presence = {
  isConnected: false,
  connectionChangedAt: undefined,
  lastActivityAt: undefined,
  pendingMessages: 0,
}

/** What never was. Answers to the request that has made a device leave out the zone. */
const never = '0001-01-01T00:00:00Z'
const moment = (at: EpochMs | undefined, ever = never) => (at === undefined ? ever : encodeMoment(at))

/** An etag is base64 of a decimal number. */
export const encodeEtag = (etag: number): string => Buffer.from(String(etag)).toString('base64')

/** That of a twin is base64 of eight bytes, the highest first. */
export function encodeTwinEtag(etag: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(etag))
  return bytes.toString('base64')
}

const connectionState = ({ isConnected }: Presence) => (isConnected ? 'Connected' : 'Disconnected')

const thumbprint = ({ thumbprints: [primary, secondary] }: StoredIdentity) => ({
  primaryThumbprint: primary,
  secondaryThumbprint: secondary,
})

function authentication(identity: StoredIdentity, keys: readonly [string, string]) {
  const shown = identity.authenticationType === 'sas'
  return {
    symmetricKey: { primaryKey: shown ? keys[0] : null, secondaryKey: shown ? keys[1] : null },
    x509Thumbprint: thumbprint(identity),
    type: identity.authenticationType,
  }
}

export function encodeDevice(
  identity: StoredIdentity,
  keys: readonly [string, string],
  presence: Presence,
  isNew = false,
): WireObject {
  const ever = isNew ? never.slice(0, -1) : never
  return {
    deviceId: identity.deviceId,
    generationId: identity.generationId,
    etag: encodeEtag(identity.etag),
    connectionState: connectionState(presence),
    status: identity.status,
    statusReason: identity.statusReason,
    connectionStateUpdatedTime: moment(presence.connectionChangedAt ?? identity.connectionChangedAt, ever),
    statusUpdatedTime: moment(identity.statusUpdatedAt, ever),
    lastActivityTime: moment(presence.lastActivityAt ?? identity.lastActivityAt, ever),
    cloudToDeviceMessageCount: presence.pendingMessages,
    authentication: authentication(identity, keys),
    capabilities: { iotEdge: identity.isEdge },
    ...(identity.deviceScope !== undefined && { deviceScope: identity.deviceScope }),
    parentScopes: identity.parentScopes ?? [],
  }
}

export function encodeModule(
  identity: StoredIdentity,
  keys: readonly [string, string],
  presence: Presence,
): WireObject {
  return {
    moduleId: identity.moduleId,
    managedBy: identity.managedBy ?? null,
    deviceId: identity.deviceId,
    generationId: identity.generationId,
    etag: encodeEtag(identity.etag),
    connectionState: connectionState(presence),
    connectionStateUpdatedTime: moment(presence.connectionChangedAt ?? identity.connectionChangedAt),
    lastActivityTime: moment(presence.lastActivityAt ?? identity.lastActivityAt),
    cloudToDeviceMessageCount: presence.pendingMessages,
    authentication: authentication(identity, keys),
  }
}

export function encodeTwin(identity: StoredIdentity, presence: Presence): WireObject {
  const { twin, moduleId } = identity
  return {
    deviceId: identity.deviceId,
    ...(moduleId !== undefined && { moduleId }),
    etag: encodeTwinEtag(twin.etag),
    deviceEtag: encodeEtag(identity.etag),
    ...beside(identity, presence, never),
    ...(twin.modelId !== undefined && { modelId: twin.modelId }),
    version: twin.version,
    ...(twin.tags && { tags: twin.tags }),
    properties: { desired: encodeSection(twin.desired), reported: encodeSection(twin.reported) },
    ...(identity.configurations && { configurations: identity.configurations }),
    ...(moduleId === undefined && { capabilities: { iotEdge: identity.isEdge } }),
    ...(identity.deviceScope !== undefined && { deviceScope: identity.deviceScope }),
  }
}

/**
 * An identity as exports write it, and imports read it. Undefined keys: they are left out.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-bulk-identity-mgmt
 */
export function encodeExported(
  identity: StoredIdentity,
  keys: readonly [string, string] | undefined,
): WireObject {
  const { twin, moduleId } = identity
  return {
    id: identity.deviceId,
    ...(moduleId !== undefined && { moduleId }),
    eTag: encodeEtag(identity.etag),
    status: identity.status,
    ...(identity.statusReason !== null && { statusReason: identity.statusReason }),
    authentication: {
      ...authentication(identity, keys ?? ['', '']),
      ...(!keys && { symmetricKey: { primaryKey: null, secondaryKey: null } }),
    },
    twinETag: encodeTwinEtag(twin.etag),
    tags: twin.tags ?? {},
    properties: { desired: encodeSection(twin.desired), reported: encodeSection(twin.reported) },
    ...(moduleId === undefined
      ? { capabilities: { iotEdge: identity.isEdge } }
      : { managedBy: identity.managedBy ?? null }),
    ...(identity.deviceScope !== undefined && { deviceScope: identity.deviceScope }),
    ...(identity.parentScopes && { parentScopes: identity.parentScopes }),
  }
}

/**
 * The twin within DeviceCreated and DeviceDeleted: without tags, and with the times and the etag that these events have.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-iot-hub
 */
export function encodeEventTwin(identity: StoredIdentity, presence: Presence): WireObject {
  const { twin } = identity
  return {
    deviceId: identity.deviceId,
    etag: encodeTwinEtag(twin.etag),
    deviceEtag: 'null',
    ...beside(identity, presence, never.slice(0, -1)),
    version: twin.version,
    properties: { desired: encodeSection(twin.desired), reported: encodeSection(twin.reported) },
  }
}

const beside = (identity: StoredIdentity, presence: Presence, ever: string): WireObject => ({
  status: identity.status,
  statusUpdateTime: moment(identity.statusUpdatedAt, ever),
  connectionState: connectionState(presence),
  lastActivityTime: moment(presence.lastActivityAt ?? identity.lastActivityAt, ever),
  cloudToDeviceMessageCount: presence.pendingMessages,
  authenticationType: identity.authenticationType,
  x509Thumbprint: thumbprint(identity),
})

export const encodeSection = ({ value, metadata, version }: Section): WireObject => ({
  ...value,
  $metadata: metadata,
  $version: version,
})
