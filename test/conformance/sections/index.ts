import type { Section } from '../rule.ts'
import { clients } from './clients.ts'
import { controlPlane } from './control-plane.ts'
import { delivery } from './delivery.ts'
import { filters } from './filters.ts'
import { publish } from './publish.ts'
import { refusals } from './refused.ts'
import { webhooks } from './webhooks.ts'

/** Every section of docs/compatibility.md, in its order. To add one: write the file, add the line. */
export const sections: readonly Section[] = [
  clients,
  controlPlane,
  publish,
  filters,
  webhooks,
  delivery,
  refusals,
]
