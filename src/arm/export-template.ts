import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import { isGenericExtension } from '../resources/generic-providers.ts'
import type { ResourceType, StoredResource } from '../resources/resource-type.ts'
import { groupType, isSameType, type Level, levelsOf, nameInId, typeOfId } from '../wire/arm-id.ts'
import { invalidProperty } from '../wire/errors.ts'
import { checkString, fields, isObject, readArray, readString, type WireObject } from '../wire/shape.ts'
import { apiVersions, genericVersions } from './api-versions.ts'
import { encodeResource } from './envelope.ts'
import { gatewayError, resourceNotFound } from './errors.ts'
import type { ResourceRefs } from './resource-ref.ts'

/*
 * A resource group as a template that makes the same again. Names are parameters; so are the URLs of webhooks, which
 * are secret.
 *
 * Source: learn.microsoft.com/rest/api/resources/resource-groups/export-template
 */

/** Source: learn.microsoft.com/azure/azure-resource-manager/templates/export-template-portal, "Limitations" */
const resourcesPerTemplate = 200

const idsPerRequest = 1_000
const idCharacters = 2_048

const schema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'

/** What GET prints and nobody can say. */
const readOnly = [
  ...['provisioningState', 'endpoint', 'metricResourceId', 'topic', 'endpointBaseUrl'],
  ...['privateEndpointConnections', 'partnerRegistrationImmutableId', 'readinessState', 'activationState'],
]

export interface ExportOptions {
  readonly catalog: StoredCatalog
  readonly refs: ResourceRefs
  readonly publicUrl: () => string
}

/** @param group canonical id of a group that exists */
export function exportTemplate(group: string, body: WireObject, options: ExportOptions): WireObject {
  const from = fields(body, '')
  const wanted = readArray(from, 'resources', idsPerRequest)?.map(({ value, path }) =>
    checkString(value, path, idCharacters),
  ) ?? ['*']
  const words = (readString(from, 'options', 512) ?? '').split(',').map((word) => word.trim())
  for (const word of words)
    if (word !== '' && !knownOptions.includes(word.toLowerCase()))
      throw invalidProperty('options', `made of ${knownOptions.join(', ')}`, word)
  const exporter = new Exporter(group, new Set(words.map((word) => word.toLowerCase())), options)
  return { template: exporter.template(wanted) }
}

const knownOptions = [
  ...['includeparameterdefaultvalue', 'includecomments'],
  ...['skipresourcenameparameterization', 'skipallparameterization'],
]

class Exporter {
  readonly #group: string
  readonly #words: ReadonlySet<string>
  readonly #options: ExportOptions
  /** Of the resources in the template, by the same in lower case. */
  readonly #ids = new Map<string, string>()
  readonly #parameters = new Map<string, WireObject>()
  /** The parameter for the name of an outermost resource, by its id in lower case; undefined: it has none. */
  readonly #names = new Map<string, string | undefined>()

  constructor(group: string, words: ReadonlySet<string>, options: ExportOptions) {
    this.#group = group
    this.#words = words
    this.#options = options
  }

