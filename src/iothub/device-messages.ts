import type { MessageProperties, SystemProperties } from '../hubmessage/message.ts'
import { invalid } from '../registry/errors.ts'
import { isObject } from '../wire/shape.ts'

/*
 * Telemetry that a device sends over HTTPS: one message, its properties as headers; or several, each with its own.
 *
 * Source: learn.microsoft.com/rest/api/iothub/device/send-device-event
 */

/** Names of headers, in lower case. */
const systemHeaders: Readonly<Record<string, keyof SystemProperties | undefined>> = {
  'iothub-messageid': 'messageId',
  'iothub-correlationid': 'correlationId',
  'iothub-userid': 'userId',
  'iothub-to': 'to',
  'iothub-expiry': 'expiry',
  'iothub-contenttype': 'contentType',
  'iothub-contentencoding': 'contentEncoding',
  'iothub-interface-id': 'interfaceId',
  'dt-subject': 'component',
}

export interface SentMessage extends MessageProperties {
  readonly payload: Buffer
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
    return [{ payload: body, ...propertiesOf(headers) }]
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
    const named = Object.entries(properties).map(([name, value]): [string, string] => {
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
        throw invalid(`The property ${name.slice(0, 80)}`, 'a string', value)
      return [name, String(value)]
    })
    return {
      payload: Buffer.from(item.body, base64Encoded === false ? 'utf8' : 'base64'),
      ...propertiesOf(named),
    }
  })
}

function propertiesOf(named: readonly [string, string][]): MessageProperties {
  const system: { -readonly [Name in keyof SystemProperties]: string } = {}
  const properties: [string, string][] = []
  for (const [name, value] of named) {
    const lower = name.toLowerCase()
    const own = Object.hasOwn(systemHeaders, lower) ? systemHeaders[lower] : undefined
    if (own !== undefined) system[own] = value
    else if (lower.startsWith(applicationPrefix))
      properties.push([name.slice(applicationPrefix.length), value])
  }
  return { system, properties: Object.fromEntries(properties) }
}
