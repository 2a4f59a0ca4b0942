import type { HttpRequest } from '../http/http.ts'
import type { Claims } from './claims.ts'

/** Who a control-plane request comes from. */
export interface Caller {
  /** For `systemData.createdBy`, such as `development` or an administrator's name. */
  readonly name: string
  /** What role assignments name; undefined: a guid that is made of the name stands for it in events. */
  readonly objectId?: string | undefined
  /** May do everything, whatever roles say: everyone in development mode, and the configured administrators. */
  readonly isOwner: boolean
  /** Those that a role assignment may name: the object id, and the groups that the token carries. Default: the object id. */
  readonly principalIds?: readonly string[] | undefined
  /** What refusals call the caller; default: its name. */
  readonly clientId?: string | undefined
  /** Of the caller's token, as events show them; undefined where the caller came without a token that was verified. */
  readonly claims?: Claims | undefined
}

/** Rejects with a `RequestError` 401 when the caller is nobody we know. */
export type Authorize = (request: HttpRequest) => Promise<Caller>
