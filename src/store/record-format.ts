import { crc32 } from 'node:zlib'

/*
 * The journal's records. Little-endian throughout.
 *
 *   0        4        8        12             16     17
 *   | 'BUSR' | length | crc32  | batch offset | type | body ...
 *
 * `length` counts type and body. `crc32` covers batch offset, type and body. `batch offset` is where the record
 * stands in the batch that was written with it: so a readable record says where its batch began, and a broken
 * one *before* that was once durable (damage), while a broken one behind it is a write that never finished.
 */

export const recordHeaderBytes = 16
const magic = Buffer.from('BUSR')
const magicWord = magic.readUInt32LE()

/** Larger than any request that is let in; a length beyond it is damage, not a record. */
export const largestRecordBytes = 64 * 1024 * 1024

export const RecordType = {
  /** Events, each with the queues that want it. */
  append: 1,
  /** Entries that are finished. */
  finished: 2,
  /** Entries that are due again later. */
  postponed: 3,
  queueOpened: 4,
  queueDropped: 5,
  /** Entries that were appended again, so that the place where they stood can be freed. */
  moved: 6,
  /** What repair writes over bytes that cannot be read. */
  filler: 7,
  /** Entries that are due again later, some of them because they are locked until then. */
  locked: 8,
  /** Of a stream: how its partitions stand where a segment begins. */
  streamHead: 9,
  /** Of a stream: entries of one partition. */
  streamEntries: 10,
} as const

/** Gathers the records of one batch into one buffer, growing it as needed. */
export class BatchWriter {
  #buffer: Buffer
  #at = 0
  #recordAt = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get bytes(): number {
    return this.#at
  }

  get buffer(): Buffer {
    return this.#buffer
  }

  /** Begins a record whose body will not exceed `bodyBytes`. Returns the record's offset in the batch. */
  begin(type: number, bodyBytes: number): number {
    this.#reserve(recordHeaderBytes + 1 + bodyBytes)
    this.#recordAt = this.#at
    this.#at += recordHeaderBytes
    this.#buffer[this.#at++] = type
    return this.#recordAt
  }

  end(): void {
    const buffer = this.#buffer
    const at = this.#recordAt
    buffer.writeUInt32LE(magicWord, at)
    buffer.writeUInt32LE(this.#at - at - recordHeaderBytes, at + 4)
    buffer.writeUInt32LE(at, at + 12)
    buffer.writeUInt32LE(crc32(buffer.subarray(at + 12, this.#at)), at + 8)
  }

  u16(value: number): void {
    this.#at = this.#buffer.writeUInt16LE(value, this.#at)
  }

  u32(value: number): void {
    this.#at = this.#buffer.writeUInt32LE(value, this.#at)
  }

  u48(value: number): void {
    this.#at = this.#buffer.writeUIntLE(value, this.#at, 6)
  }

  f64(value: number): void {
    this.#at = this.#buffer.writeDoubleLE(value, this.#at)
  }

  /** Copies `source[start, end)`. */
  bytesOf(source: Buffer, start: number, end: number): void {
    source.copy(this.#buffer, this.#at, start, end)
    this.#at += end - start
  }

  zeros(bytes: number): void {
    this.#buffer.fill(0, this.#at, this.#at + bytes)
    this.#at += bytes
  }

  /** UTF-8 text behind its length in a u16. */
  text(value: string): void {
    const length = this.#buffer.write(value, this.#at + 2, 'utf8')
    this.#buffer.writeUInt16LE(length, this.#at)
    this.#at += 2 + length
  }

  /** Overwrites a u32 written earlier. */
  patch32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at)
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

/** Walks over the records in a buffer; after `next()` answered 'record' the fields describe that record. */
export class RecordWalk {
  readonly buffer: Buffer
  /** Offset of the current record. */
  at = 0
  /** Offset behind the current record. */
  next = 0
  type = 0
  batchOffset = 0
  bodyStart = 0
  readonly #overHoles: boolean

  /**
   * @param overHoles zeros where a record should begin are passed over as a filler: the inside of what repair
   * has blanked, which somebody may still point into
   */
  constructor(buffer: Buffer, overHoles = false) {
    this.buffer = buffer
    this.#overHoles = overHoles
  }

  /**
   * 'short': the buffer ends before the record does (`needed` bytes from `at` on would hold it);
   * 'bad': what stands there is no record.
   */
  step(): 'record' | 'short' | 'bad' | 'end' {
    const { buffer, next } = this
    this.at = next
    if (next === buffer.length) return 'end'
    if (next + recordHeaderBytes > buffer.length) {
      const seen = Math.min(4, buffer.length - next)
      return buffer.compare(magic, 0, seen, next, next + seen) === 0 ? 'short' : 'bad'
    }
    if (buffer.readUInt32LE(next) !== magicWord) return this.#overHoles ? this.#passHole() : 'bad'
    const length = buffer.readUInt32LE(next + 4)
    if (length < 1 || length > largestRecordBytes) return 'bad'
    const end = next + recordHeaderBytes + length
    if (end > buffer.length) return 'short'
    if (crc32(buffer.subarray(next + 12, end)) !== buffer.readUInt32LE(next + 8)) return 'bad'
    this.batchOffset = buffer.readUInt32LE(next + 12)
    this.type = buffer[next + recordHeaderBytes] as number
    this.bodyStart = next + recordHeaderBytes + 1
    this.next = end
    return 'record'
  }

  #passHole(): 'record' | 'bad' {
    const { buffer, at } = this
    let end = at
    while (end < buffer.length && buffer[end] === 0) end++
    if (end === at) return 'bad'
    this.next = end
    this.type = RecordType.filler
    return 'record'
  }

  /** After 'short': how many bytes from `at` on are needed to read the record, as far as that can be known. */
  get needed(): number {
    const { buffer, at } = this
    return at + recordHeaderBytes > buffer.length
      ? recordHeaderBytes
      : recordHeaderBytes + buffer.readUInt32LE(at + 4)
  }

  /** Looks for the next readable record at or behind `from`; false when there is none. */
  seek(from: number): boolean {
    let at = from
    for (;;) {
      at = this.buffer.indexOf(magic, at)
      if (at < 0) return false
      this.next = at
      if (this.step() === 'record') {
        this.next = at
        return true
      }
      at++
    }
  }
}
