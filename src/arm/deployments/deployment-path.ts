import { groupScope, type Scope, subscriptionScope } from '../../templates/templates.ts'
import type { ParsedPath, ProviderBlock } from '../path.ts'

/** Where this server deploys to. */
export type DeploymentScope = Extract<Scope, { readonly subscriptionId: string }>

export const isDeployedTo = (scope: Scope): scope is DeploymentScope => 'subscriptionId' in scope

/** What a path asks of deployments. */
export interface DeploymentPath {
  /** Undefined: the scope is one to which this server does not deploy. */
  readonly scope: DeploymentScope | undefined
  /** Undefined: the collection, or the function that no deployment is needed for. */
  readonly name: string | undefined
  /** In lower case, such as `operations` or `cancel`; `calculatetemplatehash` without a name. */
  readonly word: string | undefined
  /** What follows the word. */
  readonly item: string | undefined
}

/**
 * A path about deployments; undefined when it is about something else. The az command line asks for operations below
 * the group itself, without a provider.
 */
export function deploymentPathOf(path: ParsedPath): DeploymentPath | undefined {
  const { blocks, rest } = path
  if (blocks.length === 0) {
    const [literal, name, word, item, ...more] = rest
    if (literal?.toLowerCase() !== 'deployments' || path.subscriptionId === undefined) return undefined
    if (word?.toLowerCase() !== 'operations' || more.length > 0) return undefined
    return { scope: scopeOfPath(path), name, word: 'operations', item }
  }
  const { namespace, types, names } = blocks.at(-1) as ProviderBlock
  if (namespace.toLowerCase() !== 'microsoft.resources') return undefined
  const [literal, word] = types.map((type) => type.toLowerCase())
  if (literal === 'calculatetemplatehash' && types.length === 1 && names.length === 0)
    return { scope: undefined, name: undefined, word: literal, item: undefined }
  if (literal !== 'deployments' || types.length > 2 || rest.length > 0) return undefined
  return { scope: scopeOfPath(path), name: names[0], word, item: names[1] }
}

function scopeOfPath({ subscriptionId, group, blocks }: ParsedPath): DeploymentScope | undefined {
  if (subscriptionId === undefined || blocks.length > 1) return undefined
  return deploymentScopeOf(subscriptionId, group)
}

/** The group, or where there is none, the subscription; its id has one spelling. */
export function deploymentScopeOf(subscriptionId: string, group: string | undefined): DeploymentScope {
  const id = subscriptionId.toLowerCase()
  return (group === undefined ? subscriptionScope(id) : groupScope(id, group)) as DeploymentScope
}