  template(wanted: readonly string[]): WireObject {
    const resources = this.#resources(wanted)
    if (resources.length > resourcesPerTemplate)
      throw gatewayError(
        400,
        'ExportTemplateResourceCountExceeded',
        `A template holds at most ${resourcesPerTemplate} resources; '${nameInId(this.#group)}' has ${resources.length} that were asked for.`,
      )
    for (const { id } of resources) {
      this.#ids.set(id.toLowerCase(), id)
      this.#nameParameter(id)
    }
    const encoded = resources.map((resource) => this.#encode(resource))
    return {
      $schema: schema,
      contentVersion: '1.0.0.0',
      // Encoding has found more of them.
      parameters: Object.fromEntries(this.#parameters),
      variables: {},
      resources: encoded,
    }
  }

  /** Parents first. */
  #resources(wanted: readonly string[]): readonly StoredResource[] {
    const { catalog, refs } = this.#options
    const all = [...catalog.types()]
      .flatMap((name) => refs.typeNamed(name) ?? [])
      .filter(isExported)
      .flatMap((type) =>
        [...catalog.below(type.type, `${this.#group}/`)]
          .map(({ resource }) => resource)
          .filter(({ builtIn }) => !builtIn),
      )
      .filter(({ automatic, twinId, type }) => !automatic && (!twinId || isMaker(refs.typeNamed(type))))
      .toSorted((one, other) => one.id.split('/').length - other.id.split('/').length)
    if (wanted.includes('*')) return all
    const ids = wanted.map((id) => id.toLowerCase())
    for (const id of ids)
      if (!all.some((resource) => resource.id.toLowerCase() === id))
        throw resourceNotFound(typeOfId(id) ?? id.slice(0, 200), nameInId(id), nameInId(this.#group))
    return all.filter(({ id }) =>
      ids.some((each) => id.toLowerCase() === each || id.toLowerCase().startsWith(`${each}/`)),
    )
  }

  #encode(resource: StoredResource): WireObject {
    const { refs, publicUrl } = this.#options
    const type = refs.typeNamed(resource.type) as ResourceType
    const whole = encodeResource(
      resource,
      type,
      { type: resource.type, id: resource.id },
      {
        publicUrl: publicUrl(),
      },
    )
    const { properties, location, tags, identity, ...rest } = whole
    const members = Object.fromEntries((type.topLevel ?? []).map((name) => [name, rest[name]]))
    const printed = printedType(resource)
    const { dependsOn = [], ...stands } = this.#standsOn(resource)
    const named = new Set<string>()
    // Of those that are not run here, what their provider would tell is no part of them.
    const own = type.generic ? resource.properties : (properties as WireObject)
    const encoded = this.#propertiesOf(resource, own, named)
    const needed = [...dependsOn, ...named]
    return {
      ...(this.#words.has('includecomments') && { comments: `Exported from ${nameInId(this.#group)}.` }),
      type: printed,
      apiVersion: versionOf(printed),
      name: this.#nameOf(resource),
      ...stands,
      ...(needed.length > 0 && { dependsOn: needed }),
      location: escaped(location),
      tags: isObject(tags) && Object.keys(tags).length > 0 ? escaped(tags) : undefined,
      identity: isObject(identity) ? withoutGuids(identity) : undefined,
      ...(escaped(members) as WireObject),
      properties: encoded,
    }
  }

  /** @param named takes in resources of the template that the properties name */
  #propertiesOf({ id, name }: StoredResource, properties: WireObject, named: Set<string>): unknown {
    const text = (value: unknown): unknown => {
      const other = typeof value === 'string' ? this.#ids.get(value.toLowerCase()) : undefined
      if (other === undefined || isWithin(other, id) || isWithin(id, other)) return escaped(value)
      const expression = this.#reference(other)
      named.add(expression)
      return expression
    }
    const webhook = (path: readonly string[]) => {
      const parameter = `${word(name)}_endpointUrl`
      const unique = this.#parameters.has(parameter) ? `${word(id.slice(this.#group.length))}_url` : parameter
      this.#parameters.set(unique, {
        type: 'securestring',
        metadata: { description: `The URL of the webhook of ${path.join('.')}: it is secret.` },
      })
      return `[parameters('${unique}')]`
    }
    const copy = (value: unknown, path: readonly string[]): unknown => {
      if (Array.isArray(value)) return value.map((item) => copy(item, path))
      if (!isObject(value)) return text(value)
      const entries = Object.entries(value).filter(
        ([member, item]) => item !== null && item !== undefined && !readOnly.includes(member),
      )
      const copied = entries.map(([member, item]) => [escapedText(member), copy(item, [...path, member])])
      if (path.at(-1) === 'webhookAuthentication')
        return { ...Object.fromEntries(copied), endpointUrl: webhook([id, ...path]) }
      // A generic resource has members of any name, and none of them is of a webhook.
      if (value.endpointType === 'WebHook' && isObject(value.properties))
        return {
          ...Object.fromEntries(copied),
          properties: {
            ...(copy(value.properties, path) as WireObject),
            endpointUrl: webhook([id, ...path]),
          },
        }
      return Object.fromEntries(copied)
    }
    return copy(properties, [])
  }

  // ------------------------------------------------------------ names

