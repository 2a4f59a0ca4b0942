import { backlog } from './backlog.ts'
import { deliver } from './deliver.ts'
import { devices } from './devices.ts'
import { disk } from './disk.ts'
import { domains } from './domains.ts'
import { latency } from './latency.ts'
import { matching } from './matching.ts'
import { neighbours } from './neighbours.ts'
import { publish } from './publish.ts'
import { pull, pullBacklog } from './pull.ts'
import { registry } from './registry.ts'
import { resources } from './resources.ts'
import type { Scenario } from './scenario.ts'

/** Every scenario, in the order in which they run. To add one: write the file, add the line. */
export const scenarios = [
  disk,
  publish,
  deliver,
  latency,
  matching,
  domains,
  neighbours,
  backlog,
  resources,
  registry,
  devices,
  pull,
  pullBacklog,
] as const satisfies readonly Scenario[]
