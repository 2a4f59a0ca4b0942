import type { AddressInfo, Socket } from 'node:net'
import type { AmqpError, Connection, EventContext, Message, Receiver } from 'rhea'
import { loadRhea } from '../amqp/rhea.ts'
import type { Certificate } from './certificate.ts'
import type { Ending } from './close-after.ts'
import { asRead, type ReadMessage } from './read-messages.ts'

/** What a broker makes of a message. `nothing` leaves it without an answer; `drop` breaks the connection. */
export type BrokerAnswer =
  | 'accept'
  | 'release'
  | 'modify'
  | 'undeliverable'
  | 'reject'
  | 'nothing'
  | 'drop'
  | { readonly reject: AmqpError }
  | { readonly detach: AmqpError }
  | { readonly end: AmqpError }
  | { readonly close: AmqpError }

export interface BrokerMessage extends ReadMessage {
  readonly address: string
}

export interface AmqpBroker {
  readonly port: number
  readonly url: string
  readonly messages: BrokerMessage[]
  /** Connections and links that were ever made. */
  readonly connections: number
  readonly links: number
  /** Open now, on both sides. */
  readonly openConnections: number
  readonly openLinks: number
  /** What users said they are. */
  readonly users: (string | undefined)[]
  /** Resolves when `condition` is true; it is asked after everything that happens. */
  when(condition: () => boolean): Promise<void>
  /** Resolves when that many messages have come. */
  until(count: number): Promise<void>
  /** Lets that many more messages come to each link. */
  credit(count: number): void
  /** Reads nothing more from the connections that are open now. */
  freeze(): void
  /** Closes every link, as a broker does with those that are idle. */
  detach(error: AmqpError): void
}

export interface AmqpBrokerOptions {
  /** Of each message in turn, the last one for all that follow; or by the message. */
  readonly answers?: readonly BrokerAnswer[] | ((message: BrokerMessage) => BrokerAnswer)
  /** Why there may be no link to that address. */
  readonly refuse?: (address: string) => AmqpError | undefined
  /** Messages that a link may send before `credit` is called. */
  readonly credit?: number
  /** By user name; without them everybody may come. */
  readonly passwords?: Readonly<Record<string, string>>
  readonly certificate?: Certificate
  readonly maxMessageBytes?: number
  /** Default: a free one. */
  readonly port?: number
}

/**
 * A broker that records what it is sent and answers as it is told: for what another broker cannot be brought to say.
 * It refuses links as Service Bus does: attached without a target, then detached with the reason.
 */
export async function startAmqpBroker(
  t: Ending,
  {
    answers = ['accept'],
    refuse = () => undefined,
    credit = 1000,
    passwords,
    certificate,
    maxMessageBytes,
    port: wantedPort = 0,
  }: AmqpBrokerOptions = {},
): Promise<AmqpBroker> {
  const rhea = await loadRhea()
  const container = rhea.create_container({ autoaccept: false, credit_window: 0 })
  const messages: BrokerMessage[] = []
  const users: (string | undefined)[] = []
  const waiting = new Set<{ condition: () => boolean; resolve: () => void }>()
  const sockets = new Set<Socket>()
  const receivers = new Set<Receiver>()
  let connections = 0
  let links = 0
  const happened = () => {
    for (const wait of waiting)
      if (wait.condition()) {
        waiting.delete(wait)
        wait.resolve()
      }
  }
  if (passwords)
    container.sasl_server_mechanisms.enable_plain((user: string, given: string) => {
      users.push(user)
      return passwords[user] === given
    })
  else container.sasl_server_mechanisms.enable_anonymous()

  container.on('connection_open', ({ connection }: EventContext) => {
    if (!passwords) users.push(undefined)
    connection.on('disconnected', () => {})
  })
  for (const ignored of ['connection_error', 'session_error', 'receiver_error', 'disconnected', 'error'])
    container.on(ignored, happened)
  container.on('receiver_open', ({ receiver }: EventContext) => {
    if (!receiver) return
    links++
    const { address } = receiver.target
    const error = refuse(address)
    if (error) receiver.close(error)
    else {
      receiver.set_target({ address })
      receiver.add_credit(credit)
      receivers.add(receiver)
    }
    happened()
  })
  container.on('receiver_close', ({ receiver }: EventContext) => {
    if (receiver) receivers.delete(receiver)
    happened()
  })
  container.on('message', (context: EventContext) => {
    const { receiver, delivery, connection } = context as Required<EventContext>
    const message = { ...asRead(context.message as Message), address: receiver.target.address }
    messages.push(message)
    const answer =
      typeof answers === 'function'
        ? answers(message)
        : (answers[Math.min(messages.length, answers.length) - 1] as BrokerAnswer)
    if (answer === 'accept') delivery.accept()
    else if (answer === 'release') delivery.release()
    else if (answer === 'modify') delivery.modified({ delivery_failed: true })
    else if (answer === 'undeliverable') delivery.modified({ undeliverable_here: true })
    else if (answer === 'reject') delivery.reject()
    else if (answer === 'drop')
      (connection as Connection & { socket: Socket }).socket.destroy(new Error('dropped'))
    else if (answer !== 'nothing') {
      if ('reject' in answer) delivery.reject(answer.reject)
      else if ('detach' in answer) receiver.close(answer.detach)
      else if ('end' in answer) receiver.session.close(answer.end)
      else connection.close(answer.close)
    }
    if (answer === 'accept') receiver.add_credit(1)
    happened()
  })

  const server = container.listen({
    ...{ port: wantedPort, host: '127.0.0.1', tcp_no_delay: true },
    ...(maxMessageBytes !== undefined && { receiver_options: { max_message_size: maxMessageBytes } }),
    ...(passwords && { require_sasl: true }),
    ...(certificate && { transport: 'tls', cert: certificate.cert, key: certificate.key }),
  } as Parameters<typeof container.listen>[0])
  server.on(certificate ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => {
      sockets.delete(socket)
      happened()
    })
  })
  await new Promise<void>((resolve) => {
    if (server.listening) resolve()
    else server.once('listening', resolve)
  })
  t.after(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy(new Error('The broker was closed.'))
      }),
  )
  const { port } = server.address() as AddressInfo
  const when = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      if (condition()) resolve()
      else waiting.add({ condition, resolve })
    })
  return {
    port,
    url: `${certificate ? 'amqps' : 'amqp'}://127.0.0.1:${port}`,
    messages,
    users,
    get openLinks() {
      return receivers.size
    },
    get connections() {
      return connections
    },
    get links() {
      return links
    },
    get openConnections() {
      return sockets.size
    },
    when,
    until: (count) => when(() => messages.length >= count),
    credit(count) {
      for (const receiver of receivers) receiver.add_credit(count)
    },
    freeze() {
      for (const socket of sockets) socket.pause()
    },
    detach(error) {
      for (const receiver of receivers) receiver.close(error)
    },
  }
}
