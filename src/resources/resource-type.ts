import type { Origin } from '../auth/origin.ts'
import type { EpochMs } from '../base/clock.ts'
import type { RequestError } from '../base/errors.ts'
import type { Connection } from '../destinations/connections.ts'
import type { DestinationCapabilities, DestinationSettings } from '../destinations/destination.ts'
import type { DeliverySchema } from '../event/event.ts'
import type { Level } from '../wire/arm-id.ts'
import type { Fields, WireObject } from '../wire/shape.ts'

/*
 * What an ARM resource type says of itself. Everything that is the same for all types (routes, envelope, verbs,
 * status codes, operations, paging) is in the room `arm/`; a file on this shelf holds the rest.
 */

/** What `decode` made of the wire's `properties`: checked, every default filled in, secrets apart. */
export interface Content {
  /** As GET prints them, less what is read-only or secret. */
  readonly properties: WireObject
  readonly secrets: Readonly<Record<string, string>>
}

/** A `Content` as the store keeps it. */
export interface StoredContent {
  readonly properties: WireObject
  /** The secrets as JSON, sealed for the resource's uid; absent when there are none. */
  readonly sealed?: string | undefined
}

export type ProvisioningState =
  | 'Creating'
  | 'Updating'
  | 'Deleting'
  | 'Succeeded'
  | 'Failed'
  | 'AwaitingManualAction'
  | 'IdleDueToMirroredPartnerTopicDeletion'
  | 'IdleDueToMirroredChannelResourceDeletion'

/** A handshake that has not ended. */
export interface PendingVerification {
  /** The validation code; also finds the resource when the validation URL is followed. */
  readonly code: string
  /** SHA-256 of the validation URL's token, in hex. */
  readonly tokenHash: string
  readonly startedAt: EpochMs
  /** Until then the validation URL may be followed. */
  readonly until: EpochMs
  /** The operation to be ended by it; absent once it was ended, with manual action awaited. */
  readonly operationId?: string | undefined
  /** Where the write comes from that waits for it. */
  readonly origin?: Origin | undefined
  /** The resource was not there before that write. */
  readonly created?: boolean | undefined
}

export interface Identity {
  readonly type: 'None' | 'SystemAssigned' | 'UserAssigned' | 'SystemAssigned, UserAssigned'
  readonly principalId: string | null
  readonly tenantId: string | null
  /** By the ARM id of the identity, in the casing that was given. */
  readonly userAssignedIdentities?: Readonly<Record<string, UserAssignedIdentity>> | undefined
}

export interface UserAssignedIdentity {
  readonly principalId: string
  readonly clientId: string
}

/** One resource as the store keeps it, whatever its type. */
export interface StoredResource extends StoredContent {
  /** Canonical: registered casing of literals, the user's casing of names. */
  readonly id: string
  readonly type: string
  readonly name: string
  /** Canonical id of the resource, group or subscription that it lives in. */
  readonly parentId: string
  /** A guid, stable for the life of the resource and never used again. */
  readonly uid: string
  readonly location?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly identity?: Identity | undefined
  /** See `ResourceType.topLevel`. */
  readonly topLevel?: WireObject | undefined
  readonly provisioningState: ProvisioningState
  /** Canonical id of the resource elsewhere that changes with this one; see `TwinRules`. */
  readonly twinId?: string | undefined
  /** Made by the server as the companion of another resource, with which it goes. */
  readonly automatic?: true | undefined
  /** One of the type's `builtIns`; not in the store. */
  readonly builtIn?: true | undefined
  readonly createdAt: EpochMs
  readonly createdBy: string
  readonly changedAt: EpochMs
  readonly changedBy: string
  /**
   * For a type with verification: what is in force now. Differs from the resource's own content while a change
   * waits to be verified; absent until the first verification.
   */
  readonly live?: StoredContent | undefined
  readonly verification?: PendingVerification | undefined
  /** The write that a handshake has brought to success, until its event is durable. */
  readonly untold?: Pick<PendingVerification, 'operationId' | 'origin' | 'created'> | undefined
  /** Present from the moment a delete that takes a while was accepted; the next start goes on with it. */
  readonly deletion?: { readonly operationId: string; readonly origin?: Origin | undefined } | undefined
}

/** What the assembled server can do, as far as a resource may ask for it. */
export interface Capabilities extends DestinationCapabilities {
  readonly eventSubscriptionsPerTopic: number
  readonly domainTopicsPerDomain: number
  readonly mqttQuotas: MqttQuotas
  /** Of namespaces that do not say themselves; default: open. */
  readonly namespaceProfile?: 'open' | 'strict'
  /** Where resources may be beside Azure's regions, normalised; default: nowhere. */
  readonly locations?: readonly string[] | undefined
  /** By its name, such as `Microsoft.Storage.StorageAccounts`, in any letter case; undefined: it is not known. */
  topicType?(name: string): TopicTypeFacts | undefined
}

/** How much there may be in a namespace for its MQTT broker. */
export interface MqttQuotas {
  /** For each throughput unit. */
  readonly clients: number
  readonly caCertificates: number
  readonly clientGroups: number
  readonly topicSpaces: number
  readonly templatesPerTopicSpace: number
  readonly templateBytes: number
  readonly templateSegments: number
  readonly permissionBindings: number
}

