/** What a peer may take of this server's memory and time. */
export interface AmqpLimits {
  /** Open at once, on every listener together; one more is closed. */
  readonly connections: number
  /** How long a connection may be there without having proved who it is. */
  readonly unprovenMs: number
  /** Largest frame that is taken, and that is offered. */
  readonly frameBytes: number
  readonly sessionsPerConnection: number
  readonly linksPerConnection: number
  /** Tokens that one connection may hold, one for each audience. */
  readonly tokensPerConnection: number
  /** Nothing was heard for so long: the connection is closed after twice of it. */
  readonly idleMs: number
  /** Messages of a connection that have come and are not settled; beyond it, nothing more is read. */
  readonly unsettledBytes: number
  /** Bytes that wait for the network; beyond it, nothing is sent and nothing more is read. */
  readonly waitingBytes: number
  /** Messages sent on one link that the peer has not settled. */
  readonly unsettledPerLink: number
}

export const defaultAmqpLimits: AmqpLimits = {
  connections: 10_000,
  unprovenMs: 60_000,
  frameBytes: 64 * 1024,
  sessionsPerConnection: 16,
  linksPerConnection: 256,
  tokensPerConnection: 160,
  idleMs: 240_000,
  unsettledBytes: 2 * 1024 * 1024,
  waitingBytes: 512 * 1024,
  unsettledPerLink: 256,
}
