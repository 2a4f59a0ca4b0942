import { OperatorError } from '../base/operator-error.ts'

/** The command was called in a way that cannot mean anything: exit code 2, as for an unknown option. */
export class UsageError extends OperatorError {}