/** What is known of the events of an Azure service. */
export interface TopicTypeFacts {
  /** With the registered casing. */
  readonly name: string
  /** Its sources have no region. */
  readonly isGlobal: boolean
  readonly eventTypes: readonly { readonly name: string; readonly isInDefaultSet: boolean }[]
  /** Whether what has that ARM id raises them. */
  isSource(id: string): boolean
  /** What the ARM ids of its sources look like, for messages. */
  readonly sourceFormat: string
}

/** What is stored, for rules that concern more than one resource. */
export interface StoredResources {
  /** By id in any letter case. */
  find(type: string, id: string): StoredResource | undefined
  /** Those of a type whose id begins with `prefix`, in the order of their ids. */
  below(type: string, prefix: string): Iterable<StoredResource>
  /** How many there are of a type whose id begins with `prefix`; costs the same however many. */
  count(type: string, prefix: string): number
  /** The system topic of a source's own events, by the source's id in any letter case. */
  systemTopicOf(sourceId: string): StoredResource | undefined
}

export interface DecodeContext {
  readonly now: EpochMs
  /** Of the resource. */
  readonly name: string
  readonly capabilities: Capabilities
  readonly tenantId: string
  /** What the resource lives in or stands on; it need not be stored here. */
  readonly parentId: string
  /** The resource or group of that id; undefined when it is not stored here. */
  readonly parent: StoredResource | undefined
  readonly stored: StoredResources
  /** Of a tracked resource, normalised. */
  readonly location: string | undefined
  /** The resource as it is; undefined when it is made. */
  readonly before: Content | undefined
  readonly patching: boolean
}

export interface EncodeContext {
  /** From the server's public URL; see `topicEndpointPath`. */
  readonly publicUrl: string
  /** Where AMQP over TLS is spoken; undefined: nowhere. */
  readonly amqpsPort?: number | undefined
  /** Of the request that is answered; undefined where there is none. */
  readonly apiVersion?: string | undefined
  /** What else is stored; left out: it does not matter. */
  readonly stored?: StoredResources | undefined
  /** How a resource is reached that is not run here; left out: it is not known. */
  readonly connectionOf?: ((resourceId: string) => Connection | undefined) | undefined
}

/** For members beside `properties` of which more is known than that they are kept. */
export interface EnvelopeRules {
  /** Throws for what cannot be had; it may be left out. */
  check(body: Fields): void
  /** The members that clients of that api-version know, in place of those that are kept. */
  encode(apiVersion: string | undefined, resource: StoredResource): WireObject
}

export interface ActionAnswer {
  /** Left out: the resource itself is the answer. */
  readonly answer?: unknown
  /** Present when the action changes the resource. */
  readonly content?: Content
}

export interface ActionContext {
  readonly now: EpochMs
}

/** POST on a resource id and one more segment. `body` is the decoded JSON, undefined when none came. */
export type Action = (content: Content, body: unknown, context: ActionContext) => ActionAnswer

export interface ResourceType {
  /** Such as `Microsoft.EventGrid/topics`, with the registered casing. */
  readonly type: string
  /** Nested forms that address an extension too, such as `Microsoft.EventGrid/topics/eventSubscriptions`. */
  readonly childForms: readonly string[]
  /**
   * What a resource of this type lives in: the subscription, a group, the resource that the type's name begins with
   * (`child`), or whatever it is put on (`extension`).
   */
  readonly scope: 'subscription' | 'group' | 'child' | 'extension'
  readonly extension: ExtensionRules | undefined
  /** Of a child: what stands between it and what it lives in, made by the provider of its own accord and stored nowhere. */
  readonly within?: { readonly word: string; readonly name: string }
  /** Of a provider that is not run here: stored, and nothing happens. */
  readonly generic?: true
  /** Members beside `properties` that are kept and printed as they come. */
  readonly topLevel?: readonly string[]
  readonly envelope?: EnvelopeRules
  /** Told with each write; null: nothing, where a resource of a provider that is not run here has a warning. */
  readonly warning?: string | null
  /** Nothing is told of who made and changed it. */
  readonly withoutSystemData?: true
  /** What its provider makes in a new resource of this type: children, which go with it, and of which nobody is told. */
  readonly brings?: readonly BroughtChild[]
  /** Has location and tags. */
  readonly tracked: boolean
  /** Where a tracked resource is whose body does not say; undefined: it must say. */
  readonly defaultLocation?: string
  /** May be at the location `global` too. */
  readonly mayBeGlobal?: true
  readonly hasIdentity: boolean
  readonly name: { readonly pattern: RegExp; readonly rule: string }
  readonly reservedPrefixes: readonly string[]
  /** Whether writes carry a polling URL. Groups do not; their DELETE does, by `Location`. */
  readonly longRunning: boolean
  readonly statuses: {
    readonly create: 200 | 201
    readonly replace: 200 | 201
    readonly update: 200 | 201
    /** 200 answers with what was deleted; without it, a DELETE is answered 202 and may be polled. */
    readonly delete?: 200
  }
  /** Two resources for which this is the same cannot both exist; undefined: the id alone must be unique. */
  readonly unique: ((resource: UniqueParts) => { key: string; taken: () => RequestError }) | undefined
  /** How many there may be in what a resource of this type lives in; undefined: as many as there is room for. */
  readonly quota: ((capabilities: Capabilities, parent: StoredResource | undefined) => number) | undefined
  readonly companion: CompanionRules | undefined
  /** Of a type whose resources speak for another: that one's id. What stands there with them as companions goes too. */
  readonly speaksFor?: (resource: StoredResource) => string
  /** Those that are there as long as what they live in; nobody makes, changes or deletes them. */
  readonly builtIns?: readonly BuiltIn[]
  /** Writes of all types with the same word follow each other, for they change one another's resources. */
  readonly together?: string
  readonly twin?: TwinRules
  /** An update is answered without a body. */
  readonly updatesSilently?: true
  /** From the wire's `properties` of a PUT, or of a PATCH laid over what is there. */
  decode(wire: WireObject, context: DecodeContext): Content
  /** Lays the body of a PATCH over what is there; the result is decoded as a whole. Undefined: PATCH is not known. */
  readonly patch: ((body: WireObject, before: Content) => WireObject) | undefined
  encode(resource: StoredResource, context: EncodeContext): WireObject
  /** A first content's secrets, such as new keys. */
  readonly actions: Readonly<Record<string, Action>>
  readonly notFound: ((id: string) => RequestError) | undefined
  /** Why it may not be deleted as things are; undefined: it may. */
  readonly refusesDelete?: (resource: StoredResource, stored: StoredResources) => RequestError | undefined
  readonly verification: VerificationRules | undefined
  readonly expiresAt: ((content: StoredContent) => EpochMs | undefined) | undefined
  /** A body that a PUT accepts, for documentation and for the shelf's contract test. */
  readonly example: { readonly name: string; readonly body: WireObject }
}

