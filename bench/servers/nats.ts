import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import type { Scope } from '../scope.ts'
import { startChild } from './child.ts'
import { NatsConnection } from './nats-connection.ts'

export interface Nats {
  readonly pid: number
  readonly port: number
  readonly version: string
  /** A publisher that keeps so many events under way and counts what was acknowledged. */
  connect(): Promise<NatsConnection>
}

export const natsSubject = 'bench.events'

/** The version of the installed `nats-server`, or undefined when there is none. */
export function natsVersion(): string | undefined {
  const { stdout, status } = spawnSync('nats-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().split(' ').at(-1) : undefined
}

/** JetStream with one stream on disk, on loopback, in a directory of its own. Undefined when not installed. */
export async function startNats(scope: Scope): Promise<Nats | undefined> {
  const version = natsVersion()
  if (version === undefined) return undefined
  const directory = scope.temporaryDirectory()
  const port = await freePort()
  const child = startChild('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', directory])
  scope.defer(async () => void (await child.end('SIGKILL')))
  const connect = () => NatsConnection.open('127.0.0.1', port)
  const connection = await connect()
  await connection.request('$JS.API.STREAM.CREATE.BENCH', {
    name: 'BENCH',
    subjects: [natsSubject],
    storage: 'file',
    retention: 'limits',
    num_replicas: 1,
  })
  connection.close()
  return { pid: child.pid, port, version, connect }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { readonly port: number }
      server.close(() => resolve(port))
    })
  })
}
