import { RequestError } from '../base/errors.ts'
import { customRoles } from '../resources/custom-roles.ts'
import { type DeploymentPath, deploymentPathOf } from './deployments/deployment-path.ts'
import { deploymentId } from './deployments/describe-deployment.ts'
import { encodeProvider } from './directory.ts'
import { hubPathOf } from './hub-routes.ts'
import type { ParsedPath, ProviderBlock } from './path.ts'
import { operationOf } from './resource-events.ts'
import { groupIdOf, type ResourceRefs, subscriptionIdOf } from './resource-ref.ts'

/*
 * What a request must be permitted, by its path and its method alone: whether anything is there is asked later, and
 * only of those who may know.
 *
 * Source: learn.microsoft.com/azure/role-based-access-control/resource-provider-operations
 */

/** An action, and where it must be permitted. */
export interface NeededAccess {
  /** Such as `Microsoft.EventGrid/topics/write`, with the registered casing where there is one. */
  readonly action: string
  /** Canonical id of what it is done to, in the path's casing of names. */
  readonly scope: string
  /** What of it may be read is listed, although not all of it may be. */
  readonly isList: boolean
}

/**
 * `member`: whoever has a role in the subscription, whatever it permits, may ask; it tells nothing of any resource,
 * or of an operation whose id nobody guesses.
 */
export type Needed = NeededAccess | 'member'

const groupsType = 'Microsoft.Resources/resourceGroups'
const verbs: Readonly<Record<string, string>> = { GET: 'read', HEAD: 'read', DELETE: 'delete' }

/** @param path of something in a subscription */
export function neededAccess(path: ParsedPath, method: string, version: string, refs: ResourceRefs): Needed {
  const deployment = deploymentPathOf(path)
  if (deployment) return ofDeployment(deployment, method)
  const { subscriptionId = '', group, blocks, rest } = path
  const subscription = subscriptionIdOf(subscriptionId)
  const block = blocks.at(-1)
  if (block === undefined)
    return group === undefined
      ? ofSubscription(subscription, rest, method)
      : ofGroup(groupIdOf(subscriptionId, group), rest, method)
  if (rest.length > 0 || block.types.length === 0 || isPermissions(block)) return 'member'
  if (group === undefined && blocks.length === 1) {
    const needed = ofProvider(block, subscription)
    if (needed) return needed
  }
  return ofResource(path, block, method, version, refs)
}

const access = (action: string, scope: string, isList = false): NeededAccess => ({ action, scope, isList })

/** What reading, writing, deleting, or an action on a type is called. */
export const actionOf = (type: string, verb: string): string =>
  verb === 'read' ? `${operationOf(type, 'write').slice(0, -'write'.length)}read` : operationOf(type, verb)

function ofSubscription(subscription: string, rest: readonly string[], method: string): Needed {
  const [word = '', name, literal] = rest
  switch (word.toLowerCase()) {
    case 'resourcegroups':
      return access(actionOf(groupsType, 'read'), subscription, true)
    case 'resources':
      return access('Microsoft.Resources/subscriptions/resources/read', subscription, true)
    case 'tagnames': {
      const type = `Microsoft.Resources/subscriptions/tagNames${literal === undefined ? '' : '/tagValues'}`
      const scope = name === undefined ? subscription : `${subscription}/${rest.join('/')}`
      return access(actionOf(type, verbs[method] ?? 'write'), scope)
    }
    default:
      return 'member'
  }
}

function ofGroup(group: string, [word]: readonly string[], method: string): Needed {
  if (word === undefined) return access(actionOf(groupsType, verbs[method] ?? 'write'), group)
  if (word.toLowerCase() === 'resources')
    return access('Microsoft.Resources/subscriptions/resourceGroups/resources/read', group, true)
  return access(actionOf(groupsType, groupActions[word.toLowerCase()] ?? word), group)
}

const groupActions: Readonly<Record<string, string>> = {
  exporttemplate: 'exportTemplate',
  moveresources: 'moveResources',
  validatemoveresources: 'validateMoveResources',
}

