import { randomBytes } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import { encodeHead } from '../event/encode.ts'
import type { GridEvent, InputSchema } from '../event/event.ts'
import { schemas } from '../event/schemas/index.ts'
import { type Decode, type DecoderOptions, defaultDecodeLimits } from '../event/schemas/schema.ts'
import type { Appendable, Queue } from '../store/store.ts'

/** The topic that test events belong to. */
export const testTopicId =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders'

/** The decoder of a custom topic that maps no fields; whatever matters to the test is given. */
export const decoderOf = (schema: InputSchema, given: Partial<DecoderOptions> = {}): Decode =>
  schemas[schema].createDecoder({
    topicId: testTopicId,
    domain: false,
    mapping: undefined,
    now: () => Date.UTC(2026, 0, 2, 3, 4, 5),
    limits: defaultDecodeLimits,
    ...given,
  })

/** An event as it is once accepted; `more` goes into the envelope. */
export function testEvent(
  id: string,
  schema: InputSchema = 'EventGridSchema',
  more: Readonly<Record<string, unknown>> = {},
): GridEvent {
  const type = 'Order.Placed'
  const time = '2026-01-02T03:04:05.0000000Z'
  const data = { key1: 'value1', count: 7, nested: { deep: true } }
  const subject = `/orders/${id}`
  const envelope =
    schema === 'CloudEventSchemaV1_0'
      ? { specversion: '1.0', id, source: '/shop', type, subject, time, data, ...more }
      : {
          ...{ id, topic: testTopicId, subject, eventType: type, eventTime: time, data },
          ...{ dataVersion: '1.0', metadataVersion: '1', ...more },
        }
  const source = Buffer.from(JSON.stringify(envelope))
  const dataVersion = schema === 'CloudEventSchemaV1_0' ? '' : ((more.dataVersion ?? '1.0') as string)
  return {
    ...{ schema, topicId: undefined, id, type, subject, dataVersion, envelope, source },
    ...{ start: 0, end: source.length, tail: Buffer.alloc(0) },
  }
}

/** The event on its way to those queues. */
export function appendable(event: GridEvent, publishedAt: EpochMs, queues: readonly Queue[]): Appendable {
  const { source, start, end, tail } = event
  return { head: encodeHead(event, publishedAt, randomBytes(16)), source, start, end, tail, queues }
}
