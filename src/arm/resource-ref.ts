import type { ResourceType, StoredResource } from '../resources/resource-type.ts'
import { invalidRequest } from '../wire/errors.ts'
import type { PrintedForm } from './envelope.ts'
import { invalidNamespace, invalidType, notFound } from './errors.ts'
import type { ParsedPath, ProviderBlock } from './path.ts'

/** A resource named by a path, whether it exists or not. */
export interface ResourceRef {
  readonly type: ResourceType
  /** The name in the path's casing. */
  readonly name: string
  readonly parentId: string
  /** Canonical form of the id, in the path's casing of names. */
  readonly id: string
  readonly group: string | undefined
  /** The type as the path's form has it: the type's own, or one of its child forms. */
  readonly form: string
}

/** A collection named by a path. */
export interface CollectionRef {
  readonly type: ResourceType
  readonly parentId: string
  readonly group: string | undefined
  readonly form: string
}

export type Target =
  | { readonly kind: 'resource'; readonly ref: ResourceRef }
  | { readonly kind: 'collection'; readonly ref: CollectionRef }
  | { readonly kind: 'action'; readonly ref: ResourceRef; readonly action: string }

interface Form {
  readonly type: ResourceType
  readonly form: string
}

export const subscriptionIdOf = (subscriptionId: string) => `/subscriptions/${subscriptionId}`
export const groupIdOf = (subscriptionId: string, group: string) =>
  `${subscriptionIdOf(subscriptionId)}/resourceGroups/${group}`

/** Finds what a path means among the types on the shelf. */
export class ResourceRefs {
  /** By lower-case type. */
  readonly #forms = new Map<string, Form>()
  readonly #namespaces = new Set<string>()
  readonly #groups: ResourceType

  constructor(types: readonly ResourceType[], groups: ResourceType) {
    this.#groups = groups
    for (const type of types)
      for (const form of [type.type, ...type.childForms]) {
        this.#forms.set(form.toLowerCase(), { type, form })
        this.#namespaces.add(namespaceOf(form))
      }
  }

  group(subscriptionId: string, name: string): ResourceRef {
    return {
      type: this.#groups,
      name,
      parentId: subscriptionIdOf(subscriptionId),
      id: groupIdOf(subscriptionId, name),
      group: undefined,
      form: this.#groups.type,
    }
  }

  isKnownNamespace(namespace: string): boolean {
    return this.#namespaces.has(namespace.toLowerCase())
  }

  /** What the last provider block of a path is about. Throws 404 when no type on the shelf is. */
  target(path: ParsedPath, apiVersion: string): Target {
    const block = path.blocks.at(-1) as ProviderBlock
    const { namespace, types, names } = block
    if (!this.isKnownNamespace(namespace)) throw invalidNamespace(namespace)
    const scope = this.#scopeOf(path)
    const whole = this.#form(block, types.length)
    if (names.length === types.length && whole) {
      const ref = this.#ref(whole, block, scope, path)
      return { kind: 'resource', ref }
    }
    if (names.length === types.length - 1) {
      if (whole) {
        const parentId = types.length === 1 ? scope : childIdOf(scope, block, types.length - 1)
        this.#check(whole, block, path, true)
        return { kind: 'collection', ref: { ...whole, parentId, group: path.group } }
      }
      const owner = types.length > 1 ? this.#form(block, types.length - 1) : undefined
      if (owner)
        return { kind: 'action', ref: this.#ref(owner, block, scope, path), action: types.at(-1) as string }
    }
    throw invalidType(namespace, types.join('/'), apiVersion)
  }

  #form({ namespace, types }: ProviderBlock, depth: number): Form | undefined {
    return this.#forms.get(`${namespace}/${types.slice(0, depth).join('/')}`.toLowerCase())
  }

  #canStandOn(type: ResourceType, source: string): boolean {
    return type.parentTypes.some((parent) => parent.toLowerCase() === source.toLowerCase())
  }

  #ref(form: Form, block: ProviderBlock, scope: string, path: ParsedPath): ResourceRef {
    this.#check(form, block, path)
    const depth = depthOf(form.form)
    const name = block.names[depth - 1] as string
    const parentId = depth === 1 ? scope : childIdOf(scope, block, depth - 1)
    return { ...form, name, parentId, id: idOf(form.type, parentId, name), group: path.group }
  }

  /** An extension form needs a resource to stand on; every other form a group and nothing between. */
  #check(
    { type, form }: Form,
    { namespace, types }: ProviderBlock,
    { group, blocks }: ParsedPath,
    isCollection = false,
  ): void {
    if (type.scope === 'extension' && form === type.type) {
      if (blocks.length === 2) return
      throw unsupportedSource(type, group === undefined ? 'A subscription' : 'A resource group')
    }
    if (blocks.length === 1 && (group !== undefined || (isCollection && types.length === 1))) return
    throw notFound(`${namespace}/${types.join('/')}`)
  }

  /** Canonical id of what stands before the last provider block. */
  #scopeOf(path: ParsedPath): string {
    const { subscriptionId = '', group, blocks } = path
    let id = group === undefined ? subscriptionIdOf(subscriptionId) : groupIdOf(subscriptionId, group)
    for (const block of blocks.slice(0, -1)) {
      const type = `${block.namespace}/${block.types.join('/')}`
      if (block.names.length !== block.types.length) throw notFound(`${id}/providers/${type}`)
      const last = this.#form(path.blocks.at(-1) as ProviderBlock, 1)
      if (last?.type.scope === 'extension' && !this.#canStandOn(last.type, type))
        throw unsupportedSource(last.type, `A resource of type '${type}'`)
      id = childIdOf(id, block, block.types.length)
    }
    return id
  }
}

const unsupportedSource = (type: ResourceType, source: string) =>
  invalidRequest(
    `${source} is not supported by this version of Busbar as a source of '${type.type}'; supported: ${type.parentTypes.join(', ')}.`,
  )

const namespaceOf = (type: string) => (type.split('/')[0] as string).toLowerCase()
const depthOf = (form: string) => form.split('/').length - 1

/** The id of a resource of that type, in its own form. */
export const idOf = (type: ResourceType, parentId: string, name: string): string =>
  type.scope === 'subscription'
    ? `${parentId}/resourceGroups/${name}`
    : `${parentId}/providers/${type.type}/${name}`

/** The id that `depth` pairs of a block lead to, with the registered casing of its literals kept as they came. */
const childIdOf = (scope: string, { namespace, types, names }: ProviderBlock, depth: number): string =>
  `${scope}/providers/${namespace}${types
    .slice(0, depth)
    .map((type, index) => `/${type}/${names[index]}`)
    .join('')}`

/** A stored resource's id and type in the form of a request. */
export function printedForm(
  form: string,
  type: ResourceType,
  { id, parentId, name }: StoredResource,
): PrintedForm {
  if (form === type.type) return { type: form, id }
  return { type: form, id: `${parentId}/${form.split('/').at(-1)}/${name}` }
}
