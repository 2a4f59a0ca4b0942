import { tokenCharacters } from './lock-tokens.ts'
import type { Batch } from './outlet.ts'

/*
 * The body of the answer to receive:
 *
 *   {"value":[{"brokerProperties":{"lockToken":"...","deliveryCount":1},"event":{...}}, ...]}
 *
 * An event is copied byte for byte as it was published, structured JSON whatever mode it was published in.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/dataplanepreview-version2023-06-01/receive-cloud-events
 */

const opening = Buffer.from('{"value":[')
const tokenOpening = Buffer.from('{"brokerProperties":{"lockToken":"')
const countOpening = Buffer.from('","deliveryCount":')
const eventOpening = Buffer.from('},"event":')
const comma = 0x2c
const brace = 0x7d
const closing = Buffer.from(']}')
const countDigits = 10
const fixedBytes =
  tokenOpening.length + tokenCharacters + countOpening.length + countDigits + eventOpening.length + 2

export function encodeReceived({ events, tokens }: Batch): Buffer {
  let bytes = opening.length + closing.length
  for (const { event } of events) bytes += fixedBytes + event.body.length
  const body = Buffer.allocUnsafe(bytes)
  let at = opening.copy(body)
  for (const [n, { attempts, event }] of events.entries()) {
    if (n > 0) body[at++] = comma
    at += tokenOpening.copy(body, at)
    at += body.write(tokens.slice(n * tokenCharacters, (n + 1) * tokenCharacters), at, 'latin1')
    at += countOpening.copy(body, at)
    at += body.write(String(attempts), at, 'latin1')
    at += eventOpening.copy(body, at)
    at += event.body.copy(body, at)
    body[at++] = brace
  }
  at += closing.copy(body, at)
  return body.subarray(0, at)
}
