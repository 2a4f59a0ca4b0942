import type { AmqpCondition } from './errors.ts'
import type { AmqpLink } from './links.ts'

/*
 * What is behind the door: who a peer is and what its links lead to is decided by a guest of the connection, made anew
 * for each.
 */

/** What a guest knows of its connection. */
export interface AmqpPeer {
  readonly remoteAddress: string
  readonly isTls: boolean
  /** By which it was called in TLS, or as `Host` of a WebSocket; in lower case and without its port. */
  readonly serverName: string | undefined
  /** DER, the client's own first. */
  readonly certificates: readonly Uint8Array[]
  /** Of the peer's open, in lower case and without its port; undefined before it. */
  readonly hostName: string | undefined
  readonly links: Iterable<AmqpLink>
  close(error: AmqpCondition): void
}

export interface PutToken {
  /** Such as `servicebus.windows.net:sastoken`. */
  readonly type: string
  /** What the token is for, as the peer has named it. */
  readonly audience: string
  readonly token: string
}

export interface TokenAnswer {
  /** 200 where it was taken. */
  readonly status: number
  readonly description: string
}

export interface AmqpGuest {
  /** SASL PLAIN. */
  signIn(user: string, password: string): Promise<boolean>
  /** Never rejects. */
  putToken(put: PutToken): Promise<TokenAnswer>
  /** Takes the link with its `open`, or holds it with `hold` until it knows, or throws an `AmqpRefusal`. */
  attach(link: AmqpLink): void
  /** The peer has proved who it is; a connection without it ends. */
  readonly isProven: boolean
  /** Once, when the connection is over. Its links are over before. */
  closed(): void
}

/** As shared access policies have them. */
export type HubRightName = 'RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect'

/** What a caller of a node has proved. */
export interface AmqpCaller {
  /**
   * Throws an `AmqpRefusal` where no token gives that right on that path; closes the link when none does any more.
   *
   * @param actions what the bearer of a token of Microsoft Entra ID must be permitted instead; left out: it may not
   */
  require(link: AmqpLink, right: HubRightName, path?: string, actions?: readonly string[]): void
}

/** Where links lead, by their addresses. */
export interface AmqpNode {
  /**
   * False: not its address. Else it takes the link with its `open`, or holds it with `hold` until it knows; it may close
   * it at any time. Throws an `AmqpRefusal`.
   */
  attach(link: AmqpLink, caller: AmqpCaller): boolean
}
