/** What a connection needs of its socket, whatever is between: TCP, TLS or WebSocket. */
export interface Transport {
  /** The bytes stay as they are until `pending` says that they are gone. */
  write(bytes: Buffer): void
  /** Bytes that wait for the network. */
  readonly pending: number
  /** Bytes that the network has taken so far. */
  readonly taken: number
  /** Stops and resumes what the client sends. */
  pause(): void
  resume(): void
  /** Ends after what was written. */
  end(): void
  /** Ends at once. */
  destroy(): void
  readonly webSocket: boolean
  /** Over TLS, here or before a proxy that says so. */
  readonly secure: boolean
  readonly remoteAddress: string
  /** DER: the client's own first; empty without. */
  certificates(): readonly Uint8Array[]
}

/** What a transport tells its connection. */
export interface TransportEvents {
  received(bytes: Buffer): void
  /** What waited has gone to the network. */
  drained(): void
  /** `closedByPeer`: a WebSocket close frame came, which is a leave in good order for the life-cycle events. */
  gone(closedByPeer: boolean): void
}
