import type { TestContext } from 'node:test'

const stacks = new WeakMap<object, AsyncDisposableStack>()

/**
 * Closes it when the test ends, the last opened first. (`t.after` runs first what was added first: a directory
 * would be removed below the server that still writes to it.)
 */
export function closeAfter(t: Pick<TestContext, 'after'>, close: () => unknown): void {
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
