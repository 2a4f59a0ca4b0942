/**
 * Something that only the operator can put right: a setting, a port that is taken, a directory that cannot be
 * written. The command prints the message, one clear line that says what to do, without a stack.
 */
export class OperatorError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'OperatorError'
  }
}
