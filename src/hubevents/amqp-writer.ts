/*
 * Values of AMQP 1.0, as far as messages of hubs have them.
 *
 * Source: OASIS AMQP 1.0, part 1, "Primitive Type Definitions"
 */

const codes = {
  null: 0x40,
  described: 0x00,
  smallUlong: 0x53,
  long: 0x81,
  timestamp: 0x83,
  binary8: 0xa0,
  binary32: 0xb0,
  string8: 0xa1,
  string32: 0xb1,
  true: 0x41,
  false: 0x42,
  int: 0x71,
  ulong: 0x80,
  uuid: 0x98,
  array32: 0xf0,
  symbol8: 0xa3,
  symbol32: 0xb3,
  list32: 0xd0,
  map32: 0xd1,
} as const

const compoundHeadBytes = 9

/** Writes values one behind the other into a buffer that grows. */
export class AmqpWriter {
  #buffer = Buffer.allocUnsafeSlow(4096)
  #at = 0

  get bytes(): number {
    return this.#at
  }

  /** What has been written, as a copy; then it begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#at))
    this.#at = 0
    return taken
  }

  /** Room for what is not known yet: all of it is to be written. */
  gap(bytes: number): number {
    this.#reserve(bytes)
    this.#at += bytes
    return this.#at - bytes
  }

  patch16(at: number, value: number): void {
    this.#buffer.writeUInt16BE(value, at)
  }

  patch32(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value, at)
  }

  null(): void {
    this.#byte(codes.null)
  }

  string(text: string): void {
    this.#text(text, codes.string8, codes.string32)
  }

  symbol(text: string): void {
    this.#text(text, codes.symbol8, codes.symbol32)
  }

  /** Bytes that are a value already. */
  encoded(value: Buffer): void {
    this.#reserve(value.length)
    this.#at += value.copy(this.#buffer, this.#at)
  }

  boolean(value: boolean): void {
    this.#byte(value ? codes.true : codes.false)
  }

  int(value: number): void {
    this.#byte(codes.int)
    this.patch32(this.gap(4), value)
  }

  ulong(value: number): void {
    this.#eight(codes.ulong, value)
  }

  uuid(value: Buffer): void {
    this.#byte(codes.uuid)
    const at = this.gap(16)
    value.copy(this.#buffer, at)
  }

  strings(values: readonly string[]): void {
    const begun = this.#begin(codes.array32)
    this.#byte(codes.string32)
    for (const value of values) {
      const bytes = Buffer.from(value)
      this.patch32(this.gap(4), bytes.length)
      const at = this.gap(bytes.length)
      bytes.copy(this.#buffer, at)
    }
    this.end(begun, values.length)
  }

  long(value: number): void {
    this.#eight(codes.long, value)
  }

  /** Milliseconds since 1970. */
  timestamp(moment: number): void {
    this.#eight(codes.timestamp, moment)
  }

  binary(value: Buffer): void {
    this.#head(value.length, codes.binary8, codes.binary32)
    this.#reserve(value.length)
    this.#at += value.copy(this.#buffer, this.#at)
  }

  /** The head of a section. */
  section(code: number): void {
    this.#reserve(3)
    this.#buffer[this.#at++] = codes.described
    this.#buffer[this.#at++] = codes.smallUlong
    this.#buffer[this.#at++] = code
  }

  beginList(): number {
    return this.#begin(codes.list32)
  }

  beginMap(): number {
    return this.#begin(codes.map32)
  }

  /**
   * @param count of values; in a map, of keys and values together
   * @param moreBytes of it, which come from elsewhere
   */
  end(begun: number, count: number, moreBytes = 0): void {
    this.#buffer.writeUInt32BE(this.#at - begun - 5 + moreBytes, begun + 1)
    this.#buffer.writeUInt32BE(count, begun + 5)
  }

  #begin(code: number): number {
    const begun = this.gap(compoundHeadBytes)
    this.#buffer[begun] = code
    return begun
  }

  #text(text: string, small: number, large: number): void {
    const bytes = Buffer.byteLength(text)
    this.#head(bytes, small, large)
    this.#reserve(bytes)
    this.#at += this.#buffer.write(text, this.#at, 'utf8')
  }

  #head(bytes: number, small: number, large: number): void {
    this.#reserve(5)
    if (bytes < 256) {
      this.#buffer[this.#at++] = small
      this.#buffer[this.#at++] = bytes
    } else {
      this.#buffer[this.#at++] = large
      this.#at = this.#buffer.writeUInt32BE(bytes, this.#at)
    }
  }

  #eight(code: number, value: number): void {
    this.#reserve(9)
    this.#buffer[this.#at++] = code
    this.#at = this.#buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), this.#at)
    this.#at = this.#buffer.writeUInt32BE(value >>> 0, this.#at)
  }

  #byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#at++] = value
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

/** Text, moments and numbers alike; a moment is a `Date`. */
export type AmqpValue = string | number | Date | Buffer | null | AmqpList | AmqpMap
export type AmqpList = readonly AmqpValue[]
export interface AmqpMap extends ReadonlyMap<string, AmqpValue> {}

/** Reads what `AmqpWriter` writes. Throws for anything else: it was damaged. */
export class AmqpReader {
  readonly #buffer: Buffer
  at: number

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer
    this.at = at
  }

  get isAtEnd(): boolean {
    return this.at >= this.#buffer.length
  }

  /** The code of the section that begins here. */
  section(): number {
    const code = this.#buffer[this.at + 2] as number
    this.at += 3
    return code
  }

  pairs(count: number): Map<string, AmqpValue> {
    const map = new Map<string, AmqpValue>()
    for (let n = 0; n < count; n += 2) map.set(this.value() as string, this.value())
    return map
  }

  value(): AmqpValue {
    const buffer = this.#buffer
    const code = buffer[this.at++]
    switch (code) {
      case codes.null:
        return null
      case codes.long:
        return this.#eight()
      case codes.timestamp:
        return new Date(this.#eight())
      case codes.binary8:
      case codes.binary32:
        return this.#bytes(code === codes.binary8)
      case codes.string8:
      case codes.symbol8:
        return this.#bytes(true).toString()
      case codes.string32:
      case codes.symbol32:
        return this.#bytes(false).toString()
      case codes.list32: {
        const count = buffer.readUInt32BE(this.at + 4)
        this.at += 8
        return Array.from({ length: count }, () => this.value())
      }
      case codes.map32: {
        const count = buffer.readUInt32BE(this.at + 4)
        this.at += 8
        return this.pairs(count)
      }
      default:
        throw new Error(`A stored message has a value of the unknown type ${code}.`)
    }
  }

  #eight(): number {
    const high = this.#buffer.readInt32BE(this.at)
    const low = this.#buffer.readUInt32BE(this.at + 4)
    this.at += 8
    return high * 0x1_0000_0000 + low
  }

  #bytes(isSmall: boolean): Buffer {
    const buffer = this.#buffer
    const bytes = isSmall ? (buffer[this.at] as number) : buffer.readUInt32BE(this.at)
    const start = this.at + (isSmall ? 1 : 4)
    this.at = start + bytes
    return buffer.subarray(start, this.at)
  }
}
