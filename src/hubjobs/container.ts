import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../base/clock.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'
import { createConnector, type NetworkRules, notAllowed } from '../destinations/network.ts'

/*
 * Blob containers of whoever asks for a job, by the SAS URI that he gives. Connections are made within the rules of
 * deliveries, so that a job reaches nothing that the operator has forbidden; redirects are not followed.
 *
 * Source: learn.microsoft.com/rest/api/storageservices/put-block, put-block-list and get-blob
 */

export interface Container {
  /** Part of a blob that is not there before `commit`. The same number again takes the place of the first. */
  putBlock(blob: string, number: number, body: Buffer): Promise<void>
  /** Makes the blob of the first so many blocks. */
  commit(blob: string, blocks: number): Promise<void>
  /** What a blob holds from there on, at most so much; throws where there is no such blob. */
  read(blob: string, offset: number, bytes: number): Promise<Part>
}

export interface Part {
  readonly body: Buffer
  /** Of the whole blob. */
  readonly total: number
}

export interface Containers {
  open(uri: string, signal: AbortSignal): Container
  close(): Promise<void>
}

/** What storage has answered, in words for whoever asked for the job. */
export class ContainerFailure extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ContainerFailure'
  }
}

const version = '2021-12-02'
const connectMs = 30_000
/** Real time that storage has to answer one request. */
const answerMs = 60_000
const connectionsPerOrigin = 8
const tries = 3
const pauseMs = 1_000
const errorBytesMost = 64 * 1024

export function createContainers(rules: NetworkRules, clock: Clock): Containers {
  const agent = new Agent({
    connect: createConnector(rules, connectMs),
    connections: connectionsPerOrigin,
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
  })
  return {
    open: (uri, signal) => openContainer(new URL(uri), { agent, clock, signal }),
    close: () => agent.destroy(),
  }
}

interface Needs {
  readonly agent: Agent
  readonly clock: Clock
  readonly signal: AbortSignal
}

interface Exchange {
  readonly method: 'GET' | 'PUT'
  readonly blob: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Of the answer's body; default: as much as an error says. */
  readonly mostBytes?: number
}

interface Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Buffer
}

function openContainer(uri: URL, needs: Needs): Container {
  const once = async ({
    method,
    blob,
    query = {},
    headers = {},
    body,
    mostBytes = errorBytesMost,
  }: Exchange): Promise<Answer> => {
    const search = new URLSearchParams(query).toString()
    const path = `${withoutTrailingSlashes(uri.pathname)}/${blob.split('/').map(encodeURIComponent).join('/')}`
    const answer = await needs.agent.request({
      ...{ origin: uri.origin, method, signal: needs.signal },
      path: `${path}${uri.search}${search === '' ? '' : `&${search}`}`,
      headers: { ...headers, 'x-ms-version': version },
      ...(body && { body }),
    })
    return {
      ...{ status: answer.statusCode, headers: answer.headers },
      body: await readAtMost(answer.body, mostBytes),
    }
  }
  const ask = async (exchange: Exchange, expected: readonly number[]): Promise<Answer> => {
    for (let count = 1; ; count++) {
      const answer = await once(exchange).catch((error: Error & { code?: string }) => {
        needs.signal.throwIfAborted()
        return error
      })
      if (!(answer instanceof Error) && expected.includes(answer.status)) return answer
      const passes =
        answer instanceof Error ? answer.code !== notAllowed : answer.status >= 500 || answer.status === 429
      if (!passes || count === tries) throw failureOf(uri, exchange, answer)
      await pause(needs, pauseMs * count)
    }
  }
  return {
    async putBlock(blob, number, body) {
      await ask({ method: 'PUT', blob, query: { comp: 'block', blockid: blockId(number) }, body }, [201])
    },
    async commit(blob, blocks) {
      const ids = Array.from({ length: blocks }, (_, n) => `<Latest>${blockId(n)}</Latest>`)
      const body = Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.join('')}</BlockList>`)
      const headers = {
        'content-type': 'application/xml',
        'x-ms-blob-content-type': 'text/plain; charset=utf-8',
      }
      await ask({ method: 'PUT', blob, query: { comp: 'blocklist' }, headers, body }, [201])
    },
    async read(blob, offset, bytes) {
      const headers = { 'x-ms-range': `bytes=${offset}-${offset + bytes - 1}` }
      const mostBytes = Math.max(bytes, errorBytesMost)
      const answer = await ask({ method: 'GET', blob, headers, mostBytes }, [200, 206, 416])
      if (answer.status === 200 && offset > 0)
        throw new ContainerFailure(`GET ${uri.host}${uri.pathname}/${blob} was answered without its range.`)
      if (answer.status === 416) return { body: Buffer.alloc(0), total: offset }
      const total = Number(
        /\/(\d+)$/.exec(String(answer.headers['content-range']))?.[1] ?? answer.body.length,
      )
      return { body: answer.body, total }
    },
  }
}

async function readAtMost(body: Dispatcher.ResponseData['body'], most: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  // Leaving it early ends the connection.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > most) throw new Error(`the answer has more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** All of one blob are of one length. */
const blockId = (number: number): string => Buffer.from(String(number).padStart(8, '0')).toString('base64')

function pause({ clock, signal }: Needs, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.at(clock.now() + ms, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    const stop = () => {
      timer.cancel()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** Never with the query of the URI, which is the key to the container. */
function failureOf(
  { host, pathname }: URL,
  { method, blob }: Exchange,
  answer: Answer | Error,
): ContainerFailure {
  const what = `${method} ${host}${pathname}/${blob}`
  if (answer instanceof Error) return new ContainerFailure(`${what} failed: ${answer.message}`)
  const code = answer.headers['x-ms-error-code']
  return new ContainerFailure(
    `${what} was answered ${answer.status}${typeof code === 'string' ? ` ${code}` : ''}.`,
  )
}
