import type { Socket } from 'node:net'
import { openSocket } from './line-socket.ts'
import { natsSubject } from './nats.ts'

/*
 * A pull consumer of JetStream: as much of the NATS client protocol as receiving and acknowledging needs.
 *
 * Source: docs.nats.io/reference/reference-protocols/nats-protocol; nats_api_reference, "CONSUMER.MSG.NEXT"
 */

const lineEnd = '\r\n'
const consumer = 'PULL'
const expiresNs = 5_000_000_000

/** Events are acknowledged when the server has been told so: it answers nothing. */
export class NatsPuller {
  readonly #socket: Socket
  readonly #request: string
  readonly #batch: number
  #missing = 0
  #acks = ''
  acknowledged = 0

  private constructor(socket: Socket, inbox: string, batch: number) {
    this.#socket = socket
    this.#batch = batch
    const body = JSON.stringify({ batch, expires: expiresNs })
    this.#request = `PUB $JS.API.CONSUMER.MSG.NEXT.BENCH.${consumer} ${inbox} ${body.length}${lineEnd}${body}${lineEnd}`
  }

  static async start(port: number, batch: number): Promise<NatsPuller> {
    const inbox = `_INBOX.${process.pid}.${Math.random().toString(36).slice(2)}`
    const held: { puller?: NatsPuller } = {}
    const socket = await openSocket(port, (bytes) => held.puller?.read(bytes) ?? 0)
    held.puller = new NatsPuller(socket, inbox, batch)
    socket.write(
      `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}${lineEnd}SUB ${inbox} 1${lineEnd}`,
    )
    held.puller.#pull()
    return held.puller
  }

  close(): void {
    this.#socket.destroy()
  }

  #pull(): void {
    this.#missing = this.#batch
    this.#socket.write(this.#acks + this.#request)
    this.#acks = ''
  }

  read(bytes: Buffer): number {
    let at = 0
    for (;;) {
      const lineStop = bytes.indexOf(lineEnd, at)
      if (lineStop < 0) break
      const line = bytes.toString('latin1', at, lineStop)
      const bodyAt = lineStop + lineEnd.length
      const isStatus = line.startsWith('HMSG ')
      if (isStatus || line.startsWith('MSG ')) {
        const end = bodyAt + Number(line.slice(line.lastIndexOf(' ') + 1)) + lineEnd.length
        if (end > bytes.length) break
        at = end
        // A status says that the request has expired.
        if (isStatus) this.#missing = 0
        else {
          const [, , , reply] = line.split(' ')
          this.#acks += `PUB ${reply} 4${lineEnd}+ACK${lineEnd}`
          this.acknowledged++
          this.#missing--
        }
        if (this.#missing <= 0) this.#pull()
        continue
      }
      if (line === 'PING') this.#socket.write(`PONG${lineEnd}`)
      if (line.startsWith('-ERR')) throw new Error(`nats-server said ${line}`)
      at = bodyAt
    }
    return at
  }
}

export const natsConsumer = {
  subject: `$JS.API.CONSUMER.DURABLE.CREATE.BENCH.${consumer}`,
  config: {
    stream_name: 'BENCH',
    config: {
      durable_name: consumer,
      ack_policy: 'explicit',
      deliver_policy: 'new',
      filter_subject: natsSubject,
      max_ack_pending: 100_000,
    },
  },
}
