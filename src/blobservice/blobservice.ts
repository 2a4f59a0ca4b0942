import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { BlobServiceClient } from '@azure/storage-blob'
import type { Clock, Timer } from '../base/clock.ts'
import { guidOf, newGuid } from '../base/ids.ts'
import { later } from '../base/later.ts'
import type { Log } from '../base/log.ts'
import type { Fanout } from '../fanout/fanout.ts'
import type { HttpLimits } from '../http/http.ts'
import type { Queues, Records } from '../store/store.ts'
import { answersOf, batchBytes, changesOf, type PartAnswer } from './batch.ts'
import { type BlobRequest, type Change, changeOf, isBatch, keyOf } from './change.ts'
import { defaultContentType, type Facts, readFacts, unquoted } from './facts.ts'
import { answer, BodyTooLarge, createService, forward, readAll, type Service } from './forward.ts'
import { inTurn } from './in-turn.ts'
import { type Intent, Intents, type OpenIntent } from './intents.ts'
import { Sequencer } from './sequencer.ts'
import { tell, topicType } from './tell.ts'

/*
 * The door to a storage account's blob service: what comes is passed on to the service as it is, and what a request
 * has changed there is told as an event of the storage account. In come the requests of storage clients; out go the
 * service's answers, and BlobCreated, BlobDeleted and BlobTierChanged. It promises that a client learns of a change
 * only when its event is durable; that a change under way when the process ends is told at the next start; and that
 * nothing is told of what the service refused.
 *
 * To keep that, a change is noted on disk before the service is asked, with what there was before: what the answer
 * does not say, because there was none, the service is asked afterwards. Changes of one blob follow each other.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage
 */

export interface BlobServiceSettings {
  /** ARM id of the storage account that the events are of. */
  readonly accountId: string
  /** How its blob service is reached; must hold a key. */
  readonly connectionString: string
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** By which events name blobs, without a slash at its end; undefined: by which clients reach this listener. */
  readonly url: string | undefined
}

export interface BlobServiceNeeds {
  readonly fanout: Pick<Fanout, 'raise' | 'isHeard'>
  readonly queues: Queues
  readonly records: Records
  readonly clock: Clock
  readonly log: Log
  readonly limits: HttpLimits
  /** Present for a listener that speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
}

export interface RunningBlobService {
  readonly accountId: string
  /** The blob endpoint of clients: where it listens, and the account's path. */
  readonly url: string
  close(graceMs: number): Promise<void>
}

/** From the first byte of a request to its last: blobs are large and lines slow. */
const transferMs = 3_600_000
/** Policy time until the service is asked again what became of a change. */
const askAgainMs = 5_000
/** How many blobs of a batch are asked about at a time. */
const asksAtOnce = 16

/** Opens the listener once it knows what became of what a crash left, as far as the service says. */
export async function openBlobService(
  settings: BlobServiceSettings,
  needs: BlobServiceNeeds,
): Promise<RunningBlobService> {
  // Loaded when first needed: it takes longer to load than the rest of the server.
  const { BlobServiceClient } = await import('@azure/storage-blob')
  const client = BlobServiceClient.fromConnectionString(settings.connectionString, {
    retryOptions: { maxTries: 1 },
  })
  const { intents, left } = await Intents.open(
    needs.queues,
    `blobservice:${guidOf(settings.accountId.toLowerCase())}`,
    () => needs.clock.now(),
  )
  const sequencer = await Sequencer.open(
    needs.records,
    `blobservice/sequencer/${settings.accountId.toLowerCase()}`,
  )
  const service = new BlobService(settings, needs, client, intents, sequencer)
  await service.settleLeft(left)
  const listener = await service.listen()
  return listener
}

/** What became of a change, by what the service says afterwards. */
type Outcome =
  | { readonly kind: 'happened'; readonly after: Facts | undefined }
  | { readonly kind: 'not' }
  | { readonly kind: 'pending' }

