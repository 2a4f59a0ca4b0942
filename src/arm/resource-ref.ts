import { genericNamespace, listedGenericType } from '../resources/generic-providers.ts'
import { genericType } from '../resources/generic-resources.ts'
import type { ResourceType, StoredResource } from '../resources/resource-type.ts'
import { isSameType, levelsOf, nameInId, typeOfId } from '../wire/arm-id.ts'
import type { PrintedForm } from './envelope.ts'
import { genericOnlyInGroup, invalidNamespace, invalidType, notFound } from './errors.ts'
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

/** Finds what a path means among the types on the shelf, and those of providers that are not run here. */
export class ResourceRefs {
  /** By lower-case type. */
  readonly #forms = new Map<string, Form>()
  readonly #namespaces = new Set<string>()
  readonly #groups: ResourceType
  readonly #storedCasing: (type: string) => string | undefined

  /** @param storedCasing of a type of which there are resources, which may be in no list */
  constructor(
    types: readonly ResourceType[],
    groups: ResourceType,
    storedCasing: (type: string) => string | undefined = () => undefined,
  ) {
    this.#groups = groups
    this.#storedCasing = storedCasing
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
    return this.#namespaces.has(namespace.toLowerCase()) || genericNamespace(namespace) !== undefined
  }

  /** An action whose name has slashes in it: `{hub}/routing/routes/$testall`. */
  #deepAction(block: ProviderBlock, scope: string, path: ParsedPath): Target | undefined {
    const { namespace, types, names } = block
    if (types.length !== 3 || names.length !== 2) return undefined
    const first = { namespace, types: types.slice(0, 1), names: names.slice(0, 1) }
    const owner = this.#form(first, 1)
    const action = `${types[1]}/${names[1]}/${types[2]}`
    const isKnown = Object.keys(owner?.type.actions ?? {}).some(
      (name) => name.toLowerCase() === action.toLowerCase(),
    )
    return owner && isKnown
      ? { kind: 'action', ref: this.#ref(owner, first, scope, path), action }
      : undefined
  }

  /**
   * What the last provider block of a path is about. Throws 404 when no type is.
   *
   * @param method tells an action from a collection, where it is not known which words are which
   */
  target(path: ParsedPath, apiVersion: string, method = 'GET'): Target {
    const block = path.blocks.at(-1) as ProviderBlock
    const { namespace, types, names } = block
    if (!this.isKnownNamespace(namespace)) throw invalidNamespace(namespace)
    const scope = this.scopeOf(path)
    const whole = this.#form(block, types.length)
    if (names.length === types.length && whole) {
      const ref = this.#ref(whole, block, scope, path)
      return { kind: 'resource', ref }
    }
    const deep = this.#deepAction(block, scope, path)
    if (deep) return deep
    if (names.length === types.length - 1) {
      if (whole && !(whole.type.generic && method === 'POST')) {
        const parentId = types.length === 1 ? scope : this.#childId(scope, block, types.length - 1)
        this.#check(whole, parentId, path, true)
        return { kind: 'collection', ref: { ...whole, parentId, group: path.group } }
      }
      const owner = types.length > 1 ? this.#form(block, types.length - 1) : undefined
      if (owner)
        return { kind: 'action', ref: this.#ref(owner, block, scope, path), action: types.at(-1) as string }
    }
    throw invalidType(namespace, types.join('/'), apiVersion)
  }

  /** The type on the shelf that an id is of, if any is. */
  typeOf(id: string): ResourceType | undefined {
    const type = typeOfId(id)
    return type === undefined ? undefined : this.typeNamed(type)
  }

  /** The type of that name, in any letter case. */
  typeNamed(type: string): ResourceType | undefined {
    return (this.#forms.get(type.toLowerCase()) ?? this.#generic(type))?.type
  }

  /** A resource that a parent is known to have, or is to have. */
  of(type: ResourceType, parentId: string, name: string): ResourceRef {
    const group = levelsOf(parentId)[1]
    return {
      type,
      name,
      parentId,
      id: idOf(type, parentId, name),
      group: isSameType(group?.type, this.#groups.type) ? nameInId(group?.id ?? '') : undefined,
      form: type.type,
    }
  }

  #form({ namespace, types }: ProviderBlock, depth: number): Form | undefined {
    if (depth === 0) return undefined
    const form = `${namespace}/${types.slice(0, depth).join('/')}`
    return this.#forms.get(form.toLowerCase()) ?? this.#generic(form)
  }

  #generic(given: string): Form | undefined {
    const [word = '', ...words] = given.split('/')
    const namespace = genericNamespace(word)
    if (namespace === undefined || words.length === 0) return undefined
    const form = listedGenericType(given) ?? this.#storedCasing(given) ?? `${namespace}/${words.join('/')}`
    return { type: genericType(form), form }
  }

  #ref(form: Form, block: ProviderBlock, scope: string, path: ParsedPath): ResourceRef {
    const depth = depthOf(form.form)
    const name = block.names[depth - 1] as string
    const parentId = depth === 1 ? scope : this.#childId(scope, block, depth - 1)
    this.#check(form, parentId, path)
    return { ...form, name, parentId, id: idOf(form.type, parentId, name), group: path.group }
  }

