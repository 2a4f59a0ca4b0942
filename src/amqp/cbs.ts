import { AmqpRefusal } from './errors.ts'
import type { AmqpGuest } from './guest.ts'
import type { AmqpLink, OutgoingLink } from './links.ts'
import type { IncomingMessage, OutgoingMessage } from './message.ts'

/*
 * `$cbs`: tokens come on one link, and what became of each goes back on the other.
 *
 * Source: OASIS AMQP Claims-based Security 1.0; learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide,
 * "Claims-based authorization"
 */

export const cbsAddress = '$cbs'
/** Tokens are short; Entra's are the longest. */
const tokenBytes = 32 * 1024
/** Requests that may be under way. */
const requests = 16

export class Cbs {
  readonly #guest: Pick<AmqpGuest, 'putToken'>
  /** With the answers that wait for the peer to take them. */
  readonly #answers = new Map<OutgoingLink, OutgoingMessage[]>()

  constructor(guest: Pick<AmqpGuest, 'putToken'>) {
    this.#guest = guest
  }

  attach(link: AmqpLink): void {
    if (link.kind === 'outgoing') {
      this.#answers.set(link, [])
      link.open(() => this.#tell(link))
      link.onClosed = () => this.#answers.delete(link)
      return
    }
    link.open({
      ...{ credit: requests, messageBytes: tokenBytes },
      received: (messages, delivery) => {
        const put = messages[0]
        if (!put) {
          delivery.reject({ condition: 'amqp:decode-error', description: 'A request is a message.' })
          return
        }
        this.#answer(put).then(
          (error) => (error ? delivery.reject(error) : delivery.accept()),
          () =>
            delivery.reject({ condition: 'amqp:internal-error', description: 'It could not be answered.' }),
        )
      },
    })
  }

  /** What is wrong with a request that cannot be answered. */
  async #answer(request: IncomingMessage): Promise<AmqpRefusal | undefined> {
    const { messageId, replyTo, applicationProperties: said } = request
    const link =
      this.#answers.keys().find(({ targetAddress }) => targetAddress === replyTo) ??
      [...this.#answers.keys()].at(-1)
    if (!link) return new AmqpRefusal('amqp:precondition-failed', 'There is no link from $cbs to answer on.')
    const [operation, type, audience] = ['operation', 'type', 'name'].map((name) => said.get(name))
    const token = request.value ?? request.body?.toString()
    let answer = {
      status: 400,
      description: 'A request is put-token, with a type, a name and a token as its body.',
    }
    if (operation === 'put-token' && typeof type === 'string' && typeof audience === 'string') {
      if (typeof token === 'string') answer = await this.#guest.putToken({ type, audience, token })
    } else if (operation === 'delete-token')
      answer = { status: 501, description: 'delete-token is not supported: tokens end when they expire.' }
    const waiting = this.#answers.get(link)
    if (!waiting || waiting.length >= requests)
      return new AmqpRefusal('amqp:resource-limit-exceeded', `At most ${requests} answers wait to be taken.`)
    waiting.push({
      ...(messageId !== undefined && { correlationId: messageId }),
      applicationProperties: { 'status-code': answer.status, 'status-description': answer.description },
      body: { value: null },
    })
    this.#tell(link)
    return undefined
  }

  #tell(link: OutgoingLink): void {
    const waiting = this.#answers.get(link) ?? []
    while (waiting.length > 0 && link.canSend) {
      const answer = waiting.shift()
      if (answer) link.send(answer)
    }
  }
}
