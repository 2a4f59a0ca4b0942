import { ExpressionFault, invalidExpression } from './errors.ts'
import { FaultAt } from './tree.ts'

/** Turns a fault of an expression into a refusal that says what it is the fault of. */
export function at<Result>(what: string, evaluateIt: () => Result): Result {
  try {
    return evaluateIt()
  } catch (error) {
    throw placed(what, error)
  }
}

/** An expression's fault as a refusal that says what it is the fault of; any other error as it is. */
export function placed(what: string, error: unknown): unknown {
  if (!(error instanceof ExpressionFault)) return error
  const path = error instanceof FaultAt ? error.path : ''
  return invalidExpression(`${what}${path === '' ? '' : ` at '${path}'`}: '${error.message}'`, path, error)
}

/** What is being done when a resource's expressions are at fault. */
export const processing = ({ id }: { readonly id: string }) =>
  `Unable to process template language expressions for resource '${id}'`
