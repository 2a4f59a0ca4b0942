import type { Principals } from './auth/principals.ts'
import type { TokenFor } from './auth/webhook-tokens.ts'
import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { Metrics } from './base/metrics.ts'
import type { CatalogChange } from './catalog/catalog.ts'
import type { Namespace } from './catalog/namespace.ts'
import type { StoredCatalog } from './catalog/stored-catalog.ts'
import type { Options } from './config.ts'
import { mqttRules } from './config-mqtt.ts'
import type { NetworkRules } from './destinations/network.ts'
import type { Fanout } from './fanout/fanout.ts'
import type { Broker } from './mqtt/broker.ts'
import type { MqttFeatures, MqttLimits, Profile } from './mqtt/limits.ts'
import type { ClientIdentity, ConnectRequest, EndedConnection, Realm, SessionName } from './mqtt/realm.ts'
import { openRealmParts, type RealmParts } from './mqtt-realm-parts.ts'
import { type IdentityRecord, reasonCodes } from './permission/admission.ts'
import type { ReadBearer } from './permission/entra.ts'
import { createCertificateFetcher, createOutgoing } from './permission/outgoing.ts'
import { createPermission, type Permission } from './permission/permission.ts'
import { mqttHostname } from './resources/namespace-endpoint.ts'
import { dropForgottenRealms } from './sessions/session-store.ts'
import type { Queues } from './store/store.ts'

/*
 * A realm of the MQTT broker for each namespace that has topic spaces enabled: opened, changed and closed as the
 * control plane writes namespaces. A write is answered when its realm has followed.
 */

export interface MqttRealms {
  /** A principal is gone: its connections are ended. */
  principalsChanged(): void
  /** Resolves when every life-cycle event that is due has been told. */
  settle(): Promise<void>
  /** After the broker is closed, and before the store is. */
  close(): Promise<void>
}

export interface MqttRealmsOptions {
  readonly broker: Broker
  readonly catalog: StoredCatalog
  readonly fanout: Pick<Fanout, 'accept' | 'raise' | 'isHeard'>
  readonly queues: Queues
  readonly options: Pick<Options, 'profile' | 'mqtt' | 'limits'>
  readonly publicUrl: () => string
  /** Of what is asked of others while a client waits. */
  readonly rules: NetworkRules
  readonly tokenFor: TokenFor
  readonly readBearer: ReadBearer
  readonly principals: Pick<Principals, 'byObjectId'>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Log
}

const gone = 'The namespace is gone, or its topic spaces are not enabled any more.'
const reopened = 'The profile of the namespace has changed.'

