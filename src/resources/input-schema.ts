import type { InputSchema } from '../event/event.ts'
import { notSupported } from '../wire/errors.ts'
import { type Fields, readEnum, readObject } from '../wire/shape.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import type { Content } from './resource-type.ts'

/** The part of a topic's or domain's stored `properties` that says how publishers write events. */
export interface InputSchemaProperties {
  readonly inputSchema: InputSchema
  readonly inputSchemaMapping: null
}

/**
 * Reads `inputSchema` and `inputSchemaMapping`, which stay as they are for the life of the resource.
 *
 * Source: learn.microsoft.com/azure/event-grid/input-mappings
 */
export function decodeInputSchema(from: Fields, before: Content | undefined): InputSchemaProperties {
  const inputSchema =
    readEnum(from, 'inputSchema', ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema']) ??
    'EventGridSchema'
  if (inputSchema === 'CustomEventSchema')
    throw notSupported(from.at('inputSchema'), "The input schema 'CustomEventSchema'")
  if (readObject(from, 'inputSchemaMapping'))
    throw notSupported(from.at('inputSchemaMapping'), 'Mapping of a custom input schema')
  const old = before?.properties.inputSchema
  if (old !== undefined && old !== inputSchema)
    throw propertyChangeNotAllowed(from.at('inputSchema'), old, inputSchema)
  return { inputSchema, inputSchemaMapping: null }
}
