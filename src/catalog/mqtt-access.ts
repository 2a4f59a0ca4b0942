import type { X509Certificate } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import type { ClientFacts } from '../client/attributes.ts'
import { normalizeThumbprint, type ValidationScheme } from '../client/certificate.ts'
import { compileGroupQuery, type GroupQuery } from '../client/group-query.ts'
import { compileTopicTemplate, type TopicTemplate } from '../client/topic-template.ts'
import {
  type CaCertificateProperties,
  caCertificates,
  readEncodedCertificate,
} from '../resources/ca-certificates.ts'
import { type ClientGroupProperties, clientGroups } from '../resources/client-groups.ts'
import { type ClientProperties, namespaceClients } from '../resources/namespace-clients.ts'
import { type PermissionBindingProperties, permissionBindings } from '../resources/permission-bindings.ts'
import type { StoredResource } from '../resources/resource-type.ts'
import { type TopicSpaceProperties, topicSpaces } from '../resources/topic-spaces.ts'

/*
 * What namespaces let MQTT clients do, as the data plane looks it up: read once, when it is written, into what runs
 * many times. Names and ids are in any letter case.
 */

/** A client that is registered. */
export interface RegisteredClient extends ClientFacts {
  readonly id: string
  readonly name: string
  readonly uid: string
  readonly enabled: boolean
  readonly validationScheme: ValidationScheme
  /** In lower-case hex. */
  readonly thumbprints: readonly string[]
  readonly createdAt: EpochMs
  readonly changedAt: EpochMs
}

export interface ClientGroup {
  readonly name: string
  readonly includes: GroupQuery
}

export interface TopicSpace {
  readonly id: string
  readonly name: string
  readonly templates: readonly TopicTemplate[]
}

export type PermissionBinding = Pick<
  PermissionBindingProperties,
  'clientGroupName' | 'topicSpaceName' | 'permission'
>

export interface NamespaceAccess {
  /** By authentication name. */
  client(authenticationName: string): RegisteredClient | undefined
  /** By the name of its resource. */
  clientNamed(name: string): RegisteredClient | undefined
  readonly clients: Iterable<RegisteredClient>
  clientGroup(name: string): ClientGroup | undefined
  readonly topicSpaces: Iterable<TopicSpace>
  topicSpace(name: string): TopicSpace | undefined
  readonly permissionBindings: Iterable<PermissionBinding>
  readonly caCertificates: Iterable<X509Certificate>
}

export type MqttAccessChange =
  | {
      readonly kind: 'client'
      readonly namespaceId: string
      readonly before: RegisteredClient | undefined
      readonly after: RegisteredClient | undefined
    }
  | { readonly kind: 'rules' | 'caCertificates'; readonly namespaceId: string }

class OneNamespace implements NamespaceAccess {
  readonly byAuthenticationName = new Map<string, RegisteredClient>()
  readonly byName = new Map<string, RegisteredClient>()
  readonly groups = new Map<string, ClientGroup>()
  readonly spaces = new Map<string, TopicSpace>()
  readonly bindings = new Map<string, PermissionBinding>()
  readonly authorities = new Map<string, X509Certificate>()

  client(authenticationName: string): RegisteredClient | undefined {
    return this.byAuthenticationName.get(authenticationName.toLowerCase())
  }

  clientNamed(name: string): RegisteredClient | undefined {
    return this.byName.get(name.toLowerCase())
  }

  clientGroup(name: string): ClientGroup | undefined {
    return this.groups.get(name.toLowerCase())
  }

  topicSpace(name: string): TopicSpace | undefined {
    return this.spaces.get(name.toLowerCase())
  }

  get clients(): Iterable<RegisteredClient> {
    return this.byName.values()
  }

  get topicSpaces(): Iterable<TopicSpace> {
    return this.spaces.values()
  }

  get permissionBindings(): Iterable<PermissionBinding> {
    return this.bindings.values()
  }

  get caCertificates(): Iterable<X509Certificate> {
    return this.authorities.values()
  }

  get isEmpty(): boolean {
    const { byName, groups, spaces, bindings, authorities } = this
    return [byName, groups, spaces, bindings, authorities].every(({ size }) => size === 0)
  }
}

