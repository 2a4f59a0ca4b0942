/** A bug when it does not hold: nothing a caller can do leads here. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed: ${what}.`)
}
