import type { EpochMs } from '../base/clock.ts'
import type { ClientAttributes, ClientFacts } from '../client/attributes.ts'

/*
 * What passes between the broker and this room when a client connects. The broker says what the client has shown;
 * it is told who that is, or why it may not come in.
 */

/** What a CONNECT, or an AUTH that proves it again, says of the client. */
export interface ConnectRequest {
  /** 4 is MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5
  /** The session's name; what the broker has assigned, where the client gave none. */
  readonly clientId: string
  readonly userName: string | undefined
  readonly password: Uint8Array | undefined
  readonly authenticationMethod: string | undefined
  readonly authenticationData: Uint8Array | undefined
  /** In DER: the client's own first, then what it sent along. Whether it holds the key was proved by TLS. */
  readonly certificates: readonly Uint8Array[]
  readonly remoteAddress: string
  /** Came over TLS. */
  readonly secure: boolean
}

export type Admission =
  | { readonly kind: 'admitted'; readonly identity: ClientIdentity }
  | {
      readonly kind: 'refused'
      /** That of MQTT 5; 3.1.1 has fewer. */
      readonly reasonCode: number
      /** For the operator: in logs and traces. */
      readonly text: string
      /** All that the client itself may know: whoever is not let in learns nothing of who else is. */
      readonly told: string
    }

/** How a client showed who it is. */
export type AuthenticationKind = 'certificate' | 'entra' | 'customJwt' | 'webhook' | 'anonymous'

/** A client that was let in. */
export interface ClientIdentity extends ClientFacts {
  /** Whose the session is: the same for every connection of the client, however it spells its name. */
  readonly ownerKey: string
  /** The moment at which the connection ends, unless the client proves itself anew. */
  readonly expiresAt: EpochMs | undefined
  /** What is kept with a session, to make the identity again. */
  readonly record: IdentityRecord
  readonly log: IdentityLog
}

/** Plain JSON. */
export interface IdentityRecord {
  readonly kind: AuthenticationKind
  readonly authenticationName: string
  /** Of a token or a webhook's answer; those of a registered client are looked up. */
  readonly attributes?: ClientAttributes
  /** Of an Entra token: whom a role assignment may name. */
  readonly principalIds?: readonly string[]
  readonly expiresAt?: EpochMs
}

/**
 * In the words of Azure's resource logs.
 *
 * Source: learn.microsoft.com/azure/event-grid/monitor-mqtt-delivery-reference, "Resource logs"
 */
export type IdentityLog = {
  readonly authenticationType:
    | 'CertificateThumbprintMatch'
    | 'CACertificate'
    | 'AccessToken'
    | 'Webhook'
    | 'None'
  readonly clientIdentitySource: string
  readonly authenticationAuthority: 'Local' | 'AAD' | 'Webhook'
  readonly clientIdentity: string
}

/** Reason codes of MQTT 5, section 2.4, that this room answers with. */
export const reasonCodes = {
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  badAuthenticationMethod: 0x8c,
} as const
