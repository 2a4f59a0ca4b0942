import { AmqpRefusal } from '../amqp/errors.ts'

/*
 * Who reads a partition in a consumer group over AMQP: up to five side by side, or one that owns it. An owner makes way for
 * whoever has the same level or a higher one, and nobody stays beside it.
 *
 * Source: learn.microsoft.com/azure/event-hubs/event-hubs-event-processor-host, "Epoch"
 */

export interface PartitionReader {
  /** Undefined: it does not mean to own the partition. */
  readonly ownerLevel: number | undefined
  readonly name: string
  /** Another one takes its place. */
  end(error: AmqpRefusal): void
}

export const readersMost = 5

export class PartitionReaders {
  /** By consumer group, in lower case, and partition. */
  readonly #readers = new Map<string, Set<PartitionReader>>()

  /** Throws where it may not read beside, or in the place of, those that do. Answers with what ends it. */
  add(group: string, partition: number, reader: PartitionReader): () => void {
    const key = `${group.toLowerCase()}/${partition}`
    const others = this.#readers.get(key) ?? new Set()
    const { ownerLevel: level } = reader
    const place = `partition ${partition} in consumer group '${group}'`
    const owner = others.values().find(({ ownerLevel }) => ownerLevel !== undefined)
    if (owner?.ownerLevel !== undefined && (level === undefined || level < owner.ownerLevel))
      throw new AmqpRefusal(
        'amqp:link:stolen',
        `The receiver '${owner.name}' owns ${place}, and its level is ${owner.ownerLevel}.`,
      )
    if (level === undefined && others.size >= readersMost)
      throw new AmqpRefusal('amqp:resource-limit-exceeded', `At most ${readersMost} receivers read ${place}.`)
    this.#readers.set(key, others)
    const replaced = level === undefined ? [] : [...others]
    others.add(reader)
    for (const other of replaced) {
      others.delete(other)
      other.end(
        new AmqpRefusal(
          'amqp:link:stolen',
          `The receiver '${reader.name}' owns ${place} now, with level ${level}.`,
        ),
      )
    }
    return () => {
      others.delete(reader)
      if (others.size === 0 && this.#readers.get(key) === others) this.#readers.delete(key)
    }
  }
}