/** Undefined where it is about a resource after all. */
function ofProvider({ namespace, types }: ProviderBlock, subscription: string): Needed | undefined {
  const word = types.join('/').toLowerCase()
  if (/^(locations\/)?(operationsstatus|operationresults)$/.test(word)) return 'member'
  const name = encodeProvider(namespace, '')?.namespace ?? namespace
  switch (word) {
    case 'resourcetypes':
    case 'providerpermissions':
      return 'member'
    case 'register':
    case 'unregister':
      return access(`${name}/${word}/action`, subscription)
    case 'checknameavailability':
      return access(`${name}/checkNameAvailability/action`, subscription)
    default:
      return undefined
  }
}

function ofResource(
  path: ParsedPath,
  block: ProviderBlock,
  method: string,
  version: string,
  refs: ResourceRefs,
): NeededAccess {
  const isAction = method === 'POST' && block.types.length > block.names.length
  const known = targetOf(path, version, method, refs)
  if (known?.kind === 'action' && method === 'POST') {
    const { type, form, id } = known.ref
    const lower = known.action.toLowerCase()
    const action = Object.keys(type.actions).find((name) => name.toLowerCase() === lower) ?? known.action
    return access(actionOf(form, action), id)
  }
  const verb = verbs[method] ?? 'write'
  if (known?.kind === 'resource') return access(actionOf(known.ref.form, verb), known.ref.id)
  if (known?.kind === 'collection')
    return access(
      actionOf(known.ref.form, verb),
      known.ref.parentId,
      method === 'GET' && known.ref.type !== customRoles && !hubPathOf(block),
    )
  // Of what is no resource type: what is said of topic types, private links, tags.
  const { namespace: given, types, names } = block
  const namespace = encodeProvider(given, '')?.namespace ?? given
  const words = types.map((word) => casing[word.toLowerCase()] ?? word)
  const type = [namespace, ...words.slice(0, isAction ? -1 : undefined)].join('/')
  const pairs = words.slice(0, names.length).map((word, index) => `/${word}/${names[index]}`)
  const base = refs.scopeOf(path)
  const scope = pairs.length === 0 ? base : `${base}/providers/${namespace}${pairs.join('')}`
  if (isAction) return access(actionOf(type, types.at(-1) as string), scope)
  return access(
    actionOf(type, verb),
    scope,
    method === 'GET' && types.at(-1)?.toLowerCase() === 'eventsubscriptions',
  )
}

/** Words of types that are not on the shelf, and what they stand below. */
const casing: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...['tags', 'topics', 'domains', 'partnerNamespaces', 'namespaces', 'topicTypes', 'eventTypes'],
    ...['locations', 'eventSubscriptions', 'extensionTopics', 'verifiedPartners'],
    ...['privateEndpointConnections', 'privateLinkResources', 'roleDefinitions'],
  ].map((word) => [word.toLowerCase(), word]),
)

/** The resource, collection or action that a path is about; undefined where that is none on the shelf. */
function targetOf(path: ParsedPath, version: string, method: string, refs: ResourceRefs) {
  try {
    return refs.target(path, version, method)
  } catch (error) {
    if (error instanceof RequestError) return undefined
    throw error
  }
}

function ofDeployment({ scope, name, word, item }: DeploymentPath, method: string): Needed {
  // What has no scope needs none, or is refused.
  if (!scope) return 'member'
  const type = 'Microsoft.Resources/deployments'
  if (name === undefined) return access(actionOf(type, 'read'), scope.id)
  const id = deploymentId(scope, name)
  if (word === undefined) return access(actionOf(type, verbs[method] ?? 'write'), id)
  if (word === 'operations' || word === 'operationstatuses' || item !== undefined)
    return access(actionOf(`${type}/${word === 'operations' ? word : 'operationStatuses'}`, 'read'), id)
  return access(actionOf(type, deploymentActions[word] ?? word), id)
}

/** The list of what the caller itself may do. */
const isPermissions = ({ namespace, types, names }: ProviderBlock) =>
  names.length === 0 &&
  `${namespace}/${types.join('/')}`.toLowerCase() === 'microsoft.authorization/permissions'

const deploymentActions: Readonly<Record<string, string>> = {
  whatif: 'whatIf',
  exporttemplate: 'exportTemplate',
}
