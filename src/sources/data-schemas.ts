import { readFile } from 'node:fs/promises'
import { type FoundEventType, findEventType } from './lookup.ts'

/*
 * The JSON Schema and the example of each event type's data, read when first asked for: most servers never are.
 */

export type JsonSchema = Readonly<Record<string, unknown>>

export interface DataSchema {
  /** Draft 2020-12, whole in itself. */
  readonly schema: JsonSchema
  readonly example: unknown
}

interface ServiceFile {
  readonly $defs: Readonly<Record<string, JsonSchema>>
  readonly eventTypes: Readonly<Record<string, DataSchema>>
}

const dialect = 'https://json-schema.org/draft/2020-12/schema'

export interface DataSchemas {
  /** @param name of an event type on the shelf, in any letter case */
  read(name: string): Promise<DataSchema>
}

/** Reads each service's file at most once. */
export function createDataSchemas(): DataSchemas {
  const files = new Map<string, Promise<ServiceFile>>()
  const made = new Map<string, DataSchema>()
  const readFileOf = (service: string): Promise<ServiceFile> => {
    let file = files.get(service)
    if (!file) {
      file = readServiceFile(service)
      files.set(service, file)
    }
    return file
  }
  return {
    async read(name) {
      const { eventType, sources } = findEventType(name) as FoundEventType
      const known = made.get(eventType.name)
      if (known) return known
      const { service } = sources[0] as FoundEventType['sources'][number]
      const { $defs, eventTypes } = await readFileOf(service)
      const { schema, example } = eventTypes[eventType.name] as DataSchema
      const needed = definitionsOf(schema, $defs)
      const whole = { $schema: dialect, ...schema, ...(Object.keys(needed).length > 0 && { $defs: needed }) }
      const found = { schema: whole, example }
      made.set(eventType.name, found)
      return found
    },
  }
}

const readServiceFile = async (service: string): Promise<ServiceFile> =>
  JSON.parse(await readFile(new URL(`generated/${service}.json`, import.meta.url), 'utf8')) as ServiceFile

/** What a schema refers to, and what that refers to. */
function definitionsOf(schema: JsonSchema, all: ServiceFile['$defs']): Readonly<Record<string, JsonSchema>> {
  const found: Record<string, JsonSchema> = {}
  const waiting = [schema]
  for (let next = waiting.pop(); next; next = waiting.pop())
    for (const [, name = ''] of JSON.stringify(next).matchAll(/"\$ref":"#\/\$defs\/(\w+)"/g)) {
      if (name in found) continue
      found[name] = all[name] as JsonSchema
      waiting.push(all[name] as JsonSchema)
    }
  return found
}
