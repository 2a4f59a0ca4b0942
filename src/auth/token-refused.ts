/** A bearer token that is not good. The message is for its bearer to read. */
export class TokenRefused extends Error {
  readonly isExpired: boolean

  constructor(message: string, { isExpired = false, cause }: { isExpired?: boolean; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'TokenRefused'
    this.isExpired = isExpired
  }
}
