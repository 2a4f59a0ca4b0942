import type { Section } from '../rule.ts'
import { delivery } from './delivery.ts'
import { filters } from './filters.ts'
import { publish } from './publish.ts'
import { webhooks } from './webhooks.ts'

/** Every section of docs/compatibility.md, in its order. To add one: write the file, add the line. */
export const sections: readonly Section[] = [publish, filters, webhooks, delivery]
