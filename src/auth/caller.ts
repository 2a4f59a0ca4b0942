import type { HttpRequest } from '../http/http.ts'
import type { Claims } from './claims.ts'

/** Who a control-plane request comes from. */
export interface Caller {
  /** For `systemData.createdBy`, such as `development` or an administrator's name. */
  readonly name: string
  /** What role assignments name; undefined: a guid that is made of the name stands for it in events. */
  readonly objectId?: string | undefined
  /** Of the caller's token, as events show them; undefined where the caller came without a token that was verified. */
  readonly claims?: Claims | undefined
}

/** Rejects with a `RequestError` 401 when the caller is nobody we know. */
export type Authorize = (request: HttpRequest) => Promise<Caller>
