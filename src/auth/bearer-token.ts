import type { Credential } from './credential.ts'

/** Microsoft Entra tokens. No issuer is configured for the data plane, so every one is refused, and says why. */
export function createBearerTokens(): Credential {
  return {
    refusal: () => 'No issuer of bearer tokens is configured; use an access key or a SAS token.',
  }
}