export async function openMqttRealms(needs: MqttRealmsOptions): Promise<MqttRealms> {
  const { broker, catalog, queues, clock, rules, log } = needs
  const outgoing = createOutgoing(clock, rules)
  const fetchCertificates = createCertificateFetcher(outgoing, clock)
  /** By uid of the namespace. */
  const realms = new Map<string, NamespaceRealm>()

  const exists = (uid: string) => [...catalog.namespaces.all()].some((each) => each.uid === uid)
  await dropForgottenRealms(queues, exists)

  const open = async (namespace: Namespace): Promise<void> => {
    const realm: NamespaceRealm = new NamespaceRealm(namespace, needs, {
      permission: createPermission({
        namespaceId: namespace.id,
        catalog,
        settings: () => realm.mqtt.clientAuthentication,
        hosts: () => realm.audiences,
        readBearer: needs.readBearer,
        isPrincipal: (objectId) => needs.principals.byObjectId(objectId) !== undefined,
        tokenFor: needs.tokenFor,
        outgoing,
        fetchCertificates,
        anonymous: () => needs.options.mqtt.anonymous && realm.profile === 'open',
        clock,
      }),
      parts: await openRealmParts({
        ...{ namespace, queues, catalog, clock, log },
        fanout: needs.fanout,
        clients: () => catalog.mqtt.of(namespace.id).clients,
        limits: needs.options.limits,
        metrics: needs.metrics,
        onExpired(messages) {
          const known = broker.realmOf(realm)
          if (known) known.stats.expired += messages
        },
      }),
    })
    realms.set(namespace.uid, realm)
    broker.addRealm(realm)
  }
  const close = async (realm: NamespaceRealm, text: string): Promise<void> => {
    realms.delete(realm.namespace.uid)
    broker.removeRealm(realm, text)
    await realm.parts.close()
  }
  const follow = async (before: Namespace | undefined, after: Namespace | undefined): Promise<void> => {
    const known = before && realms.get(before.uid)
    if (known && after?.mqtt && known.profileOf(after) === known.profile) return known.changed(after)
    if (known) await close(known, after?.mqtt ? reopened : gone)
    if (after?.mqtt) await open(after)
    else if (!after) await dropForgottenRealms(queues, exists)
  }
  // One after the other: what one write opens, the next may close.
  let following: Promise<void> = Promise.resolve()
  catalog.onChange(async (change) => {
    for (const realm of realms.values()) realm.permission.changed(change)
    await Promise.all(clientChanges(change, realms))
    for (const { before, after } of change.namespaces ?? []) {
      const last = following.then(() => follow(before, after))
      following = last.catch((error: unknown) =>
        log.error(
          { error, namespace: after?.id ?? before?.id },
          'The MQTT broker could not follow a namespace.',
        ),
      )
      await last
    }
  })
  for (const namespace of catalog.namespaces.all()) if (namespace.mqtt) await open(namespace)
  return {
    principalsChanged() {
      for (const { permission } of realms.values()) permission.settingsChanged()
    },
    async settle() {
      for (const { parts } of realms.values()) await parts.settle()
    },
    async close() {
      await following
      for (const { parts } of realms.values()) await parts.close()
      await outgoing.close()
    },
  }
}

function clientChanges(
  { mqtt = [] }: CatalogChange,
  realms: ReadonlyMap<string, NamespaceRealm>,
): readonly Promise<void>[] {
  return mqtt.flatMap((change) => {
    if (change.kind !== 'client') return []
    const id = change.namespaceId.toLowerCase()
    const realm = [...realms.values()].find(({ namespace }) => namespace.id.toLowerCase() === id)
    return realm ? realm.parts.clientChanged(change.before, change.after) : []
  })
}

/** As the namespace is now: what is asked for while the broker runs is answered from its newest write. */
class NamespaceRealm implements Realm {
  readonly permission: Permission
  readonly parts: RealmParts
  readonly sessions: Realm['sessions']
  readonly #needs: Pick<MqttRealmsOptions, 'options' | 'publicUrl'>
  #namespace: Namespace
  #rules: { readonly limits: MqttLimits; readonly features: MqttFeatures }

  constructor(
    namespace: Namespace,
    needs: MqttRealmsOptions,
    { permission, parts }: { readonly permission: Permission; readonly parts: RealmParts },
  ) {
    this.#needs = needs
    this.#namespace = namespace
    this.#rules = rulesOf(namespace, this.profileOf(namespace), needs.options.mqtt)
    this.permission = permission
    this.parts = parts
    this.sessions = parts.sessions
  }

  get namespace(): Namespace {
    return this.#namespace
  }

  get mqtt(): NonNullable<Namespace['mqtt']> {
    return this.#namespace.mqtt as NonNullable<Namespace['mqtt']>
  }

  changed(namespace: Namespace): void {
    this.#namespace = namespace
    this.#rules = rulesOf(namespace, this.profile, this.#needs.options.mqtt)
    this.parts.changed(namespace)
    this.permission.settingsChanged()
  }

  profileOf({ profile }: Namespace): Profile {
    return profile ?? this.#needs.options.profile
  }

