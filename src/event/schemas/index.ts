import type { InputSchema } from '../event.ts'
import { cloudEventSchema } from './cloud-event.ts'
import { customEventSchema } from './custom-event.ts'
import { eventGridSchema } from './event-grid.ts'
import type { Schema } from './schema.ts'

/** Every input schema under its wire name. To add one: write the file, add the line. */
export const schemas = {
  EventGridSchema: eventGridSchema,
  CloudEventSchemaV1_0: cloudEventSchema,
  CustomEventSchema: customEventSchema,
} satisfies Record<InputSchema, Schema>
