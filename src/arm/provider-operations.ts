import { listedGenericTypes } from '../resources/generic-providers.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { roleDefinitions } from '../resources/role-definitions.ts'
import { hubReads } from './hub-routes.ts'

/*
 * What can be done with the resources of a provider, under the names that roles and resource events use. Made from the
 * shelf, so that what is listed is there and what is there is listed.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/operations/list
 */

export interface ProviderOperation {
  /** Such as `Microsoft.EventGrid/topics/write`. */
  readonly name: string
  readonly display: {
    readonly provider: string
    readonly resource: string
    readonly operation: string
    readonly description: string
  }
  readonly origin: 'User' | 'UserAndSystem'
  readonly isDataAction: boolean
}

/** What is read only, and so on no shelf; routes of the router. */
const readOnly: Readonly<Record<string, readonly string[]>> = {
  'Microsoft.EventGrid': [
    ...['operations', 'topicTypes', 'topicTypes/eventTypes', 'eventTypes', 'extensionTopics'],
    ...['verifiedPartners', 'locations/operationsStatus', 'locations/operationResults'],
  ],
  'Microsoft.Authorization': ['permissions', 'roleDefinitions'],
  'Microsoft.Devices': hubReads.map((word) => `IotHubs/${word}`),
}

/** @param namespace in its registered casing */
export function operationsOf(
  namespace: string,
  shelf: readonly ResourceType[],
): readonly ProviderOperation[] {
  const own = shelf.filter(({ type }) => type.startsWith(`${namespace}/`))
  return [
    named(`${namespace}/register/action`),
    named(`${namespace}/unregister/action`),
    ...own.flatMap((type) => [type.type, ...type.childForms].flatMap((form) => ofType(form, type.actions))),
    ...listedGenericTypes(namespace)
      .filter((form) => !own.some(({ type }) => type === form))
      .flatMap((form) => ofType(form, {})),
    ...(readOnly[namespace] ?? []).map((form) => named(`${namespace}/${form}/read`)),
    ...dataActions(namespace).map((name) => named(name, true)),
  ]
}

const ofType = (form: string, actions: ResourceType['actions']) =>
  ['read', 'write', 'delete', ...Object.keys(actions).map((name) => `${name}/action`)].map((verb) =>
    named(`${form}/${verb}`),
  )

/** Those that a role can grant. */
function dataActions(namespace: string): readonly string[] {
  const all = roleDefinitions.flatMap((role) => role.dataActions)
  return [...new Set(all.filter((name) => name.startsWith(`${namespace}/`) && !name.includes('*')))]
}

const verbs: Readonly<Record<string, string>> = {
  read: 'Read',
  write: 'Create or update',
  delete: 'Delete',
}

function named(name: string, isDataAction = false): ProviderOperation {
  const [namespace = '', ...words] = name.split('/')
  const verb = words.pop() as string
  const action = verb === 'action' ? words.pop() : undefined
  const resource = words.length === 0 ? 'Provider' : words.map(spelled).join(', ')
  const operation =
    action === undefined
      ? `${verbs[verb]} ${resource.toLowerCase()}`
      : `${spelled(action)}: ${resource.toLowerCase()}`
  return {
    name,
    display: {
      provider: namespace.replace('.', ' ').replace(/(?<=[a-z])(?=[A-Z])/g, ' '),
      resource,
      operation,
      description: `${operation}.`,
    },
    origin: isDataAction ? 'User' : 'UserAndSystem',
    isDataAction,
  }
}

/** `listKeys` as people write it. */
const spelled = (word: string): string => {
  const text = word.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
  return text.charAt(0).toUpperCase() + text.slice(1)
}
