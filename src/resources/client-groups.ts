import { compileGroupQuery, groupQueryLimits } from '../client/group-query.ts'
import { SyntaxFault } from '../client/syntax-fault.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { fields, readString } from '../wire/shape.ts'
import { namespaceChild, readDescription } from './namespace-parts.ts'
import { usedByBinding } from './permission-bindings.ts'
import type { Content, ResourceType } from './resource-type.ts'

/** A client group's stored `properties`. */
export interface ClientGroupProperties {
  readonly description: string | null
  readonly query: string
}

/** The group that every client is in; always there. */
export const everyClient = '$all'

function decode(wire: Readonly<Record<string, unknown>>): Content {
  const from = fields(wire, 'properties')
  const query = readString(from, 'query', groupQueryLimits.characters) ?? ''
  const at = from.at('query')
  if (query.trim() === '') throw invalidProperty(at, 'a query, such as attributes.area = "north"', query)
  readOrRefuse(at, 'group query', () => compileGroupQuery(query))
  const properties: ClientGroupProperties = { description: readDescription(from), query }
  return { properties: { ...properties }, secrets: {} }
}

/** What cannot be read, in the words of the control plane. */
export function readOrRefuse<Result>(path: string, what: string, read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
    throw invalidRequest(`The property '${path}' is no ${what} that can be read: ${error.message}.`, path)
  }
}

/**
 * Clients that a query finds by their attributes.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-groups
 */
export const clientGroups: ResourceType = {
  ...namespaceChild,
  type: 'Microsoft.EventGrid/namespaces/clientGroups',
  quota: ({ mqttQuotas }) => mqttQuotas.clientGroups,
  together: 'mqttRules',
  decode,
  refusesDelete: (group, stored) => usedByBinding('clientGroupName', group, stored),
  builtIns: [
    { name: everyClient, properties: { description: 'Every client of the namespace.', query: 'true' } },
  ],
  example: {
    name: 'northern-machines',
    body: {
      properties: { query: 'attributes.area = "north" and attributes.floor <= 5', description: 'North.' },
    },
  },
}