  #nameParameter(id: string): void {
    const top = topOf(id)
    const key = top.id.toLowerCase()
    if (this.#names.has(key) || isSameType(top.type, groupType)) return
    if (this.#words.has('skipallparameterization') || this.#words.has('skipresourcenameparameterization')) {
      this.#names.set(key, undefined)
      return
    }
    const name = nameInId(top.id)
    const plain = `${word(top.type.slice(top.type.indexOf('/') + 1))}_${word(name)}_name`
    let parameter = plain
    for (let more = 2; this.#parameters.has(parameter); more++) parameter = `${plain}_${more}`
    this.#names.set(key, parameter)
    const value = this.#words.has('includeparameterdefaultvalue')
    this.#parameters.set(parameter, { type: 'String', ...(value && { defaultValue: escapedText(name) }) })
  }

  /** The names of what an id leads through, from its top resource down, as parts of an expression. */
  #parts(id: string): readonly string[] {
    const top = topOf(id)
    const parameter = this.#names.get(top.id.toLowerCase())
    const names = levelsOf(id)
      .slice(2)
      .map((level) => quoted(nameInId(level.id)))
    return parameter === undefined ? names : [`parameters('${parameter}')`, ...names.slice(1)]
  }

  #nameOf({ id, parentId, type, name }: StoredResource): string {
    if (isExtension(type) && !isChildForm(parentId, id)) return escapedText(name)
    const parts = this.#parts(id)
    if (parts.every((part) => part.startsWith("'"))) return escapedText(parts.map(unquoted).join('/'))
    return parts.length === 1 ? `[${parts[0]}]` : `[concat(${parts.join(", '/', ")})]`
  }

  #reference(id: string): string {
    return `[resourceId(${[quoted(typeOfId(id) as string), ...this.#parts(id)].join(', ')})]`
  }

  #standsOn({ id, parentId, type }: StoredResource): {
    readonly scope?: string
    readonly dependsOn?: readonly string[]
  } {
    if (isSameType(typeOfId(parentId), groupType)) return {}
    const owner = this.#reference(parentId)
    return {
      ...(isExtension(type) && !isChildForm(parentId, id) && { scope: owner }),
      ...(this.#ids.has(parentId.toLowerCase()) && { dependsOn: [owner] }),
    }
  }
}

const isWithin = (id: string, other: string) => `${id}/`.toLowerCase().startsWith(`${other}/`.toLowerCase())

const isExtension = (type: string) =>
  isSameType(type, 'Microsoft.EventGrid/eventSubscriptions') || isGenericExtension(type)

/** Groups are what is exported; locks and who may do what are not part of a template. */
const isExported = ({ scope, type }: ResourceType) =>
  scope === 'group' || scope === 'child' || (scope === 'extension' && isExtension(type))

/** The other side of a pair comes with the side that makes it. */
const isMaker = (type: ResourceType | undefined) => type?.twin !== undefined && 'make' in type.twin

/** Whether an event subscription is a child of what it stands on, and has no other form. */
const isChildForm = (parentId: string, id: string) =>
  id.slice(parentId.length).toLowerCase().startsWith('/eventsubscriptions/')

/** The outermost resource of an id. */
function topOf(id: string): Level {
  const levels = levelsOf(id)
  return levels[2] ?? levels.at(-1) ?? { type: '', id }
}

/** The type as the id has it, since a nested event subscription has its parent's. */
const printedType = ({ id, type }: StoredResource): string => typeOfId(id) ?? type

function versionOf(type: string): string {
  const namespace = type.slice(0, type.indexOf('/')).toLowerCase()
  const versions = apiVersions[namespace] ?? genericVersions
  return versions.find((version) => !version.endsWith('-preview')) as string
}

/** Letters, digits and underscores, as parameters are called. */
const word = (text: string) => text.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_+|_+$/g, '')

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`
const unquoted = (text: string) => text.slice(1, -1).replaceAll("''", "'")

/** A text that begins with a bracket would be an expression. */
const escapedText = (text: string) => (text.startsWith('[') ? `[${text}` : text)

/** Every text within. */
function escaped(value: unknown): unknown {
  if (typeof value === 'string') return escapedText(value)
  if (Array.isArray(value)) return value.map(escaped)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [escapedText(name), escaped(item)]))
}

/** What an identity is, without who it turned out to be. */
function withoutGuids({ type, userAssignedIdentities }: WireObject): WireObject | undefined {
  if (type === 'None') return undefined
  return {
    type,
    ...(isObject(userAssignedIdentities) && {
      userAssignedIdentities: Object.fromEntries(Object.keys(userAssignedIdentities).map((id) => [id, {}])),
    }),
  }
}
