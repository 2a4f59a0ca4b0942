import { invalidProperty, invalidRequest } from '../../wire/errors.ts'
import { fields, readArray, readString, type WireObject } from '../../wire/shape.ts'
import type { Content } from '../resource-type.ts'
import type { Neighbour } from './neighbour.ts'

const sinks = [
  'storageAccountId',
  'serviceBusRuleId',
  'workspaceId',
  'eventHubAuthorizationRuleId',
  'marketplacePartnerId',
]
const categories = 100

/**
 * What of a resource's logs and metrics is to go where. Kept, and nothing goes there: the logs are files.
 *
 * Source: learn.microsoft.com/rest/api/monitor/diagnostic-settings
 */
export const diagnosticSettings: Neighbour = {
  longRunning: false,
  statuses: { create: 200, replace: 200, update: 200, delete: 200 },
  hasIdentity: false,
  warning:
    "Diagnostic settings are kept, and nothing is sent to what they name: 'diagnostics' in the configuration file says which logs are written to files.",
  patch: undefined,
  decode,
  encode: ({ properties }) => properties,
}

function decode(wire: WireObject): Content {
  const from = fields(wire, 'properties')
  const given = sinks.map((name) => [name, readString(from, name, 1024)] as const)
  if (given.every(([, value]) => value === undefined))
    throw invalidRequest(
      `A diagnostic setting must have one of ${sinks.join(', ')}: where logs and metrics go.`,
      'properties',
    )
  for (const name of ['logs', 'metrics'])
    for (const { value, path } of readArray(from, name, categories) ?? []) {
      const entry = fields(value, path)
      const category = readString(entry, 'category', 256) ?? readString(entry, 'categoryGroup', 256)
      if (category === undefined)
        throw invalidProperty(entry.at('category'), 'the name of a category', undefined)
    }
  return { properties: { logs: [], metrics: [], ...wire }, secrets: {} }
}
