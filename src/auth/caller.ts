import type { HttpRequest } from '../http/http.ts'

/** Who a control-plane request comes from. */
export interface Caller {
  /** For `systemData.createdBy`, such as `development` or an administrator's name. */
  readonly name: string
}

/** Rejects with a `RequestError` 401 when the caller is nobody we know. */
export type Authorize = (request: HttpRequest) => Promise<Caller>