  /** An extension's own form stands on what it may stand on; every other form in a group, and nothing between. */
  #check({ type, form }: Form, parentId: string, { group, blocks }: ParsedPath, isCollection = false): void {
    if (type.extension && form === type.type) {
      const level = levelsOf(parentId).at(-1)
      const refusal = level && type.extension.refuses(level)
      if (refusal) throw refusal
      return
    }
    if (type.generic && isCollection && blocks.length > 1) return
    if (type.generic && (blocks.length > 1 || (group === undefined && !isCollection)))
      throw genericOnlyInGroup(form)
    if (blocks.length === 1 && (group !== undefined || (isCollection && depthOf(form) === 1))) return
    throw notFound(`${parentId}/${form}`)
  }

  /** Canonical id of what stands before the last provider block. */
  scopeOf({ subscriptionId = '', group, blocks }: ParsedPath): string {
    let id = group === undefined ? subscriptionIdOf(subscriptionId) : groupIdOf(subscriptionId, group)
    for (const block of blocks.slice(0, -1)) {
      if (block.types.length === 0 || block.names.length !== block.types.length)
        throw notFound(`${id}/providers/${block.namespace}/${block.types.join('/')}`)
      id = this.#childId(id, block, block.types.length)
    }
    return id
  }

  /** The id that `depth` pairs of a block lead to; literals of a type on the shelf get their registered casing. */
  #childId(scope: string, block: ProviderBlock, depth: number): string {
    const { types, names } = block
    const [namespace = '', ...words] = (
      this.#form(block, depth)?.form ?? `${block.namespace}/${types.slice(0, depth).join('/')}`
    ).split('/')
    return `${scope}/providers/${namespace}${words.map((word, index) => `/${word}/${names[index]}`).join('')}`
  }
}

const namespaceOf = (type: string) => (type.split('/')[0] as string).toLowerCase()
const depthOf = (form: string) => form.split('/').length - 1

/** The id of a resource of that type, as it is kept. */
export const idOf = (type: ResourceType, parentId: string, name: string): string =>
  prefixOf(type, parentId) + name

/** What the ids of all resources of a type in one parent begin with. */
export function prefixOf(type: ResourceType, parentId: string): string {
  if (type.scope === 'subscription') return `${parentId}/resourceGroups/`
  if (type.scope === 'child' || isChildOnly(type, parentId)) return `${parentId}/${lastWord(type.type)}/`
  return `${parentId}/providers/${type.type}/`
}

const isChildOnly = ({ extension }: ResourceType, parentId: string) =>
  extension?.childOnlyOf.some((parent) => isSameType(typeOfId(parentId), parent)) === true

const lastWord = (type: string) => type.slice(type.lastIndexOf('/') + 1)

/** A stored resource's id and type in the form of a request. */
export function printedForm(
  form: string,
  type: ResourceType,
  { id, parentId, name }: StoredResource,
): PrintedForm {
  if (isChildOnly(type, parentId)) return { type: `${typeOfId(parentId)}/${lastWord(type.type)}`, id }
  if (form === type.type) return { type: form, id }
  return { type: form, id: `${parentId}/${lastWord(form)}/${name}` }
}
