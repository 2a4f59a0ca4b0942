import type { SystemProperties } from './message.ts'
import { decodeJson } from './telemetry-event.ts'

/**
 * The body of a message as routing queries may ask for it: JSON where the message says that it is, and in which of the
 * Unicode encodings. Undefined: it is nothing that can be asked about.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-routing-query-syntax, "Query based on message body"
 */
export function decodeJsonBody(payload: Buffer, system: SystemProperties): unknown {
  if (system.contentType?.split(';')[0]?.trim().toLowerCase() !== 'application/json') return undefined
  switch (system.contentEncoding?.toLowerCase()) {
    case 'utf-8':
      return decodeJson(payload)?.value
    case 'utf-16':
      return decodeJson(Buffer.from(decodeUtf16(payload)))?.value
    case 'utf-32':
      return decodeJson(Buffer.from(decodeUtf32(payload)))?.value
    default:
      return undefined
  }
}

/** With the lower byte first, where no mark says otherwise. */
function decodeUtf16(bytes: Buffer): string {
  const isBig = bytes[0] === 0xfe && bytes[1] === 0xff
  return new TextDecoder(isBig ? 'utf-16be' : 'utf-16le').decode(bytes)
}

function decodeUtf32(bytes: Buffer): string {
  const isBig = bytes.length >= 4 && bytes.readUInt32BE(0) === 0xfeff
  let text = ''
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
    if (code > 0x10ffff) return ''
    if (code !== 0xfeff) text += String.fromCodePoint(code)
  }
  return text
}
