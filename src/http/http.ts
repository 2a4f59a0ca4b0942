import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https'
import { type AddressInfo, type Socket, Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { RequestError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { peerCertificates } from '../base/peer-certificates.ts'

/*
 * The HTTP floor: opens listeners, hands each request to the doors in turn, and writes what a door answers.
 * In come sockets; out go plain request objects; a response is a plain object too. It promises that a body is
 * never read past the limit its door set, and that every request is answered once.
 */

export interface HttpRequest {
  /** Upper case, as sent. */
  readonly method: string
  /** Path and query, as sent. */
  readonly url: string
  /** The part of `url` before `?`, still percent-encoded. */
  readonly path: string
  /** The part of `url` after `?`, decoded; made when first asked for. */
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** Every header as it came, name and value by turns, for those who must see repetitions or bytes. */
  readonly rawHeaders: readonly string[]
  readonly remoteAddress: string
  /**
   * Scheme, host and port by which the client reached us, such as `https://127.0.0.1:4843`; no trailing slash. The
   * public URL where that has this host: a proxy may have ended TLS, and have a path of its own.
   */
  readonly base: string
  /** The negotiated TLS version, such as `TLSv1.3`; undefined on a plain connection. */
  readonly tlsVersion: string | undefined
  /** DER: what the client has shown, its own first; empty where it has shown none. */
  readonly certificates: readonly Uint8Array[]
  /**
   * Reads the whole body. Rejects with a `RequestError` 413 as soon as more than `limitBytes` is announced or
   * has come. May be called once.
   */
  body(limitBytes: number): Promise<Buffer>
  /** Calls `listener` should the client go away before it has its answer whole. */
  onGone(listener: () => void): void
}

export interface HttpResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** In place of `body`, where it comes bit by bit. */
  readonly stream?: BodyStream
}

/**
 * Produces a body piece by piece; asked for the next piece only when the client has taken those before. It ends
 * soon after `signal` aborts, which it does when the client has gone and when the listener closes.
 */
export type BodyStream = (signal: AbortSignal) => AsyncIterable<string | Buffer>

/** Answers the requests that are its own; undefined leaves the request to the next door. */
export type Door = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse | undefined

export interface HttpLimits {
  /** Open connections of one listener; one more is closed at once. */
  readonly connections: number
  readonly headerBytes: number
  /** From the first byte of a request to its last. */
  readonly requestMs: number
  /** Of a connection without a request; of a streamed body, how long the client may take nothing of it. */
  readonly idleMs: number
}

export const defaultHttpLimits: HttpLimits = {
  connections: 20_000,
  headerBytes: 64 * 1024,
  requestMs: 60_000,
  idleMs: 65_000,
}

export interface HttpListener {
  /** `http://host:port` or `https://host:port` of the listener itself. */
  readonly url: string
  readonly port: number
  /** New certificate and key for connections from now on; only on a TLS listener. */
  renew(tls: TlsServerOptions): void
  /** Stops accepting, ends streamed bodies, lets requests under way end within `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>
}

export interface ListenOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly doors: readonly Door[]
  readonly log: Log
  /** Present on a TLS listener. */
  readonly tls?: TlsServerOptions
  readonly limits?: HttpLimits
  /** By which clients reach us through whatever is between; without a trailing slash. */
  readonly publicUrl?: string | undefined
  /** Takes requests to speak WebSocket from here on. */
  readonly upgrade?: Upgrade | undefined
}

/** Takes the socket of a request that wants to go on in WebSocket; false where it is not its own. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean

/** How long a stop leaves connections on which nothing is asked open, for requests that are on their way. */
const lastCallMs = 100

/** How often, at most, connections are looked over for requests that take too long. */
const watchMs = 5_000

/** Opens a listener; rejects when the port cannot be had. */
export async function listen(options: ListenOptions): Promise<HttpListener> {
  const { host, port, doors, log, tls, limits = defaultHttpLimits, publicUrl, upgrade } = options
  const serverOptions = {
    maxHeaderSize: limits.headerBytes,
    noDelay: true,
    keepAlive: true,
    connectionsCheckingInterval: Math.min(watchMs, limits.requestMs),
    // Any other upgrade that is offered is declined by answering the request as it is.
    shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
      upgrade !== undefined && headers.upgrade?.toLowerCase() === 'websocket',
  }
  const state: ListenerState = { stopping: false, log, idleMs: limits.idleMs, streams: new Set() }
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) =>
    serve(doors, log, state, new Incoming(incoming, outgoing, publicUrl), outgoing)
  const server = tls
    ? createTlsServer({ ...serverOptions, minVersion: 'TLSv1.2', ...tls }, onRequest)
    : createServer(serverOptions, onRequest)
  server.requestTimeout = limits.requestMs
  server.headersTimeout = limits.requestMs
  server.keepAliveTimeout = limits.idleMs
  server.maxConnections = limits.connections
  server.on('clientError', refuseMalformed)
  if (upgrade)
    server.on('upgrade', (request, socket, head) => {
      if (upgrade(request, socket, head)) return
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // A backlog longer than the default lets a thousand clients connect at the same moment.
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    renew(next) {
      if (tls)
        (server as unknown as { setSecureContext(next: TlsServerOptions): void }).setSecureContext(next)
    },
    close(graceMs) {
      state.stopping = true
      for (const stream of state.streams) stream.abort()
      return new Promise((resolve) => {
        const lastCall = setTimeout(() => server.closeIdleConnections(), Math.min(lastCallMs, graceMs))
        const cut = setTimeout(() => server.closeAllConnections(), graceMs)
        // The HTTP server's own would at once close connections on which the next request is already on its way.
        TcpServer.prototype.close.call(server, () => {
          clearTimeout(lastCall)
          clearTimeout(cut)
          // Nothing is open any more; this ends its watch over connections.
          server.close()
          resolve()
        })
      })
    },
  }
}

interface ListenerState {
  stopping: boolean
  readonly log: Log
  readonly idleMs: number
  /** Bodies that are being streamed. */
  readonly streams: Set<AbortController>
}

function serve(
  doors: readonly Door[],
  log: Log,
  state: ListenerState,
  request: Incoming,
  outgoing: ServerResponse,
): void {
  try {
    for (const door of doors) {
      const answer = door(request)
      if (answer === undefined) continue
      if (answer instanceof Promise)
        answer.then(
          (response) => write(state, outgoing, response),
          (error: unknown) => write(state, outgoing, failure(log, request, error)),
        )
      else write(state, outgoing, answer)
      return
    }
    write(
      state,
      outgoing,
      errorResponse(new RequestError(404, 'NotFound', `There is nothing at ${request.path}.`)),
    )
  } catch (error) {
    write(state, outgoing, failure(log, request, error))
  }
}

function write(
  state: ListenerState,
  outgoing: ServerResponse,
  { status, headers, body, stream }: HttpResponse,
): void {
  if (outgoing.headersSent || outgoing.destroyed) return
  // Asked now and not when the request came: a connection that is kept alive would hold up the stop.
  if (state.stopping) outgoing.setHeader('Connection', 'close')
  if (stream !== undefined && outgoing.req.method !== 'HEAD') {
    outgoing.writeHead(status, headers)
    outgoing.flushHeaders()
    void writeStream(state, outgoing, stream)
    return
  }
  const length = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const bodiless = status === 204 || status === 304
  outgoing.writeHead(status, bodiless ? headers : { ...headers, 'Content-Length': length })
  if (bodiless || length === 0 || outgoing.req.method === 'HEAD') outgoing.end()
  else outgoing.end(body)
}

async function writeStream(
  state: ListenerState,
  outgoing: ServerResponse,
  stream: BodyStream,
): Promise<void> {
  const ending = new AbortController()
  if (state.stopping) ending.abort()
  state.streams.add(ending)
  outgoing.once('close', () => ending.abort())
  try {
    for await (const piece of stream(ending.signal)) {
      if (outgoing.destroyed) break
      if (!outgoing.write(piece)) await drained(outgoing, state.idleMs)
    }
    // The next request would come on a connection that is to be closed.
    if (state.stopping) outgoing.once('finish', () => outgoing.socket?.end())
    outgoing.end()
  } catch (error) {
    // The head has been sent: that the body was cut is all that the client can be told.
    state.log.error({ err: error, path: outgoing.req.url }, 'a streamed answer failed')
    outgoing.destroy()
  } finally {
    state.streams.delete(ending)
  }
}

/** Resolves when the client has taken what was written or has gone; one that takes nothing for too long is cut. */
function drained(outgoing: ServerResponse, idleMs: number): Promise<void> {
  return new Promise((resolve) => {
    const idle = setTimeout(() => outgoing.destroy(), idleMs)
    const done = () => {
      clearTimeout(idle)
      outgoing.off('drain', done).off('close', done)
      resolve()
    }
    outgoing.on('drain', done).on('close', done)
  })
}

/** A door that rejects with anything but a `RequestError` has a bug: it is logged, and the caller gets a 500. */
function failure(log: Log, request: Incoming, error: unknown): HttpResponse {
  if (error instanceof RequestError) return errorResponse(error)
  log.error({ err: error, method: request.method, path: request.path }, 'request failed')
  return errorResponse(
    new RequestError(500, 'InternalServerError', 'The server failed to answer this request.'),
  )
}

/** `{"error":{code,message,target?,details?}}`, the shape that ARM and the publish API share. */
export function errorResponse(error: RequestError): HttpResponse {
  const { code, message, detailCode, target } = error
  const details = detailCode === undefined ? undefined : [{ code: detailCode, message }]
  return {
    status: error.status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...error.headers },
    body: JSON.stringify({ error: { code, message, target, details } }),
  }
}

