import { apply } from './apply.ts'
import type { AddCommand } from './command.ts'
import { deadletter } from './deadletter.ts'
import { device } from './device.ts'
import { domain } from './domain.ts'
import { group } from './group.ts'
import { hub } from './hub.ts'
import { mqtt } from './mqtt.ts'
import { principal } from './principal.ts'
import { publish } from './publish.ts'
import { receive } from './receive.ts'
import { start } from './start.ts'
import { store } from './store.ts'
import { subscription } from './subscription.ts'
import { tail } from './tail.ts'
import { topic } from './topic.ts'
import { trace } from './trace.ts'
import { trigger } from './trigger.ts'
import { trust } from './trust.ts'

/** Every command under its name, in the order of the help. To add one: write the file, add the line. */
export const commands = {
  start,
  trust,
  apply,
  group,
  topic,
  domain,
  subscription,
  hub,
  device,
  principal,
  publish,
  receive,
  trigger,
  tail,
  trace,
  deadletter,
  mqtt,
  store,
} satisfies Record<string, AddCommand>
