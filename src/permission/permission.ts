import type { TokenFor } from '../auth/webhook-tokens.ts'
import type { Clock } from '../base/clock.ts'
import type { Catalog, CatalogChange } from '../catalog/catalog.ts'
import type { RegisteredClient } from '../catalog/mqtt-access.ts'
import type { ClientAuthenticationSettings } from '../catalog/namespace.ts'
import type { ClientAttributes } from '../client/attributes.ts'
import {
  type Admission,
  type ClientIdentity,
  type ConnectRequest,
  type IdentityLog,
  type IdentityRecord,
  reasonCodes,
} from './admission.ts'
import type { Attempt, Proof } from './attempt.ts'
import { createCertificateAuthentication } from './certificates.ts'
import { authenticateCustomJwt, customJwtMethod, type FetchCertificates } from './custom-jwt.ts'
import { authenticateEntra, entraMethod, type ReadBearer } from './entra.ts'
import type { Outgoing } from './outgoing.ts'
import { refused } from './refusals.ts'
import { grantedByGroups, grantedByRoles, isCovered, type Rights, rememberedTopics } from './rights.ts'
import { authenticateByWebhook } from './webhook.ts'

/*
 * Who the MQTT clients of one namespace are, and what they may do. A CONNECT comes in; an identity goes out, or a
 * refusal that says why. What an identity may publish and subscribe to is asked for each packet, and answered
 * without a promise. A change of a client, a group, a topic space, a binding, a CA certificate or a role assignment
 * holds from the moment at which the control plane answers it: whoever listens is told whom to look at again.
 */

export interface PermissionOptions {
  readonly namespaceId: string
  readonly catalog: Pick<Catalog, 'mqtt' | 'permits'>
  /** As they are now. */
  readonly settings: () => ClientAuthenticationSettings
  /** Host names of the namespace's broker, in lower case: what custom tokens are made for. */
  readonly hosts: () => readonly string[]
  readonly readBearer: ReadBearer
  /** Whether there is still a principal that signs in here, by its object id. */
  readonly isPrincipal: (objectId: string) => boolean
  readonly tokenFor: TokenFor
  readonly outgoing: Outgoing
  readonly fetchCertificates: FetchCertificates
  /** Development only: whoever shows nothing is let in under its client id, and may do everything. */
  readonly anonymous: () => boolean
  readonly clock: Clock
}

/** Whom to look at again, by `ownerKey`. */
export type Affected = 'everyone' | ReadonlySet<string>

export interface Permission {
  authenticate(request: ConnectRequest, signal: AbortSignal): Promise<Admission>
  /** For the same client only; the identity that comes back replaces the other. */
  reauthenticate(identity: ClientIdentity, request: ConnectRequest, signal: AbortSignal): Promise<Admission>
  /** Of a session that has no connection. */
  restore(record: IdentityRecord): ClientIdentity
  /** Why a client that is connected may be so no longer; undefined: it may. Time is not asked. */
  standing(identity: ClientIdentity): { readonly text: string } | undefined
  mayPublish(identity: ClientIdentity, topicName: string): boolean
  maySubscribe(identity: ClientIdentity, topicFilter: string): boolean
  onRightsChanged(listener: (whom: Affected) => void): void
  /** Whoever listens to the catalog passes each change on, before the control plane answers it. */
  changed(change: CatalogChange): void
  /** The namespace's own settings have changed, or the principals that there are. */
  settingsChanged(): void
}

/** Topics remembered for all clients; beyond, all are forgotten. */
const rememberedTopicsOfAll = 200_000

export function createPermission(options: PermissionOptions): Permission {
  return new NamespacePermission(options)
}

class NamespacePermission implements Permission {
  readonly #options: PermissionOptions
  readonly #certificates: ReturnType<typeof createCertificateAuthentication>
  readonly #listeners: ((whom: Affected) => void)[] = []
  /** Rights that were made under another one are made again. */
  #revision = 0
  #remembered = 0

  constructor(options: PermissionOptions) {
    this.#options = options
    const { settings, clock } = options
    this.#certificates = createCertificateAuthentication({ access: () => this.#access(), settings, clock })
  }

  // ------------------------------------------------------------ who a client is

