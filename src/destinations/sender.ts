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
  | {
      readonly kind: 'timeout'
      /** Where the exchange goes on: the status that came back after all, undefined when none did in time. */
      readonly late: Promise<number | undefined> | undefined
    }
  /** The signal was raised. */
  | { readonly kind: 'aborted' }
  /** The connection could not be made, or broke. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface SendRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'OPTIONS'
  readonly path: string
  /** Names and values by turns. */
  readonly headers: readonly string[]
  readonly body: Buffer | null
  /** The exchange goes on for a while when it has timed out: the answer may come late. */
  readonly mayBeLate?: boolean
}

export interface SenderLimits {
  /** Connections to one origin, shared by the event subscriptions that deliver there. */
  readonly connectionsPerOrigin: number
  /** Policy time from the start of a request to the head of its response. */
  readonly responseMs: number
  /** Real time that an endpoint has at least, however fast policy time runs: it does not run faster itself. */
  readonly leastResponseMs: number
  /** Policy time for which an exchange goes on after that, in case the endpoint answers late. */
  readonly lateMs: number
  /** Exchanges that go on so, over all origins; each holds a connection. */
  readonly lateExchanges: number
  readonly connectMs: number
  /** Of a response; what exceeds it is not read. */
  readonly responseBytes: number
}

/**
 * An answer is waited for for thirty seconds, and a late one taken note of for three minutes in all.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Event delivery timeout"
 */
export const defaultSenderLimits: SenderLimits = {
  connectionsPerOrigin: 256,
  responseMs: 30_000,
  leastResponseMs: 5_000,
  lateMs: 150_000,
  lateExchanges: 64,
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
  const late = new LateExchanges(clock, limits)
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
      return createChannel(origin, shared, { deadlines, late, limits }, () => pools.delete(origin))
    },
    async close() {
      const open = [...pools.values()]
      pools.clear()
      await Promise.all(open.map(({ pool }) => pool.destroy()))
    },
  }
}

/** What ends exchanges, whatever origin they are with. */
interface Waits {
  readonly deadlines: Deadlines
  readonly late: LateExchanges
  readonly limits: SenderLimits
}

function createChannel(
  origin: string,
  shared: Shared,
  { deadlines, late, limits }: Waits,
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
    send({ method, path, headers, body, mayBeLate = false }, keep, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) {
          resolve(abortedAnswer)
          return
        }
        if (signal !== watched) watch(signal)
        const exchange = new Exchange(
          keep,
          limits.responseBytes,
          mayBeLate ? late : undefined,
          signal,
          (answer) => {
            deadlines.delete(exchange)
            if (answer.kind === 'timeout' && answer.late) {
              void answer.late.then(() => underWay.delete(exchange))
            } else underWay.delete(exchange)
            resolve(answer)
          },
        )
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
const timeoutAnswer: Answer = { kind: 'timeout', late: undefined }
const cut = new Error('The request was cut.')

/** Exchanges whose answer may still come when nobody waits for it any more. */
class LateExchanges {
  readonly #deadlines: Deadlines
  readonly #most: number
  readonly #open = new Set<Expiring>()

  constructor(clock: Clock, { lateMs, lateExchanges }: SenderLimits) {
    this.#deadlines = new Deadlines(clock, lateMs, 0)
    this.#most = lateExchanges
  }

  /** False when too many go on already. */
  add(exchange: Expiring): boolean {
    if (this.#open.size >= this.#most) return false
    this.#open.add(exchange)
    this.#deadlines.add(exchange)
    return true
  }

  delete(exchange: Expiring): void {
    this.#open.delete(exchange)
    this.#deadlines.delete(exchange)
  }
}

class Exchange implements Dispatcher.DispatchHandler, Expiring {
  expiresAt: EpochMs = 0
  readonly signal: AbortSignal
  readonly #keep: Keep
  readonly #limitBytes: number
  readonly #late: LateExchanges | undefined
  /** Told of the status that comes late. */
  #endLate: ((status: number | undefined) => void) | undefined
  #end: ((answer: Answer) => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: Readonly<Record<string, string | string[] | undefined>> = {}
  #bytes = 0
  #kept: Buffer[] | undefined

  constructor(
    keep: Keep,
    limitBytes: number,
    late: LateExchanges | undefined,
    signal: AbortSignal,
    end: (answer: Answer) => void,
  ) {
    this.#keep = keep
    this.#limitBytes = limitBytes
    this.#late = late
    this.signal = signal
    this.#end = end
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Ended while it waited for a connection.
    if (!this.#end) controller.abort(cut)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status
    this.#headers = headers
    if (status < 200 || !this.#endLate) return
    this.#finishLate(status)
    controller.abort(cut)
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
    this.#finishLate(undefined)
    if (this.#status >= 200) {
      this.#finish(this.#response())
      return
    }
    const { code = 'ERROR' } = error as NodeJS.ErrnoException
    this.#finish({ kind: 'failed', code, message: error.message || code })
  }

  expire(): void {
    // What was never sent is not answered late either.
    if (this.#end && this.#controller && this.#status < 200 && this.#late?.add(this)) {
      const late = new Promise<number | undefined>((resolve) => {
        this.#endLate = resolve
      })
      this.#finish({ kind: 'timeout', late })
      return
    }
    this.#finishLate(undefined)
    // A status that came in time is an answer, even if the rest of the body never comes.
    this.#finish(this.#status >= 200 ? this.#response() : timeoutAnswer)
    this.#controller?.abort(cut)
  }

  abort(): void {
    this.#finishLate(undefined)
    this.#finish(abortedAnswer)
    this.#controller?.abort(cut)
  }

  #response(): Answer {
    const text = this.#kept ? Buffer.concat(this.#kept).toString('utf8') : ''
    return { kind: 'response', status: this.#status, headers: this.#headers, text }
  }

  #finishLate(status: number | undefined): void {
    const end = this.#endLate
    if (!end) return
    this.#endLate = undefined
    this.#late?.delete(this)
    end(status)
  }

  #finish(answer: Answer): void {
    const end = this.#end
    this.#end = undefined
    end?.(answer)
  }
}
