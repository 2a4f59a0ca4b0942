import type { Clock } from '../base/clock.ts'
import { createAccessKeys } from './access-key.ts'
import type { Credential } from './credential.ts'
import { createSasTokens } from './sas-token.ts'

/**
 * Every kind of credential that is made of a resource's own keys. To add one: write the file, add the line. Bearer
 * tokens (`bearer-token.ts`) are no such: they say who someone is, and a role assignment says what that one may do.
 */
export const credentials = {
  accessKey: createAccessKeys,
  sasToken: createSasTokens,
} satisfies Record<string, (tools: { readonly clock: Clock }) => Credential>
