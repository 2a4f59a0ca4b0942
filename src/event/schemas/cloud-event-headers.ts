import { isUtf8 } from 'node:buffer'
import { invalidCloudEventHeader } from '../errors.ts'
import { decodeJson } from './json.ts'
import type { Received } from './schema.ts'

/*
 * CloudEvents in binary mode: attributes come as `ce-` headers, the body is the data.
 *
 * Source: CloudEvents HTTP protocol binding 1.0.2, section 3.1
 */

const required = ['specversion', 'type', 'source', 'id'] as const

/** Whether a request with the content type of data is meant as a CloudEvent in binary mode. */
export function hasCloudEventHeaders(rawHeaders: readonly string[]): boolean {
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (required.includes(attributeOf(rawHeaders[at] as string) as (typeof required)[number])) return true
  return false
}

/** The same event as it would be in structured mode. Throws for headers or data that are not as they must be. */
export function bindHeaders(received: Received): Buffer {
  return bindData(received, attributesOf(received))
}

/**
 * As `bindHeaders`, with data of any type: what is not JSON becomes `data_base64`.
 *
 * @param isStrict refuses the header `ce-datacontenttype`, which is else passed over
 */
export function bindHeadersToAnyData(received: Received, isStrict: boolean): Buffer {
  const { body, contentType, rawHeaders } = received
  if (isStrict && rawHeaders.some((name, at) => at % 2 === 0 && attributeOf(name) === 'datacontenttype'))
    throw invalidCloudEventHeader(
      "The header 'ce-datacontenttype' must not be there: 'Content-Type' says what the data is.",
    )
  const attributes = attributesOf(received)
  if (body.length === 0 || (contentType !== undefined && isJson(contentType)))
    return bindData(received, attributes)
  return Buffer.from(
    JSON.stringify({
      ...Object.fromEntries(attributes),
      datacontenttype: contentType,
      data_base64: body.toString('base64'),
    }),
  )
}

/** Source: CloudEvents JSON event format 1.0.2, section 3.1 */
const isJson = (contentType: string) => /^[^/;]+\/(?:[^;]*\+)?json\s*(?:;|$)/i.test(contentType.trim())

function attributesOf({ rawHeaders }: Received): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = attributeOf(rawHeaders[at] as string)
    // The content type is the header of that name; a second one has nothing to say.
    if (name === undefined || name === 'datacontenttype') continue
    if (name === 'data' || !/^[a-z0-9]+$/.test(name))
      throw invalidCloudEventHeader(`The header 'ce-${name}' does not name an attribute.`)
    if (attributes.has(name))
      throw invalidCloudEventHeader(`The header 'ce-${name}' is given more than once.`)
    attributes.set(name, decodeHeaderValue(name, rawHeaders[at + 1] as string))
  }
  for (const name of required) {
    const value = attributes.get(name)
    if (value === undefined) throw invalidCloudEventHeader(`The required header 'ce-${name}' is missing.`)
    if (value === '') throw invalidCloudEventHeader(`The required header 'ce-${name}' is empty.`)
  }
  if (attributes.get('specversion') !== '1.0')
    throw invalidCloudEventHeader("The header 'ce-specversion' must be 1.0.")
  return attributes
}

function bindData({ body, contentType }: Received, attributes: ReadonlyMap<string, string>): Buffer {
  const head = JSON.stringify({ ...Object.fromEntries(attributes), datacontenttype: contentType })
  if (body.length === 0) return Buffer.from(head)
  decodeJson(body)
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"data":`), withoutByteOrderMark(body), closing])
}

const closing = Buffer.from('}')

const withoutByteOrderMark = (body: Buffer) => (body[0] === 0xef ? body.subarray(3) : body)

function attributeOf(header: string): string | undefined {
  const name = header.toLowerCase()
  return name.startsWith('ce-') ? name.slice(3) : undefined
}

/**
 * Undoes double quotes, then one round of percent-encoding. A percent sign that begins no encoded byte stands for
 * itself, and bytes beyond ASCII are taken as UTF-8, or else as Latin-1: some emitters encode nothing.
 */
function decodeHeaderValue(name: string, value: string): string {
  const trimmed = value.trim()
  const unquoted = /^".*"$/s.test(trimmed) ? trimmed.slice(1, -1).replace(/\\(.)/gs, '$1') : trimmed
  const raw = Buffer.from(unquoted, 'latin1')
  const text = isUtf8(raw) ? raw.toString('utf8') : unquoted
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    const bytes = Buffer.from(run.replaceAll('%', ''), 'hex')
    if (!isUtf8(bytes)) throw invalidCloudEventHeader(`The header 'ce-${name}' is not valid UTF-8.`)
    return bytes.toString('utf8')
  })
}
