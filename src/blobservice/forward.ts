import {
  Agent,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http'
import { request as requestOverTls, Agent as TlsAgent } from 'node:https'
import { pipeline } from 'node:stream'

/*
 * Passes a request on to the service as it came, and its answer back. Bodies go through piece by piece; signatures
 * stay good, for neither the path nor any header that they cover is touched.
 */

export interface Service {
  /** Its blob endpoint, such as `http://127.0.0.1:10000/devstoreaccount1`. */
  readonly endpoint: URL
  readonly agent: Agent
}

export function createService(endpoint: string): Service {
  const url = new URL(endpoint)
  const options = { keepAlive: true, maxFreeSockets: 64 }
  return { endpoint: url, agent: url.protocol === 'https:' ? new TlsAgent(options) : new Agent(options) }
}

/** About one connection alone, whichever way. Source: RFC 9110, 7.6.1 */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade'])

/**
 * Sends the request; resolves when the service begins to answer. Rejects when it does not, in which case nothing is
 * known of what it did.
 *
 * @param body what was read of the request already; undefined: it is passed on as it comes
 * @param count called with the bytes of each piece
 */
export function forward(
  { endpoint, agent }: Service,
  incoming: IncomingMessage,
  body: Buffer | undefined,
  count?: (bytes: number) => void,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = (endpoint.protocol === 'https:' ? requestOverTls : request)({
      agent,
      host: endpoint.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: endpoint.port,
      method: incoming.method as string,
      path: incoming.url as string,
      headers: headersFor(endpoint, incoming.rawHeaders) as unknown as OutgoingHttpHeaders,
      setHost: false,
    })
    outgoing.once('response', resolve)
    outgoing.once('error', reject)
    if (body) {
      outgoing.end(body)
      return
    }
    if (count) incoming.on('data', (chunk: Buffer) => count(chunk.length))
    // A client that goes away in the middle of its body ends the request; one that goes away later does not.
    pipeline(incoming, outgoing, (error) => {
      if (error) reject(error)
    })
  })
}

/** By turns name and value. The service is called by its own name: it finds the account by it. */
function headersFor(endpoint: URL, raw: readonly string[]): string[] {
  const headers = ['Host', endpoint.host]
  for (let n = 0; n < raw.length; n += 2) {
    const name = (raw[n] as string).toLowerCase()
    if (name !== 'host' && name !== 'expect' && !hopByHop.has(name))
      headers.push(raw[n] as string, raw[n + 1] as string)
  }
  return headers
}

/** Passes the service's answer on; resolves when it is out or the client is gone. */
export function answer(outgoing: ServerResponse, incoming: IncomingMessage, body?: Buffer): Promise<void> {
  const headers: string[] = []
  const raw = incoming.rawHeaders
  for (let n = 0; n < raw.length; n += 2) {
    const name = (raw[n] as string).toLowerCase()
    if (name !== 'transfer-encoding' && !hopByHop.has(name))
      headers.push(raw[n] as string, raw[n + 1] as string)
  }
  outgoing.writeHead(incoming.statusCode as number, incoming.statusMessage as string, headers)
  if (body) {
    outgoing.end(body)
    return Promise.resolve()
  }
  return new Promise((resolve) => {
    pipeline(incoming, outgoing, () => resolve())
  })
}

/** A body that must be seen whole; rejects when it is larger than that. */
export async function readAll(incoming: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > limitBytes) throw new BodyTooLarge(limitBytes)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

export class BodyTooLarge extends Error {
  constructor(limitBytes: number) {
    super(`The body is larger than ${limitBytes} bytes.`)
    this.name = 'BodyTooLarge'
  }
}