  async authenticate(request: ConnectRequest, signal: AbortSignal): Promise<Admission> {
    const attempt = await this.#attempt(request, signal)
    if (attempt.kind !== 'proved')
      return refusal(
        attempt.text,
        attempt.kind === 'refused' ? attempt.reasonCode : reasonCodes.notAuthorized,
      )
    // Something may have changed while others were asked.
    const flaw = attempt.proof.flaw()
    if (flaw !== undefined) return refusal(flaw, reasonCodes.notAuthorized)
    return { kind: 'admitted', identity: this.#identity(attempt.proof) }
  }

  /** The method decides; then registered clients come before the webhook, and both before nobody. */
  async #attempt(request: ConnectRequest, signal: AbortSignal): Promise<Attempt> {
    const { settings, hosts, readBearer, isPrincipal, fetchCertificates, clock, anonymous } = this.#options
    const { authenticationMethod: method, authenticationData, certificates, userName, clientId } = request
    if (method === entraMethod) return authenticateEntra(authenticationData, readBearer, isPrincipal)
    if (method === customJwtMethod)
      return authenticateCustomJwt(authenticationData, {
        settings: () => settings().customJwt,
        hosts,
        fetchCertificates,
        clock,
      })
    if (method !== undefined) {
      if (settings().webhook) return this.#askWebhook(request, signal)
      const shown = method.slice(0, 100)
      return refused(
        `The authentication method '${shown}' is not supported`,
        reasonCodes.badAuthenticationMethod,
      )
    }
    const registered = this.#certificates.attempt(request)
    if (registered.kind !== 'unknown') return registered
    if (settings().webhook) return this.#askWebhook(request, signal)
    const isNobody = certificates.length === 0 && !this.#access().client(userName ?? '')
    return anonymous() && isNobody ? { kind: 'proved', proof: anonymousProof(clientId) } : registered
  }

  #askWebhook(request: ConnectRequest, signal: AbortSignal): Promise<Attempt> {
    const { settings, outgoing, tokenFor, clock } = this.#options
    return authenticateByWebhook(
      request,
      { settings: () => settings().webhook, outgoing, tokenFor, clock },
      signal,
    )
  }

  async reauthenticate(
    identity: ClientIdentity,
    request: ConnectRequest,
    signal: AbortSignal,
  ): Promise<Admission> {
    const admission = await this.authenticate(request, signal)
    // A connection that is there is ended: that has fewer reason codes than one that is not.
    if (admission.kind === 'refused') return refusal(admission.text, reasonCodes.notAuthorized)
    const { ownerKey, record } = admission.identity
    if (ownerKey === identity.ownerKey && record.kind === identity.record.kind) return admission
    const text = `The client is '${identity.authenticationName}' and cannot become '${admission.identity.authenticationName}'`
    return refusal(text, reasonCodes.notAuthorized)
  }

  #identity({ record, attributes, expiresAt, log, flaw }: Proof): Identity {
    const access = () => this.#access()
    return new Identity({
      record,
      attributes,
      expiresAt,
      log,
      flaw,
      client: () => access().client(record.authenticationName),
    })
  }

  restore(record: IdentityRecord): ClientIdentity {
    const { kind, authenticationName, attributes, expiresAt } = record
    return this.#identity({
      record,
      attributes: kind === 'certificate' ? undefined : (attributes ?? {}),
      expiresAt,
      log: {
        authenticationType: 'None',
        clientIdentitySource: 'Session',
        authenticationAuthority: 'Local',
        clientIdentity: authenticationName,
      },
      flaw: () => {
        if (kind !== 'certificate') return undefined
        const client = this.#access().client(authenticationName)
        return client === undefined ? 'Client was deleted' : client.enabled ? undefined : 'Client is disabled'
      },
    })
  }

  standing(identity: ClientIdentity): { readonly text: string } | undefined {
    const text = (identity as Identity).flaw()
    return text === undefined ? undefined : { text }
  }

  // ------------------------------------------------------------ what it may do

  mayPublish(identity: ClientIdentity, topicName: string): boolean {
    if (identity.record.kind === 'anonymous') return true
    const { published, publish } = this.#rightsOf(identity as Identity)
    if (published.has(topicName)) return true
    if (!isCovered(topicName, publish)) return false
    if (published.size >= rememberedTopics) published.delete(published.values().next().value as string)
    else if (++this.#remembered > rememberedTopicsOfAll) this.#forgetRights()
    published.add(topicName)
    return true
  }

  maySubscribe(identity: ClientIdentity, topicFilter: string): boolean {
    if (identity.record.kind === 'anonymous') return true
    return isCovered(topicFilter, this.#rightsOf(identity as Identity).subscribe)
  }

  #rightsOf(identity: Identity): Rights {
    const { rights, client } = identity
    if (rights?.revision === this.#revision && rights.client === client) return rights
    const made: Rights = {
      revision: this.#revision,
      client,
      published: new Set(),
      ...this.#granted(identity, client),
    }
    identity.rights = made
    return made
  }

  #granted(identity: Identity, client: RegisteredClient | undefined): Pick<Rights, 'publish' | 'subscribe'> {
    const access = this.#access()
    const { record, isRegistered } = identity
    if (record.kind === 'entra') {
      const { catalog } = this.#options
      const { principalIds = [] } = record
      return grantedByRoles(identity, access, (action, id) => catalog.permits(principalIds, action, id))
    }
    if (isRegistered && !client) return { publish: [], subscribe: [] }
    return grantedByGroups(client && isRegistered ? client : identity, access)
  }

  #forgetRights(): void {
    this.#revision++
    this.#remembered = 0
  }

  // ------------------------------------------------------------ what changes

  onRightsChanged(listener: (whom: Affected) => void): void {
    this.#listeners.push(listener)
  }

  settingsChanged(): void {
    this.#tell('everyone')
  }

  changed({ mqtt = [], grants }: CatalogChange): void {
    const id = this.#options.namespaceId.toLowerCase()
    const own = mqtt.filter(({ namespaceId }) => namespaceId.toLowerCase() === id)
    if (own.some(({ kind }) => kind === 'caCertificates')) this.#certificates.authoritiesChanged()
    if (grants || own.some(({ kind }) => kind !== 'client')) {
      this.#forgetRights()
      return this.#tell('everyone')
    }
    const names = own.flatMap((change) =>
      change.kind === 'client' ? [change.before, change.after].flatMap((each) => each ?? []) : [],
    )
    if (names.length > 0) this.#tell(new Set(names.map(ownerKeyOfClient)))
  }

  #tell(whom: Affected): void {
    for (const listener of this.#listeners) listener(whom)
  }

  #access() {
    const { catalog, namespaceId } = this.#options
    return catalog.mqtt.of(namespaceId)
  }
}

