import { RequestError } from '../../base/errors.ts'
import { encodeMoment } from '../../base/moment.ts'
import { storageEndpoints } from '../../destinations/storage-connection.ts'
import { isObject } from '../../wire/shape.ts'
import type { EncodeContext, StoredResource } from '../resource-type.ts'
import { answeredAtOnce, keeping, type Neighbour } from './neighbour.ts'

const type = 'Microsoft.Storage/storageAccounts'

/**
 * Storage accounts. Their endpoints are those of the configured connection, and there are none without one.
 *
 * Source: learn.microsoft.com/rest/api/storagerp/storage-accounts/create, .../get-properties
 */
export const storageAccounts: Neighbour = {
  name: { pattern: /^[a-z0-9]{3,24}$/, rule: '3 to 24 lower-case letters or digits' },
  // Clients take no 201, and no 202 of a DELETE.
  statuses: { create: 200, replace: 200, update: 200, delete: 200 },
  unique: ({ name }) => ({
    key: `storage account ${name}`,
    taken: () =>
      new RequestError(
        409,
        'StorageAccountAlreadyTaken',
        `The storage account named ${name} is already taken.`,
      ),
  }),
  envelope: {
    check: () => {},
    encode: (_apiVersion, { topLevel = {} }) => {
      const sku = isObject(topLevel.sku) && typeof topLevel.sku.name === 'string' ? topLevel.sku.name : ''
      const name = sku === '' ? 'Standard_LRS' : sku
      return { sku: { name, tier: name.split('_', 1)[0] }, kind: topLevel.kind ?? 'StorageV2' }
    },
  },
  brings: ['blobServices', 'queueServices', 'tableServices', 'fileServices'].map((word) => ({
    type: `${type}/${word}`,
    name: 'default',
    properties: {},
  })),
  ...keeping(type, {
    defaults: {
      supportsHttpsTrafficOnly: true,
      allowBlobPublicAccess: false,
      allowCrossTenantReplication: false,
      minimumTlsVersion: 'TLS1_0',
      accessTier: 'Hot',
      networkAcls: {
        bypass: 'AzureServices',
        virtualNetworkRules: [],
        ipRules: [],
        defaultAction: 'Allow',
      },
    },
    readOnly: [
      ...['creationTime', 'keyCreationTime', 'primaryEndpoints', 'primaryLocation', 'statusOfPrimary'],
      ...['secondaryEndpoints', 'secondaryLocation', 'statusOfSecondary', 'privateEndpointConnections'],
      'accountMigrationInProgress',
    ],
    tell,
  }),
}

const { statuses } = answeredAtOnce

/** What lies in an account, answered as its clients insist on. Source: learn.microsoft.com/rest/api/storagerp */
export const storageChildren: Readonly<Record<string, Neighbour>> = {
  ...Object.fromEntries(
    ['blobServices', 'queueServices', 'tableServices', 'fileServices', 'managementPolicies'].map((word) => [
      `${type}/${word}`,
      answeredAtOnce,
    ]),
  ),
  [`${type}/queueServices/queues`]: answeredAtOnce,
  [`${type}/tableServices/tables`]: answeredAtOnce,
  [`${type}/blobServices/containers`]: { longRunning: false, statuses: { ...statuses, create: 201 } },
  [`${type}/fileServices/shares`]: { longRunning: false, statuses: { ...statuses, create: 201 } },
}

function tell({ id, createdAt, location }: StoredResource, { connectionOf }: EncodeContext) {
  const creationTime = encodeMoment(createdAt)
  const connectionString = connectionOf?.(id)?.connectionString
  const primaryEndpoints = connectionString === undefined ? undefined : storageEndpoints(connectionString)
  return {
    creationTime,
    keyCreationTime: { key1: creationTime, key2: creationTime },
    privateEndpointConnections: [],
    primaryLocation: location,
    ...(primaryEndpoints && { primaryEndpoints, statusOfPrimary: 'available' }),
  }
}