class BlobService {
  readonly #settings: BlobServiceSettings
  readonly #needs: BlobServiceNeeds
  readonly #client: BlobServiceClient
  readonly #service: Service
  readonly #accountPath: string
  readonly #intents: Intents
  readonly #sequencer: Sequencer
  readonly #turns = inTurn()
  /** Changes of which it is not known yet what became of them, or whose event could not be stored; by blob. */
  readonly #unsettled = new Map<string, OpenIntent[]>()
  #asking: Timer | undefined
  #url = ''
  #closed = false

  constructor(
    settings: BlobServiceSettings,
    needs: BlobServiceNeeds,
    client: BlobServiceClient,
    intents: Intents,
    sequencer: Sequencer,
  ) {
    this.#settings = settings
    this.#needs = needs
    this.#client = client
    this.#service = createService(client.url)
    this.#accountPath = this.#service.endpoint.pathname.replace(/\/+$/, '')
    this.#intents = intents
    this.#sequencer = sequencer
  }

  async settleLeft(left: readonly OpenIntent[]): Promise<void> {
    for (const intent of left) this.#postpone(intent)
    await this.#askAgain()
  }

  async listen(): Promise<RunningBlobService> {
    const { host, port, accountId, url } = this.#settings
    const { limits, tls } = this.#needs
    const options = { maxHeaderSize: limits.headerBytes, noDelay: true, keepAlive: true }
    const onRequest: RequestListener = (incoming, outgoing) => {
      // The answer tells of whatever went wrong.
      this.#serve(incoming, outgoing).catch((error: unknown) => this.#fail(outgoing, error))
    }
    const server = tls
      ? createTlsServer({ ...options, minVersion: 'TLSv1.2', ...tls }, onRequest)
      : createServer(options, onRequest)
    server.requestTimeout = transferMs
    server.headersTimeout = limits.requestMs
    server.keepAliveTimeout = limits.idleMs
    server.maxConnections = limits.connections
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    const bound = (server.address() as AddressInfo).port
    const name = /^(0\.0\.0\.0|::)$/.test(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host
    const own = `${tls ? 'https' : 'http'}://${name}:${bound}${this.#accountPath}`
    this.#url = url ?? own
    return { accountId, url: own, close: (graceMs) => this.#close(server, graceMs) }
  }

  async #close(server: Server, graceMs: number): Promise<void> {
    const cut = later(graceMs, () => server.closeAllConnections())
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
    cut.cancel()
    this.#closed = true
    this.#asking?.cancel()
    this.#service.agent.destroy()
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = this.#decode(incoming)
    // What nobody would hear of goes through untouched.
    if (!request || !this.#needs.fanout.isHeard(this.#settings.accountId, topicType))
      return answer(outgoing, await forward(this.#service, incoming, undefined))
    if (isBatch(request)) return this.#serveBatch(incoming, outgoing)
    const change = changeOf(request)
    if (!change) return answer(outgoing, await forward(this.#service, incoming, undefined))
    await this.#turns([keyOf(change.name)], () => this.#serveChange(change, incoming, outgoing))
  }

  async #serveChange(change: Change, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const [intent] = await this.#begin([change], incoming)
    if (!intent) return
    let bytes = 0
    const answered = await this.#orUnknown([intent], () =>
      forward(this.#service, incoming, undefined, (more) => {
        bytes += more
      }),
    )
    const { headers, statusCode = 0 } = answered
    await this.#settle(intent, { status: statusCode, header: (name) => text(headers[name]) }, bytes)
    await answer(outgoing, answered)
  }

  async #serveBatch(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await readAll(incoming, batchBytes)
    const changes = changesOf(incoming.headers['content-type'], body, this.#accountPath)
    const keys = Array.from(changes.values(), ({ name }) => keyOf(name))
    await this.#turns(keys, async () => {
      const intents = await this.#begin([...changes.values()], incoming)
      const [answered, answerBody] = await this.#orUnknown(intents, async () => {
        const first = await forward(this.#service, incoming, body)
        return [first, await readAll(first, batchBytes)] as const
      })
      const answers = answersOf(answered.headers['content-type'], answerBody)
      const refused: PartAnswer = { status: answered.statusCode ?? 0, header: () => undefined }
      const ids = [...changes.keys()]
      for (const [n, intent] of intents.entries()) {
        const part = answers.get(ids[n] as string)
        // A batch that is refused as a whole has changed nothing; a part that is not answered may have.
        if (part || refused.status >= 300) await this.#settle(intent, part ?? refused, 0)
        else this.#postpone(intent)
      }
      await answer(outgoing, answered, answerBody)
    })
  }

