import { invalid } from '../registry/errors.ts'
import { isObject } from '../wire/shape.ts'

/*
 * Telemetry that a device sends over HTTPS: one message, its properties as headers; or several, each with its own.
 *
 * Source: learn.microsoft.com/rest/api/iothub/device/send-device-event
 */

/** Names of headers, in lower case, and the message's own properties that they are. */
const ownHeaders = {
  'iothub-messageid': '$.mid',
  'iothub-correlationid': '$.cid',
  'iothub-userid': '$.uid',
  'iothub-to': '$.to',
  'iothub-expiry': '$.exp',
  'iothub-contenttype': '$.ct',
  'iothub-contentencoding': '$.ce',
  'iothub-interface-id': '$.ifid',
  'dt-subject': '$.sub',
} as const

export interface SentMessage {
  readonly payload: Buffer
  readonly bag: {
    readonly own: ReadonlyMap<(typeof ownHeaders)[keyof typeof ownHeaders], string>
    readonly properties: Readonly<Record<string, string>>
  }
}

/** A message, or a batch of them, with their properties. */
export const sentBytesMost = 256 * 1024
const batchType = 'application/vnd.microsoft.iothub.json'
const applicationPrefix = 'iothub-app-'

/** @param rawHeaders names and values in turn: the letter case of names counts */
export function decodeSentMessages(
  contentType: string | undefined,
  rawHeaders: readonly string[],
  body: Buffer,
): readonly SentMessage[] {
  if (contentType?.split(';')[0]?.trim().toLowerCase() !== batchType) {
    const headers: [string, string][] = []
    for (let at = 0; at + 1 < rawHeaders.length; at += 2)
      headers.push([rawHeaders[at] as string, rawHeaders[at + 1] as string])
    return [{ payload: body, bag: bagOf(headers) }]
  }
  let items: unknown
  try {
    items = JSON.parse(body.toString())
  } catch {
    throw invalid('The body', 'JSON', 'something else')
  }
  if (!Array.isArray(items) || items.length === 0) throw invalid('The body', 'an array of messages', items)
  return items.map((item: unknown) => {
    if (!isObject(item) || typeof item.body !== 'string')
      throw invalid('A message', 'an object with a body of text', item)
    const { base64Encoded = true, properties = {} } = item
    if (!isObject(properties)) throw invalid('properties', 'an object', properties)
    const named = Object.entries(properties).map(([name, value]) => [name, String(value)] as [string, string])
    return { payload: Buffer.from(item.body, base64Encoded === false ? 'utf8' : 'base64'), bag: bagOf(named) }
  })
}

function bagOf(named: readonly [string, string][]): SentMessage['bag'] {
  const own = new Map<(typeof ownHeaders)[keyof typeof ownHeaders], string>()
  const properties: [string, string][] = []
  for (const [name, value] of named) {
    const lower = name.toLowerCase()
    if (lower in ownHeaders) own.set(ownHeaders[lower as keyof typeof ownHeaders], value)
    else if (lower.startsWith(applicationPrefix))
      properties.push([name.slice(applicationPrefix.length), value])
  }
  return { own, properties: Object.fromEntries(properties) }
}
