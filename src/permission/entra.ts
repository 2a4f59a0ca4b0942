import type { Bearer } from '../auth/bearer-token.ts'
import { TokenRefused } from '../auth/token-refused.ts'
import { RequestError } from '../base/errors.ts'
import { reasonCodes } from './admission.ts'
import type { Attempt } from './attempt.ts'
import { refused, tokenOf } from './refusals.ts'

export type TokenBearer = Pick<Bearer, 'objectId' | 'principalIds' | 'expiresAt' | 'isUser' | 'isPrincipal'>
export type ReadBearer = (token: string) => TokenBearer | Promise<TokenBearer>

/** Source: learn.microsoft.com/azure/event-grid/mqtt-client-microsoft-entra-token-and-rbac */
export const entraMethod = 'OAUTH2-JWT'

/** Service principals and managed identities with a token for the data plane; roles say what they may do. */
export async function authenticateEntra(
  data: Uint8Array | undefined,
  readBearer: ReadBearer,
  /** Of those that sign in here. */
  isPrincipal: (objectId: string) => boolean,
): Promise<Attempt> {
  const token = tokenOf(data)
  if (token === undefined) return refused('The authentication data is no JSON Web Token')
  try {
    const { objectId, principalIds, expiresAt, isUser, isPrincipal: isOwn } = await readBearer(token)
    if (isUser)
      return refused('The token is of a user; service principals and managed identities may connect')
    return {
      kind: 'proved',
      proof: {
        record: { kind: 'entra', authenticationName: objectId, principalIds, expiresAt },
        attributes: {},
        expiresAt,
        log: {
          authenticationType: 'AccessToken',
          clientIdentitySource: 'JWT',
          authenticationAuthority: 'AAD',
          clientIdentity: objectId,
        },
        flaw: () => (isOwn && !isPrincipal(objectId) ? 'The principal of the token is gone' : undefined),
      },
    }
  } catch (error) {
    if (error instanceof TokenRefused) return refused(error.message)
    if (error instanceof RequestError) return refused(error.message, reasonCodes.serverUnavailable)
    throw error
  }
}
