import { isUtf8 } from 'node:buffer'
import { invalidJson, payloadTooLarge } from '../errors.ts'
import type { DecodeLimits } from './schema.ts'

/** What JSON made of an event, before it is checked. */
export type Envelope = Record<string, unknown>

/** Parses a request body. Throws `invalidJson` unless it is JSON in UTF-8; a byte order mark is passed over. */
export function decodeJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw invalidJson('The request body is not valid UTF-8.')
  if (body.length === 0) throw invalidJson('Unexpected end of the request body: it is empty.')
  try {
    return JSON.parse(body.toString('utf8', hasByteOrderMark(body) ? 3 : 0))
  } catch (cause) {
    throw invalidJson(`The request body is not valid JSON: ${(cause as Error).message}.`)
  }
}

const hasByteOrderMark = (body: Buffer) => body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf

/** The events of an array. Throws where there is no array, nothing in it, or too much. */
export function eventsOf(root: unknown, schema: string, limits: DecodeLimits): readonly unknown[] {
  if (!Array.isArray(root)) throw wrongRoot(schema, 'StartArray', root)
  if (root.length === 0) throw invalidJson(`The array of ${schema} in the request body is empty.`)
  if (root.length > limits.events)
    throw payloadTooLarge(
      `The request holds ${root.length} events, which is more than the maximum of ${limits.events}.`,
    )
  return root as unknown[]
}

export const wrongRoot = (schema: string, expected: string, root: unknown) =>
  invalidJson(
    `The request body was expected to be ${schema} beginning with token ${expected}, but it begins with ${tokenOf(root)}.`,
  )

export const notAnObject = (schema: string, index: number, found: unknown) =>
  invalidJson(`Event ${index} was expected to be a ${schema} object, but is ${tokenOf(found)}.`)

export const isObject = (value: unknown): value is Envelope =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Checks what the scanner saw of an event against the limits. */
export function checkBounds(bytes: number, nesting: number, index: number, limits: DecodeLimits): void {
  if (bytes > limits.eventBytes)
    throw payloadTooLarge(
      `Event ${index} has ${bytes} bytes, which is more than the maximum of ${limits.eventBytes} bytes.`,
    )
  if (nesting > limits.nesting)
    throw invalidJson(`Event ${index} is nested ${nesting} levels deep; the maximum is ${limits.nesting}.`)
}

/** JSON's tokens by the names that the service's messages use. */
function tokenOf(value: unknown): string {
  if (value === null) return 'Null'
  if (Array.isArray(value)) return 'StartArray'
  if (typeof value === 'object') return 'StartObject'
  return typeof value === 'string' ? 'String' : typeof value === 'number' ? 'Number' : 'Boolean'
}
