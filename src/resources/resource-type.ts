import type { EpochMs } from '../base/clock.ts'
import type { RequestError } from '../base/errors.ts'
import type { DestinationCapabilities, DestinationSettings } from '../destinations/destination.ts'
import type { DeliverySchema } from '../event/event.ts'
import type { WireObject } from '../wire/shape.ts'

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
}

export interface Identity {
  readonly type: 'None' | 'SystemAssigned'
  readonly principalId: string | null
  readonly tenantId: string | null
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
  readonly provisioningState: ProvisioningState
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
  /** Present from the moment a delete that takes a while was accepted; the next start goes on with it. */
  readonly deletion?: { readonly operationId: string } | undefined
}

/** What the assembled server can do, as far as a resource may ask for it. */
export interface Capabilities extends DestinationCapabilities {
  readonly eventSubscriptionsPerTopic: number
}

export interface DecodeContext {
  readonly now: EpochMs
  readonly capabilities: Capabilities
  /** Undefined for a type that lives in a group or subscription. */
  readonly parent: StoredResource | undefined
  /** The resource as it is; undefined when it is made. */
  readonly before: Content | undefined
  readonly patching: boolean
}

export interface EncodeContext {
  /** From the server's public URL; see `topicEndpointPath`. */
  readonly publicUrl: string
}

export interface ActionAnswer {
  readonly answer: unknown
  /** Present when the action changes the resource. */
  readonly content?: Content
}

/** POST on a resource id and one more segment. `body` is the decoded JSON, undefined when none came. */
export type Action = (content: Content, body: unknown) => ActionAnswer

export interface ResourceType {
  /** Such as `Microsoft.EventGrid/topics`, with the registered casing. */
  readonly type: string
  /** Child forms that address the same resources, such as `Microsoft.EventGrid/topics/eventSubscriptions`. */
  readonly childForms: readonly string[]
  /** What a resource of this type lives in: the subscription, a group, or a resource of one of `parentTypes`. */
  readonly scope: 'subscription' | 'group' | 'extension'
  /** For an extension: what it may be put on. */
  readonly parentTypes: readonly string[]
  /** Has location and tags. */
  readonly tracked: boolean
  readonly hasIdentity: boolean
  readonly name: { readonly pattern: RegExp; readonly rule: string }
  readonly reservedPrefixes: readonly string[]
  /** Whether writes carry a polling URL. Groups do not; their DELETE does, by `Location`. */
  readonly longRunning: boolean
  readonly statuses: { readonly create: 200 | 201; readonly replace: 200 | 201; readonly update: 200 | 201 }
  /** Two resources for which this is the same cannot both exist; undefined: the id alone must be unique. */
  readonly uniqueName: ((name: string, location: string) => string) | undefined
  /** How many there may be in what a resource of this type lives in; undefined: as many as there is room for. */
  readonly quota: ((capabilities: Capabilities) => number) | undefined
  /** From the wire's `properties` of a PUT, or of a PATCH laid over what is there. */
  decode(wire: WireObject, context: DecodeContext): Content
  /** Lays the body of a PATCH over what is there; the result is decoded as a whole. */
  patch(body: WireObject, before: Content): WireObject
  encode(resource: StoredResource, context: EncodeContext): WireObject
  /** A first content's secrets, such as new keys. */
  readonly actions: Readonly<Record<string, Action>>
  readonly notFound: ((id: string) => RequestError) | undefined
  readonly verification: VerificationRules | undefined
  readonly expiresAt: ((content: StoredContent) => EpochMs | undefined) | undefined
  /** A body that a PUT accepts, for documentation and for the shelf's contract test. */
  readonly example: { readonly name: string; readonly body: WireObject }
}

/** For a type whose destination must agree before it is sent anything. */
export interface VerificationRules {
  /** Whether `next` may not replace `live` before its destination agreed. */
  needed(live: Content, next: Content): boolean
  settings(content: Content): { settings: DestinationSettings; deliverySchema: DeliverySchema }
}
