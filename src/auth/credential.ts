/** What a data-plane credential is checked against. */
export interface Guarded {
  /** Base64, as `listKeys` shows them; either is good. */
  readonly keys: readonly [string, string]
  /** Path of the endpoint that is asked for, as sent, without query. */
  readonly path: string
  /** Whether the resource is reached by that host, with or without a port, in lower case. */
  readonly isOwnHost: (host: string) => boolean
  /** Whether that host and path are an endpoint of the resource, be it another than was asked for. */
  readonly isOwnEndpoint: (host: string, path: string) => boolean
}

/** One kind of credential, with what it remembers between requests. */
export interface Credential {
  /** Why the credential is refused, for the caller to read; undefined when it is good. */
  readonly refusal: (presented: string, guarded: Guarded) => string | undefined
}
