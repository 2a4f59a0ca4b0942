import type { EventContext, Message } from 'rhea'
import { loadRhea } from '../amqp/rhea.ts'
import type { RabbitMq } from './rabbitmq.ts'

/** A message as a receiver has it, its one data section as text. */
export interface ReadMessage extends Message {
  readonly text: string
}

/** Takes that many messages off a queue, in their order. Resolves when all have come. */
export async function readMessages(
  { port, password }: RabbitMq,
  queue: string,
  count: number,
): Promise<readonly ReadMessage[]> {
  const rhea = await loadRhea()
  const connection = rhea.create_container().connect({
    ...{ host: '127.0.0.1', port, reconnect: false },
    ...{ username: 'busbar', password },
  })
  const messages: ReadMessage[] = []
  await new Promise<void>((resolve, reject) => {
    const receiver = connection.open_receiver({ source: { address: queue, durable: 2 }, credit_window: 0 })
    receiver.once('receiver_open', () => receiver.add_credit(count))
    receiver.on('message', ({ message }: EventContext) => {
      messages.push(asRead(message as Message))
      if (messages.length === count) resolve()
    })
    connection.once('disconnected', ({ error }: EventContext) => reject(error ?? new Error('disconnected')))
  })
  const closed = new Promise((resolve) => {
    connection.once('connection_close', resolve)
  })
  connection.close()
  await closed
  return messages
}

export const asRead = (message: Message): ReadMessage => ({
  ...message,
  text: (message.body as { readonly content: Buffer }).content.toString('utf8'),
})
