import type { InputSchema } from '../event/event.ts'
import {
  type FieldMapping,
  type InputSchemaMapping,
  type MappedField,
  mappedFields,
} from '../event/mapping.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { type Fields, fields, readEnum, readObject, readString } from '../wire/shape.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import type { Content } from './resource-type.ts'

/** The part of a topic's or domain's stored `properties` that says how publishers write events. */
export interface InputSchemaProperties {
  readonly inputSchema: InputSchema
  readonly inputSchemaMapping: InputSchemaMappingProperties | null
}

/** A mapping as the service prints it: every field, and null for what is not mapped. */
export interface InputSchemaMappingProperties {
  readonly inputSchemaMappingType: 'Json'
  readonly properties: Readonly<Record<MappedField, MappedFieldProperties>>
}

interface MappedFieldProperties {
  readonly sourceField: string | null
  /** Of those fields that may have one. */
  readonly defaultValue?: string | null
}

/** Of one field of a mapping, in characters. */
export const mappingLimits = { sourceFieldCharacters: 512, defaultValueCharacters: 512 }

/**
 * Reads `inputSchema` and `inputSchemaMapping`, which stay as they are for the life of the resource.
 *
 * Source: learn.microsoft.com/azure/event-grid/input-mappings
 */
export function decodeInputSchema(from: Fields, before: Content | undefined): InputSchemaProperties {
  const inputSchema =
    readEnum(from, 'inputSchema', ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema']) ??
    'EventGridSchema'
  const inputSchemaMapping = decodeMapping(from, inputSchema)
  if (before) {
    const old = before.properties as unknown as InputSchemaProperties
    if (old.inputSchema !== inputSchema)
      throw propertyChangeNotAllowed(from.at('inputSchema'), old.inputSchema, inputSchema)
    if (JSON.stringify(old.inputSchemaMapping) !== JSON.stringify(inputSchemaMapping))
      throw propertyChangeNotAllowed(
        from.at('inputSchemaMapping'),
        old.inputSchemaMapping,
        inputSchemaMapping,
      )
  }
  return { inputSchema, inputSchemaMapping }
}

function decodeMapping(from: Fields, inputSchema: InputSchema): InputSchemaMappingProperties | null {
  const mapping = readObject(from, 'inputSchemaMapping')
  if (!mapping) return null
  if (inputSchema !== 'CustomEventSchema')
    throw invalidRequest(
      `The property '${from.at('inputSchemaMapping')}' belongs to the input schema 'CustomEventSchema', but '${from.at('inputSchema')}' is '${inputSchema}'. Give that schema, or leave out the mapping.`,
      from.at('inputSchemaMapping'),
    )
  const inputSchemaMappingType = readEnum(mapping, 'inputSchemaMappingType', ['Json'])
  if (inputSchemaMappingType === undefined)
    throw invalidProperty(mapping.at('inputSchemaMappingType'), 'Json', undefined)
  const properties = readObject(mapping, 'properties') ?? fields({}, mapping.at('properties'))
  return {
    inputSchemaMappingType,
    properties: {
      id: decodeField(properties, 'id', false),
      topic: decodeField(properties, 'topic', false),
      eventTime: decodeField(properties, 'eventTime', false),
      eventType: decodeField(properties, 'eventType', true),
      subject: decodeField(properties, 'subject', true),
      dataVersion: decodeField(properties, 'dataVersion', true),
    },
  }
}

function decodeField(parent: Fields, name: MappedField, hasDefault: boolean): MappedFieldProperties {
  const from = readObject(parent, name) ?? fields({}, parent.at(name))
  const sourceField = readString(from, 'sourceField', mappingLimits.sourceFieldCharacters)
  return {
    // No field is meant by a name without characters; some clients send it for a field they leave out.
    sourceField: sourceField === undefined || sourceField === '' ? null : sourceField,
    ...(hasDefault && {
      defaultValue: readString(from, 'defaultValue', mappingLimits.defaultValueCharacters) ?? null,
    }),
  }
}

/** A stored mapping as the data plane knows it. */
export function mappingOf(stored: InputSchemaMappingProperties | null): InputSchemaMapping | undefined {
  if (!stored) return undefined
  const entries = mappedFields.map((name): [MappedField, FieldMapping] => {
    const { sourceField, defaultValue } = stored.properties[name]
    return [name, { sourceField: sourceField ?? undefined, defaultValue: defaultValue ?? undefined }]
  })
  return Object.fromEntries(entries) as Record<MappedField, FieldMapping>
}
