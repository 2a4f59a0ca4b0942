import { type Dispatcher, Pool } from 'undici'
import type { Clock, EpochMs } from '../base/clock.ts'
import { Deadlines, type Expiring } from './deadlines.ts'
import { createConnector, type NetworkRules } from './network.ts'

/** What came of one HTTP request. */
export type Answer =
  | {
      readonly kind: 'response'
      readonly status: number
      readonly headers: Readonly<Record<string, string | string[] | undefined>>
      /** As much of the body as was asked for. */
      readonly text: string
    }
  /** Nothing came back within the response time limit. */
  | { readonly kind: 'timeout' }
  /** The signal was raised. */
  | { readonly kind: 'aborted' }
  /** The connection could not be made, or broke. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface SendRequest {
  readonly method: 'GET' | 'POST' | 'OPTIONS'
  readonly path: string
  /** Names and values by turns. */
  readonly headers: readonly string[]
  readonly body: Buffer | null
}

export interface SenderLimits {
  /** Connections to one origin, shared by the event subscriptions that deliver there. */
  readonly connectionsPerOrigin: number
  /** Policy time from the start of a request to the head of its response. */
  readonly responseMs: number
  /** Real time that an endpoint has at least, however fast policy time runs: it does not run faster itself. */
  readonly leastResponseMs: number
  readonly connectMs: number
  /** Of a response; what exceeds it is not read. */
  readonly responseBytes: number
}

/** Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "30 seconds for a response". */
export const defaultSenderLimits: SenderLimits = {
  connectionsPerOrigin: 256,
  responseMs: 30_000,
  leastResponseMs: 5_000,
  connectMs: 30_000,
  responseBytes: 64 * 1024,
}

/** Requests to one origin. */
export interface Channel {
  /** Never rejects. `keepBytes` of the body are given back: of every answer, or of failures only. */
  send(request: SendRequest, keep: Keep, signal: AbortSignal): Promise<Answer>
  /** Says that this user is done; when all are, the connections are closed once they are idle. */
  close(): Promise<void>
}

export interface Keep {
  readonly bytes: number
  readonly onlyFailures: boolean
}

/** HTTP/1.1 over one pool of connections per origin; no redirects, no decompression, no cookies. */
export interface Sender {
  /** @param origin such as `https://host:port` */
  open(origin: string): Channel
  /** Cuts whatever is under way. */
  close(): Promise<void>
}

interface Shared {
  readonly pool: Pool
  users: number
}

export function createSender(
  clock: Clock,
  rules: NetworkRules,
  limits: SenderLimits = defaultSenderLimits,
): Sender {
  const pools = new Map<string, Shared>()
  const deadlines = new Deadlines(clock, limits.responseMs, limits.leastResponseMs)
  const connect = createConnector(rules, limits.connectMs)
  return {
    open(origin) {
      let shared = pools.get(origin)
      if (!shared) {
        // The deadlines above are the only time limits: undici's own would not follow the clock.
        const pool = new Pool(origin, {
          connections: limits.connectionsPerOrigin,
          pipelining: 1,
          headersTimeout: 0,
          bodyTimeout: 0,
          connect,
        })
        pools.set(origin, (shared = { pool, users: 0 }))
      }
      shared.users++
      return createChannel(origin, shared, deadlines, limits.responseBytes, () => pools.delete(origin))
    },
    async close() {
      const open = [...pools.values()]
      pools.clear()
      await Promise.all(open.map(({ pool }) => pool.destroy()))
    },
  }
}

function createChannel(
  origin: string,
  shared: Shared,
  deadlines: Deadlines,
  responseBytes: number,
  forget: () => void,
): Channel {
  const underWay = new Set<Exchange>()
  let watched: AbortSignal | undefined
  let closed = false
  /** One listener for a signal that many requests share, as adding one to each would cost more than it is worth. */
  const watch = (signal: AbortSignal) => {
    watched = signal
    signal.addEventListener(
      'abort',
      () => {
        for (const exchange of underWay) if (exchange.signal === signal) exchange.abort()
      },
      { once: true },
    )
  }
  return {
    send({ method, path, headers, body }, keep, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) {
          resolve(abortedAnswer)
          return
        }
        if (signal !== watched) watch(signal)
        const exchange = new Exchange(keep, responseBytes, signal, (answer) => {
          underWay.delete(exchange)
          deadlines.delete(exchange)
          resolve(answer)
        })
        underWay.add(exchange)
        deadlines.add(exchange)
        shared.pool.dispatch({ origin, method, path, headers: headers as string[], body }, exchange)
      })
    },
    async close() {
      if (closed) return
      closed = true
      if (--shared.users > 0) return
      forget()
      await shared.pool.close()
    },
  }
}

const abortedAnswer: Answer = { kind: 'aborted' }
const timeoutAnswer: Answer = { kind: 'timeout' }
const cut = new Error('The request was cut.')

class Exchange implements Dispatcher.DispatchHandler, Expiring {
  expiresAt: EpochMs = 0
  readonly signal: AbortSignal
  readonly #keep: Keep
  readonly #limitBytes: number
  #end: ((answer: Answer) => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: Readonly<Record<string, string | string[] | undefined>> = {}
  #bytes = 0
  #kept: Buffer[] | undefined

  constructor(keep: Keep, limitBytes: number, signal: AbortSignal, end: (answer: Answer) => void) {
    this.#keep = keep
    this.#limitBytes = limitBytes
    this.signal = signal
    this.#end = end
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Ended while it waited for a connection.
    if (!this.#end) controller.abort(cut)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { bytes, onlyFailures } = this.#keep
    if (this.#bytes < bytes && !(onlyFailures && this.#status < 300))
      (this.#kept ??= []).push(chunk.subarray(0, bytes - this.#bytes))
    this.#bytes += chunk.length
    if (this.#bytes <= this.#limitBytes) return
    this.#finish(this.#response())
    controller.abort(cut)
  }

  onResponseEnd(): void {
    this.#finish(this.#response())
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#status >= 200) {
      this.#finish(this.#response())
      return
    }
    const { code = 'ERROR' } = error as NodeJS.ErrnoException
    this.#finish({ kind: 'failed', code, message: error.message || code })
  }

  expire(): void {
    // A status that came in time is an answer, even if the rest of the body never comes.
    this.#finish(this.#status >= 200 ? this.#response() : timeoutAnswer)
    this.#controller?.abort(cut)
  }

  abort(): void {
    this.#finish(abortedAnswer)
    this.#controller?.abort(cut)
  }

  #response(): Answer {
    const text = this.#kept ? Buffer.concat(this.#kept).toString('utf8') : ''
    return { kind: 'response', status: this.#status, headers: this.#headers, text }
  }

  #finish(answer: Answer): void {
    const end = this.#end
    this.#end = undefined
    end?.(answer)
  }
}
