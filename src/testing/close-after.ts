/** Whatever ends and can be told what to do then: a test's context, or `{ after }` of node:test for a whole file. */
export interface Ending {
  after(close: () => Promise<void>): void
}

const stacks = new WeakMap<object, AsyncDisposableStack>()

/**
 * Closes it when the test ends, the last opened first. (`t.after` runs first what was added first: a directory
 * would be removed below the server that still writes to it.)
 */
export function closeAfter(t: Ending, close: () => unknown): void {
  let stack = stacks.get(t)
  if (!stack) {
    const made = new AsyncDisposableStack()
    stacks.set(t, (stack = made))
    t.after(() => made.disposeAsync())
  }
  stack.defer(async () => {
    await close()
  })
}
