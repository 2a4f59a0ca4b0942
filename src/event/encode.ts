import assert from 'node:assert/strict'
import type { EpochMs } from '../base/clock.ts'
import type { GridEvent, InputSchema, StoredEvent } from './event.ts'

export { dataMember, deadLetterForm, encodeDelivery, encodeSingle, fieldOf } from './delivery.ts'
export { createInternalIds } from './internal-ids.ts'
export { outputEventId } from './output-event-id.ts'

/*
 * Everything that becomes of an event after `decode`: its stored form here, its delivered forms in `delivery.ts`.
 *
 * The stored form of an event: a head, then the event itself in its input schema; a custom event as
 * `mapped-event.ts` has it.
 *
 *   0        1        2                 8                24         28           32
 *   +--------+--------+-----------------+----------------+----------+------------+----+-------------+------
 *   | format | schema | publishedAt, ms | internal id    | id bytes | dataVersion| id | dataVersion | body
 *   | 1      | 0, 1, 2| 48 bits         | 16 bytes       | uint32   | bytes, u32 |    |             |
 *   +--------+--------+-----------------+----------------+----------+------------+----+-------------+------
 *
 * Numbers are little endian, texts UTF-8. The body goes on to the end.
 */

const formatVersion = 1
const fixedBytes = 32
const schemaCodes: readonly InputSchema[] = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema']

/** What precedes `source[start, end)` and `tail` in the store. */
export function encodeHead(event: GridEvent, publishedAt: EpochMs, internalId: Uint8Array): Buffer {
  const { id, dataVersion } = event
  const idBytes = Buffer.byteLength(id)
  const dataVersionBytes = dataVersion === '' ? 0 : Buffer.byteLength(dataVersion)
  const head = Buffer.allocUnsafe(fixedBytes + idBytes + dataVersionBytes)
  head[0] = formatVersion
  head[1] = schemaCodes.indexOf(event.schema)
  head.writeUIntLE(publishedAt, 2, 6)
  head.set(internalId, 8)
  head.writeUInt32LE(idBytes, 24)
  head.writeUInt32LE(dataVersionBytes, 28)
  head.write(id, fixedBytes, 'utf8')
  if (dataVersionBytes > 0) head.write(dataVersion, fixedBytes + idBytes, 'utf8')
  return head
}

/** Reads the stored form back. The result shares its memory with `bytes`. */
export const decodeStored = (bytes: Buffer): StoredEvent => new StoredBytes(bytes)

/** Most deliveries need the body of most of their events and nothing else: the rest is read when asked for. */
class StoredBytes implements StoredEvent {
  readonly schema: InputSchema
  readonly publishedAt: EpochMs
  readonly #bytes: Buffer
  readonly #idEnd: number
  readonly #bodyStart: number
  #body: Buffer | undefined

  constructor(bytes: Buffer) {
    assert(bytes[0] === formatVersion, `stored event has format ${bytes[0]}, expected ${formatVersion}`)
    const schema = schemaCodes[bytes[1] as number]
    assert(schema !== undefined, `stored event has unknown schema ${bytes[1]}`)
    this.schema = schema
    this.publishedAt = bytes.readUIntLE(2, 6)
    this.#bytes = bytes
    this.#idEnd = fixedBytes + bytes.readUInt32LE(24)
    this.#bodyStart = this.#idEnd + bytes.readUInt32LE(28)
    assert(this.#bodyStart <= bytes.length, 'stored event is cut short')
  }

  get id(): string {
    return this.#bytes.toString('utf8', fixedBytes, this.#idEnd)
  }

  get dataVersion(): string {
    return this.#bytes.toString('utf8', this.#idEnd, this.#bodyStart)
  }

  get internalId(): Buffer {
    return this.#bytes.subarray(8, 24)
  }

  get body(): Buffer {
    this.#body ??= this.#bytes.subarray(this.#bodyStart)
    return this.#body
  }
}