export function jsonResponse(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  }
}

/** How much of a refused body is still read, so that the client sees the answer instead of a reset. */
const drainBytes = 64 * 1024 * 1024

class Incoming implements HttpRequest {
  readonly method: string
  readonly url: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly #message: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #publicUrl: string | undefined
  #query: URLSearchParams | undefined

  constructor(message: IncomingMessage, outgoing: ServerResponse, publicUrl: string | undefined) {
    this.#message = message
    this.#outgoing = outgoing
    this.#publicUrl = publicUrl
    this.method = message.method as string
    const url = message.url as string
    this.url = url
    const end = url.indexOf('?')
    this.path = end < 0 ? url : url.slice(0, end)
    this.headers = message.headers
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.url.slice(this.path.length + 1))
    return this.#query
  }

  get rawHeaders(): readonly string[] {
    return this.#message.rawHeaders
  }

  get remoteAddress(): string {
    return this.#message.socket.remoteAddress ?? ''
  }

  get base(): string {
    const socket = this.#message.socket as TLSSocket
    const host = this.headers.host ?? `${socket.localAddress}:${socket.localPort}`
    const publicUrl = this.#publicUrl
    if (publicUrl !== undefined && URL.parse(publicUrl)?.host === host.toLowerCase()) return publicUrl
    return `${socket.encrypted ? 'https' : 'http'}://${host}`
  }

  get tlsVersion(): string | undefined {
    const socket = this.#message.socket as TLSSocket
    return socket.encrypted ? (socket.getProtocol() ?? undefined) : undefined
  }

  get certificates(): readonly Uint8Array[] {
    const socket = this.#message.socket as TLSSocket
    return socket.encrypted ? peerCertificates(socket) : []
  }

  body(limitBytes: number): Promise<Buffer> {
    const message = this.#message
    return new Promise((resolve, reject) => {
      const announced = Number(this.headers['content-length'] ?? 0)
      if (announced > limitBytes) {
        this.#refuse(announced)
        reject(bodyTooLarge(limitBytes))
        return
      }
      // A body of known length that comes in pieces is put together as they come, in one buffer.
      let whole: Buffer | undefined
      let chunks: Buffer[] | undefined
      let bytes = 0
      message.on('data', (chunk: Buffer) => {
        const at = bytes
        bytes += chunk.length
        if (bytes > limitBytes) {
          message.removeAllListeners('data')
          this.#refuse(bytes)
          reject(bodyTooLarge(limitBytes))
        } else if (announced === 0) (chunks ??= []).push(chunk)
        else if (chunk.length === announced) whole = chunk
        else {
          whole ??= Buffer.allocUnsafeSlow(announced)
          chunk.copy(whole, at)
        }
      })
      message.once('end', () => resolve(whole ?? (chunks ? Buffer.concat(chunks, bytes) : noBytes)))
      message.once('error', (error) =>
        reject(new RequestError(400, 'BadRequest', 'The request body broke off.', { cause: error })),
      )
    })
  }

  onGone(listener: () => void): void {
    const outgoing = this.#outgoing
    if (outgoing.destroyed) listener()
    else
      outgoing.once('close', () => {
        if (!outgoing.writableFinished) listener()
      })
  }

  #refuse(seenBytes: number): void {
    const message = this.#message
    this.#outgoing.setHeader('Connection', 'close')
    let bytes = seenBytes
    message.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > drainBytes) message.destroy()
    })
    message.resume()
  }
}

const noBytes = Buffer.alloc(0)

const bodyTooLarge = (limitBytes: number) =>
  new RequestError(
    413,
    'RequestEntityTooLarge',
    `The request body is larger than the maximum of ${limitBytes} bytes.`,
    { detailCode: 'PayloadTooLarge' },
  )

const malformed: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = (error.code && malformed[error.code]) ?? '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
