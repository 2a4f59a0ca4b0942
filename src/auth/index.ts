import type { Clock } from '../base/clock.ts'
import { createAccessKeys } from './access-key.ts'
import { createBearerTokens } from './bearer-token.ts'
import type { Credential } from './credential.ts'
import { createSasTokens } from './sas-token.ts'

/** Every kind of data-plane credential. To add one: write the file, add the line. */
export const credentials = {
  accessKey: createAccessKeys,
  sasToken: createSasTokens,
  bearerToken: createBearerTokens,
} satisfies Record<string, (tools: { readonly clock: Clock }) => Credential>
