import { readFileSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps, Agent as TlsAgent } from 'node:https'
import { isIP } from 'node:net'
import { text } from 'node:stream/consumers'
import { rootCertificates } from 'node:tls'
import { createSystemClock } from '../base/clock.ts'
import { stayAlive } from '../base/later.ts'
import { OperatorError } from '../base/operator-error.ts'

/*
 * The public API, as every command but `start` uses it. A refusal is an `OperatorError` in the server's own words.
 */

export interface ClientOptions {
  /** Base of the server, such as `http://127.0.0.1:4800`. */
  readonly base: string
  /** Sent as a bearer token, to that server alone. */
  readonly key: string | undefined
  /** PEM of an authority to trust beside the public ones; a file that is not there counts as none. */
  readonly caFile: string | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Decoded JSON, as the API's documents describe it; the server has checked it. */
// oxlint-disable-next-line typescript/no-explicit-any -- a client prints what the wire says
export type Json = any

export interface Client {
  readonly base: string
  /** One request as it is; whatever status comes back is answered. */
  send(method: string, path: string, options?: SendOptions): Promise<Answer>
  /** JSON in, decoded JSON out (undefined for an empty answer). Throws `Refused` for a status from 400 on. */
  request(method: string, path: string, body?: unknown): Promise<Json>
  /**
   * As `request`, and waits for the long-running operation that the request began. Resolves with the resource as
   * it is then; throws `Refused` when the operation fails, as it does when an endpoint refuses its handshake.
   *
   * @param onWait called once, when the operation has not ended with the answer
   */
  change(method: string, path: string, body?: unknown, onWait?: () => void): Promise<Json>
  /** Every item of a list, page after page. */
  list(path: string): Promise<readonly Json[]>
  /** The lines of a stream, until it ends or `signal` aborts. */
  lines(path: string, signal?: AbortSignal): AsyncIterable<string>
  close(): void
}

export interface SendOptions {
  readonly body?: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
  /** Leaves the bearer token away: the request carries another credential. */
  readonly anonymous?: boolean
  /** Default: a minute. */
  readonly timeoutMs?: number
  /** Gives the request up. */
  readonly signal?: AbortSignal
}

/** The server said no. */
export class Refused extends OperatorError {
  readonly status: number
  /** The protocol's, such as `ResourceNotFound`. */
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

const timeoutMs = 60_000
/** Between two looks at an operation, unless the server asks for another pause. */
const pollMs = 250
const longestPollMs = 5_000
/** An operation may wait for somebody to follow a validation URL, for ten minutes. */
const operationMs = 11 * 60_000
const messageCharacters = 2_000
const pagesOfAList = 10_000

export function createClient({ base: givenBase, key, caFile }: ClientOptions): Client {
  const base = givenBase.replace(/\/+$/, '')
  const isTls = base.startsWith('https:')
  const trusted = isTls ? readAuthority(caFile) : undefined
  const agent = isTls
    ? new TlsAgent({ keepAlive: true, ...(trusted !== undefined && { ca: [...rootCertificates, trusted] }) })
    : new Agent({ keepAlive: true })

  const open = async (
    method: string,
    path: string,
    { body, headers = {}, anonymous = false }: SendOptions,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> => {
    const url = base + path
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        const outgoing = (isTls ? requestHttps : requestHttp)(url, {
          method,
          agent,
          // A request may name another host in its headers; the certificate is that of the server's.
          ...(isTls && { servername: serverNameOf(url) }),
          headers: {
            ...(key !== undefined && !anonymous && { Authorization: `Bearer ${key}` }),
            ...(body !== undefined && { 'Content-Length': String(Buffer.byteLength(body)) }),
            ...headers,
          },
          ...(signal && { signal }),
        })
        outgoing.once('response', resolve).once('error', reject)
        outgoing.end(body)
      })
    } catch (error) {
      throw unreachable(url, error)
    }
  }

