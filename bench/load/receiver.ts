import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Histogram, type HistogramCounts } from './histogram.ts'

/** How a path of the receiver answers notifications. The handshakes are always answered. */
export type Behaviour =
  | { readonly kind: 'accepts' }
  /** Takes the connection and the request, and never answers. */
  | { readonly kind: 'hangs' }
  | Failing

/**
 * Answers that share of the requests with 503 and resets the connection of that other share, but takes what has
 * failed `mostFailures` times already: left to chance, a few of many events would fail until they expire.
 */
export interface Failing {
  readonly kind: 'fails'
  readonly busyShare: number
  readonly resetShare: number
  readonly mostFailures: number
  readonly seed: number
}

/** What came on one path with the events of one run. */
export interface Received {
  readonly unique: number
  readonly duplicates: number
  readonly requests: number
  /** From when an event was due to be published until its first delivery. */
  readonly latency: Histogram
  /** For each sequence how often it came, 255 at most; shorter than the run when the last ones never came. */
  readonly times: Uint8Array
}

export interface Receiver {
  /** The endpoint of that name. */
  urlOf(name: string): string
  behave(name: string, behaviour: Behaviour): Promise<void>
  /** From now on `delivered` counts the events of this run, each once, on whatever path. */
  watch(run: string): Promise<void>
  /** Cheap enough to be asked before every request. */
  delivered(): number
  received(name: string, run: string): Promise<Received>
  /** Forgets the latencies measured so far; what has come stays counted. */
  clearLatencies(): Promise<void>
  /** Refuses connections from now on, and cuts those that exist. */
  goDown(): Promise<void>
  comeUp(): Promise<void>
  close(): Promise<void>
}

export type ReceiverCommand =
  | { readonly kind: 'behave'; readonly name: string; readonly behaviour: Behaviour }
  | { readonly kind: 'watch'; readonly run: string }
  | { readonly kind: 'received'; readonly name: string; readonly run: string }
  | { readonly kind: 'clearLatencies' }
  | { readonly kind: 'listen'; readonly port: number }
  | { readonly kind: 'goDown' }

export interface ReceiverAnswer {
  readonly port?: number
  readonly received?: Omit<Received, 'latency'> & { readonly latency: HistogramCounts }
}

/** A webhook on loopback in a thread of its own, so that receiving does not delay publishing. */
export async function startReceiver(): Promise<Receiver> {
  const delivered = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('receiver-worker.ts', import.meta.url), { workerData: { delivered } })
  let last: Promise<unknown> = once(worker, 'online')
  /** Commands are answered in order, one at a time. */
  const ask = (command: ReceiverCommand): Promise<ReceiverAnswer> => {
    const answer = last.then(async () => {
      const answered = once(worker, 'message')
      worker.postMessage(command)
      return (await answered)[0] as ReceiverAnswer
    })
    last = answer
    return answer
  }
  const tell = async (command: ReceiverCommand) => void (await ask(command))
  const { port } = await ask({ kind: 'listen', port: 0 })
  return {
    urlOf: (name) => `http://127.0.0.1:${port}/${name}`,
    behave: (name, behaviour) => tell({ kind: 'behave', name, behaviour }),
    watch: (run) => tell({ kind: 'watch', run }),
    delivered: () => Atomics.load(delivered, 0),
    async received(name, run) {
      const { received } = await ask({ kind: 'received', name, run })
      if (!received) throw new Error(`The receiver did not say what came to '${name}'.`)
      return { ...received, latency: new Histogram(received.latency) }
    },
    clearLatencies: () => tell({ kind: 'clearLatencies' }),
    goDown: () => tell({ kind: 'goDown' }),
    comeUp: () => tell({ kind: 'listen', port: port as number }),
    close: async () => void (await worker.terminate()),
  }
}
