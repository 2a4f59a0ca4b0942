import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Certificate } from './certificate.ts'

/** One request as it came. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Names and values by turns, as sent. */
  readonly rawHeaders: readonly string[]
  readonly raw: Buffer
  /** `raw` as JSON; undefined where it is none. */
  readonly body: unknown
}

export interface RecordingWebhook {
  readonly url: string
  readonly port: number
  /** Deliveries, in the order in which they came; handshakes are apart. */
  readonly received: Received[]
  readonly handshakes: Received[]
  readonly deletions: Received[]
  /** Connections that were ever made. */
  readonly connections: number
  /** Resolves when that many deliveries have come; at once if they have. */
  until(count: number): Promise<void>
  /** Resolves when `condition` is true; it is asked after every request. */
  when(condition: () => boolean): Promise<void>
}

/** Answers one request; leaving it unanswered is an answer too. */
export type WebhookHandler = (request: Received, response: ServerResponse) => void

export interface RecordingWebhookOptions {
  /** Serve HTTPS with it. */
  readonly certificate?: Certificate
  /** Answers validation events and OPTIONS; by default both are granted. */
  readonly handshake?: WebhookHandler
  /** A port that was used before, to come back on. */
  readonly port?: number
}

/**
 * A real server that records what it is sent. `answers` are the statuses of the deliveries in turn, the last one
 * for all that follow; or a handler.
 */
export async function startRecordingWebhook(
  t: TestContext,
  answers: readonly number[] | WebhookHandler = [200],
  { certificate, handshake = grant, port = 0 }: RecordingWebhookOptions = {},
): Promise<RecordingWebhook> {
  const received: Received[] = []
  const handshakes: Received[] = []
  const deletions: Received[] = []
  const waiting = new Set<{ condition: () => boolean; resolve: () => void }>()
  const sockets = new Set<Socket>()
  let connections = 0
  const deliver: WebhookHandler =
    typeof answers === 'function'
      ? answers
      : (_request, response) => {
          response.statusCode = answers[Math.min(received.length, answers.length) - 1] as number
          response.end()
        }
  const answer = (request: Received, response: ServerResponse) => {
    const type = request.headers['aeg-event-type']
    const [list, handler] =
      request.method === 'OPTIONS' || type === 'SubscriptionValidation'
        ? [handshakes, handshake]
        : type === 'SubscriptionDeletion'
          ? [deletions, accept]
          : [received, deliver]
    list.push(request)
    handler(request, response)
    for (const wait of waiting)
      if (wait.condition()) {
        waiting.delete(wait)
        wait.resolve()
      }
  }
  const onRequest = (message: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = message
      const raw = Buffer.concat(chunks)
      answer({ method, url, headers, rawHeaders, raw, body: asJson(raw) }, response)
    })
  }
  const server = certificate
    ? createTlsServer({ key: certificate.key, cert: certificate.cert }, onRequest)
    : createServer(onRequest)
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve)
  })
  t.after(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  )
  const bound = (server.address() as AddressInfo).port
  const when = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      if (condition()) resolve()
      else waiting.add({ condition, resolve })
    })
  return {
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${bound}/hook`,
    port: bound,
    received,
    handshakes,
    deletions,
    get connections() {
      return connections
    },
    when,
    until: (count) => when(() => received.length >= count),
  }
}

/** Says yes to both handshakes. */
export const grant: WebhookHandler = ({ method, headers, body }, response) => {
  if (method === 'OPTIONS') {
    response.setHeader('WebHook-Allowed-Origin', headers['webhook-request-origin'] ?? '')
    response.setHeader('WebHook-Allowed-Rate', '*')
    response.end()
    return
  }
  const [event] = body as [{ data: { validationCode: string } }]
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ validationResponse: event.data.validationCode }))
}

const accept: WebhookHandler = (_request, response) => {
  response.end()
}

function asJson(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'))
  } catch {
    // What is no JSON is still recorded, in `raw`.
    return undefined
  }
}
