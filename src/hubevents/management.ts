import type { IncomingMessage, MessageId } from '../amqp/message.ts'
import type { EpochMs } from '../base/clock.ts'
import type { AmqpWriter } from './amqp-writer.ts'
import type { HubEvents } from './hub-events.ts'

/** What the built-in endpoint says of itself. */
export interface ManagementFacts {
  /** As an event hub it has the name of its hub. */
  readonly name: () => string
  readonly createdAt: EpochMs
}

/** Where no message ever came, as the service tells it. */
const noTime = Date.parse('0001-01-01T00:00:00Z')
const sections = { properties: 0x73, applicationProperties: 0x74, value: 0x77 } as const

interface Answer {
  readonly status: number
  readonly description: string
  /** Of a refusal. */
  readonly condition?: string
  /** Writes the members of the value; how many keys and values there are. */
  readonly write?: (writer: AmqpWriter) => number
}

/**
 * The encoded answer to a request to `$management`. Its types are those that clients cast to.
 *
 * Source: learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide; the official clients
 */
export function answerManagement(
  writer: AmqpWriter,
  { messageId, applicationProperties }: IncomingMessage,
  events: HubEvents,
  facts: ManagementFacts,
): Buffer {
  const { status, description, condition, write } = decide(applicationProperties, events, facts)
  writer.section(sections.properties)
  const properties = writer.beginList()
  for (let n = 0; n < 5; n++) writer.null()
  writeId(writer, messageId)
  writer.end(properties, 6)
  writer.section(sections.applicationProperties)
  const said = writer.beginMap()
  writer.string('status-code')
  writer.int(status)
  writer.string('status-description')
  writer.string(description)
  if (condition !== undefined) {
    writer.string('error-condition')
    writer.symbol(condition)
  }
  writer.end(said, condition === undefined ? 4 : 6)
  writer.section(sections.value)
  if (write) {
    const map = writer.beginMap()
    writer.end(map, write(writer))
  } else writer.null()
  return writer.take()
}

function writeId(writer: AmqpWriter, id: MessageId | undefined): void {
  if (id === undefined) writer.null()
  else if (typeof id === 'string') writer.string(id)
  else if (typeof id === 'number') writer.ulong(id)
  else if (id.length === 16) writer.uuid(id)
  else writer.binary(id)
}

function decide(said: ReadonlyMap<string, unknown>, events: HubEvents, facts: ManagementFacts): Answer {
  const refused = (status: number, condition: string, description: string): Answer => ({
    ...{ status, condition, description },
  })
  const text = (key: string) => {
    const value = said.get(key)
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  const own = facts.name()
  const [operation, type, name, id] = ['operation', 'type', 'name', 'partition'].map(text)
  if (operation !== 'READ')
    return refused(400, 'amqp:not-implemented', `The operation is READ: '${operation}' came.`)
  if (name?.toLowerCase() !== own.toLowerCase())
    return refused(404, 'amqp:not-found', `There is no event hub '${name}': it is '${own}'.`)
  const found = { status: 200, description: 'OK' }
  if (type === 'com.microsoft:eventhub')
    return { ...found, write: (writer) => writeHub(writer, events, facts) }
  if (type !== 'com.microsoft:partition')
    return refused(400, 'amqp:not-implemented', `There is nothing of the type '${type}'.`)
  if (id === undefined || !/^\d{1,3}$/.test(id) || Number(id) >= events.partitions)
    return refused(
      400,
      'com.microsoft:argument-out-of-range',
      `There is no partition '${id}': they are 0 to ${events.partitions - 1}.`,
    )
  return { ...found, write: (writer) => writePartition(writer, events, own, Number(id)) }
}

function writeHub(
  writer: AmqpWriter,
  { partitions }: HubEvents,
  { name, createdAt }: ManagementFacts,
): number {
  writer.string('name')
  writer.string(name())
  writer.string('type')
  writer.string('com.microsoft:eventhub')
  writer.string('created_at')
  writer.timestamp(createdAt)
  writer.string('partition_count')
  writer.int(partitions)
  writer.string('partition_ids')
  writer.strings(Array.from({ length: partitions }, (_, n) => String(n)))
  writer.string('georeplication_factor')
  writer.int(1)
  return 12
}

function writePartition(writer: AmqpWriter, events: HubEvents, name: string, partition: number): number {
  const { firstSequence, nextSequence, last } = events.facts(partition)
  writer.string('name')
  writer.string(name)
  writer.string('type')
  writer.string('com.microsoft:partition')
  writer.string('partition')
  writer.string(String(partition))
  writer.string('begin_sequence_number')
  writer.long(firstSequence)
  writer.string('last_enqueued_sequence_number')
  writer.long(nextSequence - 1)
  writer.string('last_enqueued_offset')
  writer.string(String(last?.offset ?? -1))
  writer.string('last_enqueued_time_utc')
  writer.timestamp(last?.at ?? noTime)
  writer.string('is_partition_empty')
  writer.boolean(firstSequence === nextSequence)
  return 16
}
