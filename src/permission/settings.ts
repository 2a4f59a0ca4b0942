import type { NameSource } from '../client/certificate.ts'

/**
 * How a namespace lets clients prove who they are, beside certificates of registered ones.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-authentication
 */
export interface ClientAuthenticationSettings {
  /** Where the name of a client is looked for that sends no user name, the first one first. */
  readonly alternativeAuthenticationNameSources: readonly NameSource[]
  readonly customJwt: CustomJwtSettings | undefined
  readonly webhook: WebhookAuthenticationSettings | undefined
}

/** Source: learn.microsoft.com/azure/event-grid/authenticate-with-custom-json-web-token */
export interface CustomJwtSettings {
  readonly tokenIssuer: string
  /** Where certificates of the issuer are found. */
  readonly certificateUrls: readonly string[]
  readonly certificates: readonly {
    readonly kid: string
    /** PEM. */
    readonly encodedCertificate: string
  }[]
}

/** Source: learn.microsoft.com/azure/event-grid/mqtt-client-custom-authentication-webhook */
export interface WebhookAuthenticationSettings {
  readonly endpointUrl: string
  readonly tenantId: string
  readonly applicationIdOrUri: string
}