  #decode(incoming: IncomingMessage): BlobRequest | undefined {
    const url = URL.parse(incoming.url ?? '', 'http://blobs')
    if (!url?.pathname.startsWith(`${this.#accountPath}/`) && url?.pathname !== this.#accountPath)
      return undefined
    const { headers, method = '' } = incoming
    return {
      method,
      path: url.pathname.slice(this.#accountPath.length),
      query: url.searchParams,
      header: (name) => text(headers[name]),
    }
  }

  /** Notes what is about to be changed. Throws where that cannot be, and then nothing was asked of the service. */
  async #begin(changes: readonly Change[], incoming: IncomingMessage): Promise<readonly OpenIntent[]> {
    for (const { name } of changes)
      if (this.#unsettled.has(keyOf(name))) {
        await this.#askAbout(keyOf(name))
        if (this.#unsettled.has(keyOf(name)))
          throw new Unavailable('What became of an earlier change of this blob is not known yet: try again.')
      }
    const intents: Intent[] = []
    for (let n = 0; n < changes.length; n += asksAtOnce) {
      const some = changes.slice(n, n + asksAtOnce)
      const before = await Promise.all(some.map(({ name }) => readFacts(this.#client, name))).catch(
        (error: Error) => {
          throw new Unavailable(
            `The blob service at ${this.#service.endpoint.origin} does not say what there is, so no event could ` +
              `tell of the change: ${firstLine(error)}`,
            error,
          )
        },
      )
      for (const [m, change] of some.entries())
        intents.push({
          id: newGuid(),
          change,
          before: before[m],
          at: this.#needs.clock.now(),
          clientRequestId: text(incoming.headers['x-ms-client-request-id']),
        })
    }
    return this.#intents.begin(intents)
  }

  /** When the service does not answer it is asked what became of the changes, now and later. */
  async #orUnknown<T>(intents: readonly OpenIntent[], ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      for (const intent of intents) this.#postpone(intent)
      await Promise.all(intents.map(({ change }) => this.#askAbout(keyOf(change.name))))
      throw new Unavailable(
        `The blob service at ${this.#service.endpoint.origin} did not answer: ${firstLine(error as Error)}`,
        error,
      )
    }
  }

  /** Tells of the change, or forgets it when it was refused. Never rejects. */
  async #settle(intent: OpenIntent, answered: PartAnswer, bytes: number): Promise<void> {
    const { change } = intent
    const { status, header } = answered
    if (status < 200 || status >= 300) {
      this.#intents.end(intent)
      return
    }
    const requestId = header('x-ms-request-id')
    if (change.kind !== 'write') return this.#tell(intent, requestId, undefined)
    const eTag = unquoted(header('etag'))
    if (change.hasContent && eTag !== '') {
      const { contentType = defaultContentType, blobType = 'BlockBlob', accessTier, announcedLength } = change
      const contentLength = announcedLength ?? bytes
      return this.#tell(intent, requestId, { eTag, contentType, blobType, accessTier, contentLength })
    }
    // Only the service knows what a list of blocks, or a copy, has come to.
    if (!(await this.#ask(intent, requestId))) this.#postpone(intent)
  }

  async #tell(
    intent: OpenIntent,
    requestId: string | undefined,
    after: Omit<Facts, 'copyStatus'> | undefined,
  ): Promise<void> {
    const { accountId } = this.#settings
    try {
      const sequencer = await this.#sequencer.next()
      const event = tell(accountId, this.#url, { intent, requestId, after, sequencer })
      await this.#needs.fanout.raise(accountId, topicType, [event])
      this.#intents.end(intent)
    } catch (error) {
      this.#needs.log.error(
        { error, account: accountId },
        'The event of a blob could not be stored; it is tried again.',
      )
      this.#postpone(intent)
    }
  }

  // ---------------------------------------------------------------- what is not known yet

  #postpone(intent: OpenIntent): void {
    const key = keyOf(intent.change.name)
    const waiting = this.#unsettled.get(key)
    if (waiting) waiting.push(intent)
    else this.#unsettled.set(key, [intent])
    if (this.#closed) return
    const { clock } = this.#needs
    this.#asking ??= clock.at(clock.after(askAgainMs), () => {
      this.#asking = undefined
      this.#askAgain().catch(() => {})
    })
  }

  async #askAgain(): Promise<void> {
    for (const key of [...this.#unsettled.keys()]) await this.#turns([key], () => this.#askAbout(key))
  }

  /** In the turn of that blob. */
  async #askAbout(key: string): Promise<void> {
    const waiting = this.#unsettled.get(key)
    if (!waiting) return
    this.#unsettled.delete(key)
    for (const intent of waiting) if (!(await this.#ask(intent, undefined))) this.#postpone(intent)
  }

  /** Asks the service what became of it, and tells; false: it does not say. */
  async #ask(intent: OpenIntent, requestId: string | undefined): Promise<boolean> {
    const outcome = await readFacts(this.#client, intent.change.name).then(
      (now) => outcomeOf(intent, now),
      () => undefined,
    )
    if (!outcome || outcome.kind === 'pending') return false
    if (outcome.kind === 'not') this.#intents.end(intent)
    else await this.#tell(intent, requestId, outcome.after)
    return true
  }

  // ---------------------------------------------------------------- refusals

  #fail(outgoing: ServerResponse, error: unknown): void {
    const isTooLarge = error instanceof BodyTooLarge
    const [status, code] = isTooLarge
      ? ([413, 'RequestBodyTooLarge'] as const)
      : ([503, 'ServerBusy'] as const)
    if (!(error instanceof BodyTooLarge || error instanceof Unavailable))
      this.#needs.log.warn(
        { error, account: this.#settings.accountId },
        'A request to the blob service failed.',
      )
    if (outgoing.headersSent) {
      outgoing.destroy()
      return
    }
    const message = firstLine(error as Error).replace(/[<&]/g, (sign) => (sign === '<' ? '&lt;' : '&amp;'))
    const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
    outgoing.writeHead(status, {
      'content-type': 'application/xml',
      'x-ms-error-code': code,
    })
    outgoing.end(body)
  }
}

class Unavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'Unavailable'
  }
}

function outcomeOf({ change, before }: Intent, now: Facts | undefined): Outcome {
  switch (change.kind) {
    case 'write': {
      if (!now || now.eTag === before?.eTag) return { kind: 'not' }
      if (now.copyStatus === 'pending') return { kind: 'pending' }
      const isLost = change.api === 'CopyBlob' && now.copyStatus !== undefined && now.copyStatus !== 'success'
      return isLost ? { kind: 'not' } : { kind: 'happened', after: now }
    }
    case 'delete':
      return before && !now ? { kind: 'happened', after: undefined } : { kind: 'not' }
    case 'tier': {
      const isThere = now?.accessTier?.toLowerCase() === change.accessTier.toLowerCase()
      const wasThere = before?.accessTier?.toLowerCase() === change.accessTier.toLowerCase()
      return isThere && !wasThere ? { kind: 'happened', after: now } : { kind: 'not' }
    }
  }
}

const text = (header: string | readonly string[] | undefined): string | undefined =>
  header === undefined ? undefined : String(header)

const firstLine = ({ message }: Error): string => message.split('\n', 1)[0] as string