export const mqttTypes: ReadonlySet<string> = new Set(
  [namespaceClients, clientGroups, topicSpaces, permissionBindings, caCertificates].map(({ type }) => type),
)

export class MqttAccess {
  readonly #namespaces = new Map<string, OneNamespace>()

  /** Of a namespace that has nothing of it too. */
  of(namespaceId: string): NamespaceAccess {
    return this.#namespaces.get(namespaceId.toLowerCase()) ?? new OneNamespace()
  }

  place(resource: StoredResource): MqttAccessChange {
    const { type, parentId: namespaceId, properties } = resource
    const key = namespaceId.toLowerCase()
    const name = resource.name.toLowerCase()
    let namespace = this.#namespaces.get(key)
    if (!namespace) this.#namespaces.set(key, (namespace = new OneNamespace()))
    switch (type) {
      case namespaceClients.type: {
        const after = registeredClient(resource)
        const before = namespace.byName.get(name)
        namespace.byName.set(name, after)
        namespace.byAuthenticationName.set(after.authenticationName.toLowerCase(), after)
        return { kind: 'client', namespaceId, before, after }
      }
      case clientGroups.type:
        namespace.groups.set(name, clientGroup(resource))
        return { kind: 'rules', namespaceId }
      case topicSpaces.type:
        namespace.spaces.set(name, topicSpace(resource))
        return { kind: 'rules', namespaceId }
      case permissionBindings.type:
        namespace.bindings.set(name, properties as unknown as PermissionBindingProperties)
        return { kind: 'rules', namespaceId }
      default: {
        const { encodedCertificate } = properties as unknown as CaCertificateProperties
        const certificate = readEncodedCertificate(encodedCertificate)
        if (certificate) namespace.authorities.set(name, certificate)
        return { kind: 'caCertificates', namespaceId }
      }
    }
  }

  forget(resource: StoredResource): MqttAccessChange {
    const { type, parentId: namespaceId } = resource
    const key = namespaceId.toLowerCase()
    const name = resource.name.toLowerCase()
    const namespace = this.#namespaces.get(key) ?? new OneNamespace()
    const before = namespace.byName.get(name)
    if (type === namespaceClients.type && before) {
      namespace.byName.delete(name)
      namespace.byAuthenticationName.delete(before.authenticationName.toLowerCase())
    } else if (type === clientGroups.type) namespace.groups.delete(name)
    else if (type === topicSpaces.type) namespace.spaces.delete(name)
    else if (type === permissionBindings.type) namespace.bindings.delete(name)
    else if (type === caCertificates.type) namespace.authorities.delete(name)
    if (namespace.isEmpty) this.#namespaces.delete(key)
    if (type === namespaceClients.type) return { kind: 'client', namespaceId, before, after: undefined }
    return { kind: type === caCertificates.type ? 'caCertificates' : 'rules', namespaceId }
  }
}

function registeredClient({
  id,
  name,
  uid,
  properties,
  createdAt,
  changedAt,
}: StoredResource): RegisteredClient {
  const { authenticationName, attributes, state, clientCertificateAuthentication } =
    properties as unknown as ClientProperties
  const { validationScheme, allowedThumbprints } = clientCertificateAuthentication
  return {
    ...{ id, name, uid, authenticationName, attributes, validationScheme, createdAt, changedAt },
    enabled: state === 'Enabled',
    thumbprints: allowedThumbprints.flatMap((text) => normalizeThumbprint(text) ?? []),
  }
}

function clientGroup({ name, properties, builtIn }: StoredResource): ClientGroup {
  const { query } = properties as unknown as ClientGroupProperties
  return { name, includes: builtIn ? () => true : compileGroupQuery(query) }
}

/** What was within the limits when it was written stays, whatever they are now. */
const anyLength = { bytes: Number.MAX_SAFE_INTEGER, segments: Number.MAX_SAFE_INTEGER }

function topicSpace({ id, name, properties }: StoredResource): TopicSpace {
  const { topicTemplates } = properties as unknown as TopicSpaceProperties
  return { id, name, templates: topicTemplates.map((text) => compileTopicTemplate(text, anyLength)) }
}