  const send: Client['send'] = async (method, path, options = {}) => {
    const late = AbortSignal.timeout(options.timeoutMs ?? timeoutMs)
    const signal = options.signal === undefined ? late : AbortSignal.any([options.signal, late])
    const response = await open(method, path, options, signal)
    try {
      const { statusCode = 0, headers } = response
      return { status: statusCode, headers, body: await text(response) }
    } catch (error) {
      throw unreachable(base + path, error)
    }
  }

  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await send(method, path, {
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
      }),
    })
    if (answer.status >= 400) throw refusalOf(answer, base + path)
    return { answer, value: decodeJson(answer, base + path) }
  }

  /** Waits for the operation whose URL the answer carries, if any. */
  const ended = async (
    { status: answered, headers }: Answer,
    onWait: (() => void) | undefined,
  ): Promise<void> => {
    const { 'azure-asyncoperation': operation, location } = headers
    const url = typeof operation === 'string' ? operation : answered === 202 ? location : undefined
    if (url === undefined) return
    const clock = createSystemClock()
    const until = clock.now() + operationMs
    for (let looks = 0; clock.now() < until; looks++) {
      const { answer, value } = await ask('GET', pathOf(url))
      const state = value?.status ?? (answer.status === 202 ? 'InProgress' : 'Succeeded')
      if (state === 'Succeeded') return
      if (state === 'Failed' || state === 'Canceled')
        throw new Refused(answer.status, value?.error?.code ?? state, value?.error?.message ?? state)
      if (looks === 0) onWait?.()
      const asked = Number(answer.headers['retry-after']) * 1000
      await pause(Math.min(asked > 0 ? asked : pollMs, longestPollMs))
    }
    throw new OperatorError('The operation still runs; the resource will say how it ended.')
  }

  return {
    base,
    send,
    request: async (method, path, body) => (await ask(method, path, body)).value,
    async change(method, path, body, onWait) {
      const { answer, value } = await ask(method, path, body)
      await ended(answer, onWait)
      if (method === 'DELETE') return undefined
      const state = value?.properties?.provisioningState
      return state === undefined || state === 'Succeeded' ? value : (await ask('GET', path)).value
    },
    async list(path) {
      const items: Json[] = []
      let next: string | undefined = path
      for (let page = 0; next !== undefined && page < pagesOfAList; page++) {
        const { value }: { readonly value: Json } = await ask('GET', next)
        items.push(...(value?.value ?? []))
        next = typeof value?.nextLink === 'string' ? pathOf(value.nextLink) : undefined
      }
      return items
    },
    async *lines(path, signal) {
      const response = await open('GET', path, {}, signal)
      const { statusCode: status = 0, headers } = response
      if (status !== 200) throw refusalOf({ status, headers, body: await text(response) }, base + path)
      try {
        let rest = ''
        for await (const chunk of response.setEncoding('utf8')) {
          const parts = (rest + (chunk as string)).split('\n')
          rest = parts.pop() as string
          yield* parts
        }
      } catch (error) {
        if (signal?.aborted !== true) throw unreachable(base + path, error)
      } finally {
        response.destroy()
      }
    },
    close: () => agent.destroy(),
  }
}

/** Resolves after so many milliseconds of real time, and keeps the process alive until then. */
export async function pause(ms: number): Promise<void> {
  if (ms <= 0) return
  const clock = createSystemClock()
  const alive = stayAlive()
  await new Promise<void>((resolve) => {
    clock.at(clock.now() + ms, resolve)
  })
  alive.cancel()
}

/**
 * The path below the base of a URL that the server made: it may name itself otherwise than the way by which we
 * reach it.
 */
export function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  const start = pathname.search(/\/(subscriptions|providers|topics|domains)\//i)
  return pathname.slice(Math.max(0, start)) + search
}

/** The refusal in the words of the answer. @param url for one that says nothing */
export function refusalOf({ status, body }: Answer, url: string): Refused {
  const { code = '', message = `${url} answered ${status}: ${body}` } = errorOf(body)
  const line = message
    .replaceAll(/\s*[\r\n]+\s*/g, ' ')
    .trim()
    .slice(0, messageCharacters)
  return new Refused(status, code, `${line} (${[status, code].join(' ').trim()})`)
}

function errorOf(body: string): { readonly code?: string; readonly message?: string } {
  try {
    return JSON.parse(body)?.error ?? {}
  } catch {
    return {}
  }
}

function decodeJson({ body }: Answer, url: string): Json {
  if (body === '') return undefined
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new OperatorError(`${url} did not answer with JSON: is it a Busbar server?`, error)
  }
}

/** What TLS calls the server: its name, and none where it is called by its address. */
function serverNameOf(url: string): string {
  const { hostname } = new URL(url)
  return isIP(hostname.replace(/^\[(.*)\]$/, '$1')) === 0 ? hostname : ''
}

function readAuthority(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new OperatorError(`${file} cannot be read: ${(error as Error).message}`, error)
  }
}

function unreachable(url: string, error: unknown): OperatorError {
  const { message, code } = error as NodeJS.ErrnoException
  const hint = /CERT|SELF_SIGNED|UNABLE_TO/.test(code ?? '')
    ? ' Give the authority to trust with --ca FILE; the server shows it at /ca.pem.'
    : ''
  return new OperatorError(`${url} cannot be reached: ${message || code}.${hint}`, error)
}
