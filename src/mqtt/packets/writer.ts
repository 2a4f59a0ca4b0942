/*
 * How the data types of MQTT are written: `put…` writes at a place and says where the next byte goes; `…Bytes` says
 * beforehand how many that will be.
 *
 * Source: MQTT Version 5.0, 1.5 "Data representation"
 */

export function putUint16(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
  return at + 2
}

export function putUint32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
  return at + 4
}

export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  let next = at
  while (rest >= 0x80) {
    bytes[next++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[next++] = rest
  return next
}

export function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  return value < 0x200000 ? 3 : 4
}

/** Two bytes of length, then UTF-8. */
export function putText(bytes: Buffer, at: number, text: string): number {
  let next = at + 2
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) {
      next = at + 2 + bytes.write(text, at + 2, 'utf8')
      break
    }
    bytes[next++] = code
  }
  putUint16(bytes, at, next - at - 2)
  return next
}

/** Of the text with its two bytes of length. */
export function textBytes(text: string): number {
  const length = utf8Bytes(text)
  if (length > 0xffff) throw new RangeError(`a string of ${length} bytes: MQTT has at most 65,535`)
  return 2 + length
}

function utf8Bytes(text: string): number {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) >= 0x80) return Buffer.byteLength(text)
  }
  return text.length
}

export function putBinary(bytes: Uint8Array, at: number, value: Uint8Array): number {
  putUint16(bytes, at, value.length)
  bytes.set(value, at + 2)
  return at + 2 + value.length
}

export function binaryBytes(value: Uint8Array): number {
  if (value.length > 0xffff)
    throw new RangeError(`binary data of ${value.length} bytes: MQTT has at most 65,535`)
  return 2 + value.length
}