  /** What custom tokens are made for: the broker's host names, and the one that the resource shows. */
  get audiences(): readonly string[] {
    const url = this.#needs.publicUrl()
    return URL.canParse(url) ? [...this.mqtt.hosts, mqttHostname(url).toLowerCase()] : this.mqtt.hosts
  }

  // ------------------------------------------------------------ what the broker asks

  get name(): string {
    return this.#namespace.name
  }

  get hosts(): readonly string[] {
    return this.mqtt.hosts
  }

  get path(): string {
    return this.#namespace.path
  }

  get resource(): { readonly id: string; readonly location: string } {
    return this.#namespace
  }

  get profile(): Profile {
    return this.profileOf(this.#namespace)
  }

  get limits(): MqttLimits {
    return this.#rules.limits
  }

  get features(): MqttFeatures {
    return this.#rules.features
  }

  authenticate(request: ConnectRequest, signal: AbortSignal) {
    if (this.#namespace.requiresTls && !request.secure) {
      const text = 'The namespace asks for TLS, and the connection is plain'
      return Promise.resolve({ kind: 'refused', reasonCode: reasonCodes.notAuthorized, text } as const)
    }
    return this.permission.authenticate(request, signal)
  }

  reauthenticate(identity: ClientIdentity, request: ConnectRequest, signal: AbortSignal) {
    return this.permission.reauthenticate(identity as Identity, request, signal)
  }

  restore(record: unknown) {
    return this.permission.restore(record as IdentityRecord)
  }

  standing(identity: ClientIdentity) {
    return this.permission.standing(identity as Identity)
  }

  mayPublish(identity: ClientIdentity, topicName: string): boolean {
    return this.permission.mayPublish(identity as Identity, topicName)
  }

  maySubscribe(identity: ClientIdentity, topicFilter: string): boolean {
    return this.permission.maySubscribe(identity as Identity, topicFilter)
  }

  get refusedFilters(): readonly string[] {
    return this.#needs.options.mqtt.refusedFilters
  }

  onRightsChanged(listener: (whom: 'everyone' | ReadonlySet<string>) => void): void {
    this.permission.onRightsChanged(listener)
  }

  mayConnect(remoteAddress: string): boolean {
    const { publicNetworkAccess, allowsAddress } = this.#namespace
    return publicNetworkAccess && (allowsAddress?.(remoteAddress) ?? true)
  }

  get accepted(): Realm['accepted'] {
    return this.parts.accepted
  }

  connected(session: SessionName): number {
    return this.parts.connected(session)
  }

  disconnected(ended: EndedConnection): void {
    this.parts.disconnected(ended)
  }
}

/** The broker gives back what it was given. */
type Identity = Parameters<Permission['standing']>[0]

/** What belongs to the whole namespace grows with its throughput units, where there is a bound at all. */
const perThroughputUnit = [
  ...(['sessions', 'retainedMessages', 'retainedBytes', 'retainedPerSecond'] as const),
  ...(['connectsPerSecond', 'publishesPerSecond', 'publishBytesPerSecond'] as const),
]

/** The namespace's own settings hold in both profiles; the configuration's come before them. */
function rulesOf(
  { mqtt, capacity }: Namespace,
  profile: Profile,
  settings: MqttRealmsOptions['options']['mqtt'],
): { readonly limits: MqttLimits; readonly features: MqttFeatures } {
  const { limits, features } = mqttRules(profile, settings)
  const scaled = Object.fromEntries(
    perThroughputUnit
      .filter((name) => profile === 'strict' && settings.limits[name] === undefined)
      .map((name) => [name, limits[name] * capacity]),
  )
  const own = mqtt && {
    sessionExpirySeconds: mqtt.maximumSessionExpiryMs / 1000,
    sessionsPerClient: mqtt.maximumSessionsPerAuthenticationName,
  }
  return { limits: { ...limits, ...scaled, ...own, ...settings.limits }, features }
}
