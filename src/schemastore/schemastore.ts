import { RequestError } from '../base/errors.ts'
import { type Door, type HttpResponse, jsonResponse } from '../http/http.ts'
import { refuseWriting } from '../http/read-only.ts'
import type { DataSchemas } from '../sources/data-schemas.ts'
import type { EventType } from '../sources/event-source.ts'
import { sources } from '../sources/index.ts'
import { findEventType, nearEventType } from '../sources/lookup.ts'
import { schemaPath, schemaUrl } from '../sources/schema-url.ts'

/*
 * The event schema store: `GET /schemas` lists the event types of every source, `GET /schemas/{event type}.json`
 * answers with the JSON Schema of its data and an example. It is documentation, open to whoever reaches the listener.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema, "Event Schema store"
 */

export interface SchemaStoreOptions {
  readonly schemas: DataSchemas
  /** The base of links, without a trailing slash; asked once listeners are open. */
  readonly publicUrl: () => string
}

export function createSchemaStoreDoor({ schemas, publicUrl }: SchemaStoreOptions): Door {
  return (request) => {
    const { path } = request
    if (path === schemaPath || path === `${schemaPath}/`) {
      refuseWriting(request)
      return jsonResponse(200, encodeIndex(publicUrl()), openToPages)
    }
    if (!path.startsWith(`${schemaPath}/`)) return undefined
    refuseWriting(request)
    return answer(path)
  }

  async function answer(path: string): Promise<HttpResponse> {
    const name = nameIn(path)
    const found = findEventType(name)
    if (!found) throw schemaNotFound(name)
    const { eventType } = found
    const { schema, example } = await schemas.read(eventType.name)
    const { $schema, ...rest } = schema
    const body = {
      $schema,
      $id: schemaUrl(publicUrl(), eventType.name),
      title: eventType.name,
      ...rest,
      description: eventType.description,
      examples: [example],
    }
    return jsonResponse(200, body, { ...openToPages, 'Content-Type': 'application/schema+json' })
  }
}

/** Validators that run in a page may read it from anywhere. */
const openToPages = { 'Access-Control-Allow-Origin': '*', 'X-Content-Type-Options': 'nosniff' }

const encodeIndex = (base: string) => ({
  value: sources
    .filter(({ eventTypes }) => eventTypes.length > 0)
    .map(({ topicType, displayName, description, eventTypes }) => ({
      topicType: topicType ?? null,
      displayName,
      description,
      eventTypes: eventTypes.map((eventType) => encodeEventType(base, eventType)),
    })),
})

const encodeEventType = (
  base: string,
  { name, displayName, description, subject, dataVersion }: EventType,
) => ({
  name,
  displayName,
  description,
  subject,
  dataVersion,
  schemaUrl: schemaUrl(base, name),
})

/** What stands between `/schemas/` and `.json`, decoded. */
function nameIn(path: string): string {
  const encoded = path.slice(schemaPath.length + 1).replace(/\.json$/i, '')
  try {
    return decodeURIComponent(encoded)
  } catch (error) {
    throw new RequestError(400, 'BadRequest', `The path ${path} is not well encoded.`, { cause: error })
  }
}

const shownCharacters = 200

function schemaNotFound(name: string): RequestError {
  const shown = name.slice(0, shownCharacters)
  const message = `No event type is named '${shown}'.${nearEventType(name)}`
  return new RequestError(404, 'SchemaNotFound', message, { target: shown })
}