/** A resource that nobody has made. */
export interface BuiltIn {
  readonly name: string
  readonly properties: WireObject
}

export interface BroughtChild {
  /** Such as `Microsoft.Storage/storageAccounts/blobServices`. */
  readonly type: string
  readonly name: string
  readonly properties: WireObject
}

export type UniqueParts = Pick<StoredResource, 'name' | 'parentId' | 'location' | 'properties'>

/** For a type whose resources stand on others, as `{scope}/providers/{type}/{name}`. */
export interface ExtensionRules {
  /**
   * Why it cannot stand on that scope; undefined: it can. What it stands on must exist when its type is on this
   * shelf; of a type that is not known at all, nothing is known here.
   */
  refuses(scope: Level): RequestError | undefined
  /** A resource of a provider that is not run here need not be stored to have one. */
  readonly onUnlisted?: true
  /** Types on which it stands as a child and in no other form. */
  readonly childOnlyOf: readonly string[]
}

/** For a type of which the first on a parent brings another resource with it, and the last takes it away again. */
export interface CompanionRules {
  /** Whether what stands on a parent of that type may have a companion. */
  on(parentType: string): boolean
  /** What is to be made before the first one, outermost first; throws when it had to be there already. */
  missing(parentId: string, stored: StoredResources, capabilities: Capabilities): readonly NewResource[]
  /** What goes, now that nothing of the type is left on the parent. */
  outlived(parentId: string, stored: StoredResources): StoredResource | undefined
}

/**
 * For a type whose resources have a twin elsewhere: a channel, and the partner topic or destination that the partner
 * makes with it in the subscriber's group.
 */
export interface TwinRules {
  /** For the side that makes the other: what there is to be. Throws where it may not be made. */
  make?(resource: StoredResource, content: Content, context: TwinContext): Twin
  /** What becomes of the twin now that the resource is so, or is gone; undefined: nothing. */
  reflect(twin: StoredResource, resource: StoredResource | undefined): StoredResource | undefined
}

export interface TwinContext {
  readonly stored: StoredResources
  readonly now: EpochMs
  /** The twin's content, where it is there. */
  unseal(resource: StoredResource): Content
}

export interface Twin {
  readonly type: string
  /** The group that it lives in; must exist. */
  readonly parentId: string
  readonly name: string
  readonly location: string
  readonly content: Content
}

/** A resource that the server makes of its own accord. */
export interface NewResource {
  readonly type: string
  readonly parentId: string
  readonly name: string
  /** The server made the name up; any other is held to the rules of its type. */
  readonly isNameGenerated: boolean
  readonly location?: string
  /** As a PUT would give them. */
  readonly properties: WireObject
}

/** For a type whose destination must agree before it is sent anything. */
export interface VerificationRules {
  /** Whether there is anything that could be asked; undefined: always. */
  applies?(content: Content): boolean
  /** Whether `next` may not replace `live` before its destination agreed. */
  needed(live: Content, next: Content): boolean
  settings(content: Content): {
    settings: DestinationSettings
    deliverySchema: DeliverySchema
    /** See `DeliveryContext`. */
    ofNamespaceTopic?: true
  }
}
