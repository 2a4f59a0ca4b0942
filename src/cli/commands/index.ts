import type { AddCommand } from './command.ts'
import { start } from './start.ts'
import { store } from './store.ts'
import { trace } from './trace.ts'
import { trigger } from './trigger.ts'
import { trust } from './trust.ts'

/** Every command under its name, in the order of the help. To add one: write the file, add the line. */
export const commands = { start, trust, trigger, trace, store } satisfies Record<string, AddCommand>
