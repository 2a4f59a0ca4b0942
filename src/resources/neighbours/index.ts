import { diagnosticSettings } from './diagnostic-settings.ts'
import { eventHubs } from './event-hubs.ts'
import type { Neighbour } from './neighbour.ts'
import { serviceBus } from './service-bus.ts'
import { storageAccounts, storageChildren } from './storage-accounts.ts'
import { userAssignedIdentities } from './user-assigned-identities.ts'

/** By the listed type. To add one: write the file, add the line; the type is listed in generic-providers.ts. */
const neighbours: Readonly<Record<string, Neighbour>> = {
  'Microsoft.Storage/storageAccounts': storageAccounts,
  'Microsoft.ManagedIdentity/userAssignedIdentities': userAssignedIdentities,
  'Microsoft.Insights/diagnosticSettings': diagnosticSettings,
  ...storageChildren,
  ...eventHubs,
  ...serviceBus,
}

/** What is known of a type beyond what is true of any; `type` in its listed casing. */
export const neighbourOf = (type: string): Neighbour =>
  Object.hasOwn(neighbours, type) ? (neighbours[type] as Neighbour) : {}