const told: Readonly<Record<number, string>> = {
  [reasonCodes.notAuthorized]: 'The client is not authorized.',
  [reasonCodes.serverUnavailable]: 'Authentication is not available now.',
}

const refusal = (text: string, reasonCode: number): Admission => ({
  kind: 'refused',
  reasonCode,
  text,
  told: told[reasonCode] ?? text,
})

/** Names of registered clients have no letter case; `sub` and `oid` of tokens do. */
const ownerKeyOfClient = ({ authenticationName }: { readonly authenticationName: string }) =>
  authenticationName.toLowerCase()

/** As the broker holds it; what is cached for a client goes with it. */
class Identity implements ClientIdentity {
  readonly ownerKey: string
  readonly expiresAt: number | undefined
  readonly record: IdentityRecord
  readonly log: IdentityLog
  readonly flaw: () => string | undefined
  readonly #attributes: ClientAttributes | undefined
  readonly #client: () => RegisteredClient | undefined
  rights: Rights | undefined

  constructor({
    record,
    attributes,
    expiresAt,
    log,
    flaw,
    client,
  }: Proof & { client: () => RegisteredClient | undefined }) {
    this.record = record
    this.ownerKey =
      record.kind === 'certificate'
        ? ownerKeyOfClient(record)
        : ownerKeyPrefix(record) + record.authenticationName
    this.expiresAt = expiresAt
    this.log = log
    this.flaw = flaw
    this.#attributes = attributes
    this.#client = client
  }

  get authenticationName(): string {
    return this.record.authenticationName
  }

  /** Its attributes are those of the resource, as they are now. */
  get isRegistered(): boolean {
    return this.#attributes === undefined
  }

  get client(): RegisteredClient | undefined {
    return this.isRegistered ? this.#client() : undefined
  }

  get attributes(): ClientAttributes {
    return this.#attributes ?? this.#client()?.attributes ?? {}
  }
}

/** Somebody without a name is never the owner of what a named client left. */
const ownerKeyPrefix = ({ kind }: IdentityRecord) => (kind === 'anonymous' ? 'anonymous ' : '')

const anonymousProof = (clientId: string): Proof => ({
  record: { kind: 'anonymous', authenticationName: clientId },
  attributes: {},
  expiresAt: undefined,
  log: {
    authenticationType: 'None',
    clientIdentitySource: 'ClientId',
    authenticationAuthority: 'Local',
    clientIdentity: clientId,
  },
  flaw: () => undefined,
})
