import { encodeMoment } from '../base/moment.ts'
import type { HubPolicy } from '../catalog/iot-hub.ts'
import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import { decodeConnectionString } from '../destinations/connection-string.ts'
import { type Connection, connectionAdvice } from '../destinations/connections.ts'
import { storageAccountKey } from '../destinations/storage-connection.ts'
import { listedGenericType } from '../resources/generic-providers.ts'
import { genericType } from '../resources/generic-resources.ts'
import { groupIdIn, isSameType, levelsOf, nameInId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { fields, readString, type WireObject } from '../wire/shape.ts'
import { accountSas } from './account-sas.ts'
import { gatewayError, parentNotFound } from './errors.ts'
import type { ResourceRef } from './resource-ref.ts'

/*
 * Resources of providers that Busbar does not run: what is said of them, and the actions that can be answered from
 * what the operator has configured.
 */

const storageAccounts = 'Microsoft.Storage/storageAccounts'

export const warningHeader = 'x-ms-busbar-warning'

export const nothingBehind = (type: string): string =>
  `Resources of type '${type}' are stored and answered; nothing runs behind them.`

export interface KeySources {
  readonly connectionOf: (resourceId: string) => Connection | undefined
  readonly isStored: (id: string) => unknown
  /** The shared access policies of an IoT hub; undefined where there is none of that id. */
  readonly hubPolicies: (hubId: string) => readonly HubPolicy[] | undefined
  /** Throws where the resource itself is not stored. */
  readonly find: () => { readonly resource: { readonly id: string; readonly createdAt: number } }
}

/**
 * The answer to `listKeys` and `listAccountSas` of a storage account, or of an authorization rule of Event Hubs, Service Bus or Relay:
 * the key that the configuration has. Throws for any other action, and where there is no connection.
 *
 * Source: learn.microsoft.com/rest/api/storagerp/storage-accounts/list-keys, .../eventhub/namespaces/list-keys
 */
export function listKeysOf(ref: ResourceRef, action: string, body: unknown, sources: KeySources): unknown {
  const { form } = ref
  if (isSameType(form, storageAccounts) && action.toLowerCase() === 'listaccountsas')
    return accountSas(body, accountOf(sources, ref))
  if (action.toLowerCase() !== 'listkeys') {
    sources.find()
    throw noAction(form, action)
  }
  if (isSameType(form, storageAccounts)) return storageKeys(sources, ref)
  if (/^Microsoft\.(EventHub|ServiceBus|Relay)\/.*authorizationRules$/i.test(form))
    return sharedAccessKeys(sources, ref)
  if (isSameType(form, 'Microsoft.Devices/IotHubs/IotHubKeys')) return hubKey(sources, ref)
  sources.find()
  throw noAction(form, action)
}

/** One policy of a hub, as `listkeys` of the hub itself answers with all of them. */
function hubKey({ hubPolicies }: KeySources, { parentId, name, form }: ResourceRef): unknown {
  const policies = hubPolicies(parentId)
  if (!policies) throw parentNotFound(form, parentId)
  const policy = policies.find(({ keyName }) => keyName.toLowerCase() === name.toLowerCase())
  if (!policy)
    throw gatewayError(
      404,
      'ResourceNotFound',
      `The IoT hub '${parentId}' has no shared access policy '${name}'; it has ` +
        `${policies.map(({ keyName }) => keyName).join(', ')}.`,
    )
  return { ...policy, rights: [...policy.rights].join(', ') }
}

/** Name and key of the account, as the connection has them. */
function accountOf(sources: KeySources, { id, form }: ResourceRef): { account: string; key: string } {
  sources.find()
  const connectionString = sources.connectionOf(id)?.connectionString
  if (connectionString === undefined) throw noConnection(id, form)
  const found = storageAccountKey(connectionString)
  if (!found) throw conflict(`The connection of '${id}' has a shared access signature and no account key.`)
  return found
}

function storageKeys(sources: KeySources, ref: ResourceRef): unknown {
  const { resource } = sources.find()
  const found = accountOf(sources, ref)
  const creationTime = encodeMoment(resource.createdAt)
  // There is one; clients take the first, and some insist on two.
  return {
    keys: ['key1', 'key2'].map((keyName) => ({
      keyName,
      value: found.key,
      permissions: 'FULL',
      creationTime,
    })),
  }
}

/** The rule itself need not be stored: each namespace has one, and connections name it. */
function sharedAccessKeys({ connectionOf, isStored }: KeySources, ref: ResourceRef): unknown {
  const owner = ref.parentId
  const top = levelsOf(owner)[2]
  if (!isStored(owner)) throw parentNotFound(ref.form, owner)
  const connectionString = connectionOf(owner)?.connectionString
  if (connectionString === undefined) throw noConnection(owner, top?.type ?? ref.form)
  const decoded = decodeConnectionString(connectionString)
  if (typeof decoded === 'string') throw conflict(`The connection of '${owner}' ${decoded}.`)
  const { keyName, key } = decoded
  if (keyName.toLowerCase() !== ref.name.toLowerCase())
    throw gatewayError(
      404,
      'ResourceNotFound',
      `The connection of '${owner}' is of the rule '${keyName}'; nothing is known of '${ref.name}'.`,
    )
  return {
    primaryConnectionString: connectionString,
    secondaryConnectionString: connectionString,
    primaryKey: key,
    secondaryKey: key,
    keyName,
  }
}

const conflict = (message: string) => gatewayError(409, 'Conflict', message)

const noConnection = (id: string, type: string) =>
  conflict(`The keys of '${id}' are not known here: nothing runs behind it. ${connectionAdvice(type)}.`)

const noAction = (type: string, action: string) =>
  invalidRequest(
    `Nothing runs behind resources of type '${type}', and so the action '${action}' cannot be answered.`,
  )

/**
 * Whether a name is free among the resources of a type that are stored here.
 *
 * Source: learn.microsoft.com/rest/api/storagerp/storage-accounts/check-name-availability
 */
export function checkNameAvailability(
  namespace: string,
  body: WireObject,
  catalog: StoredCatalog,
): WireObject {
  const from = fields(body, '')
  const name = readString(from, 'name', 260)
  if (name === undefined) throw invalidProperty('name', 'the name that is asked about', undefined)
  const type = readString(from, 'type', 260)
  const { pattern, rule } = genericType((type && listedGenericType(type)) ?? `${namespace}/any`).name
  if (!pattern.test(name))
    return {
      nameAvailable: false,
      reason: isSameType(namespace, 'Microsoft.Storage') ? 'AccountNameInvalid' : 'Invalid',
      message: `The name '${name}' must be ${rule}.`,
    }
  const wanted = (stored: string) =>
    type === undefined
      ? stored.toLowerCase().startsWith(`${namespace.toLowerCase()}/`) && stored.split('/').length === 2
      : isSameType(stored, type)
  for (const stored of catalog.types())
    if (wanted(stored))
      for (const { resource } of catalog.below(stored, '/subscriptions/'))
        if (resource.name.toLowerCase() === name.toLowerCase())
          return {
            nameAvailable: false,
            reason: 'AlreadyExists',
            message: `The name '${name}' is already taken, in '${nameInId(groupIdIn(resource.id) ?? '')}'.`,
          }
  return { nameAvailable: true }
}
