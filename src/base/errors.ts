/**
 * A refusal: the caller is wrong, and the door that took the request says so in its protocol's words.
 * Rooms make theirs in their own `errors.ts`; nothing else may be thrown for a caller's mistake.
 */
export class RequestError extends Error {
  /** HTTP status, whatever the protocol; doors that speak another one translate it. */
  readonly status: number
  /** The protocol's error code, such as `ResourceNotFound`. */
  readonly code: string
  /** `error.details[0].code` where the protocol has one. */
  readonly detailCode: string | undefined
  /** The property or resource at fault, where the protocol has a place for it. */
  readonly target: string | undefined
  /** What logs and metrics call it, where that is another word than the code. */
  readonly errorType: string
  /** Extra response headers, such as `Allow` or `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    more: {
      readonly detailCode?: string
      readonly target?: string
      readonly errorType?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly cause?: unknown
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'RequestError'
    this.status = status
    this.code = code
    this.detailCode = more.detailCode
    this.target = more.target
    this.errorType = more.errorType ?? code
    this.headers = more.headers ?? {}
  }
}
