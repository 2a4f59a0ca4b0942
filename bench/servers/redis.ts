import { spawnSync } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Scope } from '../scope.ts'
import { startChild } from './child.ts'
import { openSocket } from './line-socket.ts'
import { freePort } from './nats.ts'

/*
 * Redis Streams, with each command on disk before it is answered: as much of the protocol as a stream with one group of
 * consumers needs.
 *
 * Source: redis.io/docs/latest/develop/reference/protocol-spec; redis.io/docs/latest/develop/data-types/streams
 */

export interface Redis {
  readonly pid: number
  readonly version: string
  readonly port: number
}

const stream = 'events'
const group = 'receivers'
/** So that the stream does not grow for as long as the bench runs; what is in it has been acknowledged. */
const mostEntries = 200_000

/** The version of the installed `redis-server`, or undefined when there is none. */
function redisVersion(): string | undefined {
  const { stdout, status } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? /v=(\S+)/.exec(stdout)?.[1] : undefined
}

export async function startRedis(scope: Scope): Promise<Redis | undefined> {
  const version = redisVersion()
  if (version === undefined) return undefined
  const directory = scope.temporaryDirectory()
  const port = await freePort()
  const child = startChild('redis-server', [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', ''],
    ...['--appendonly', 'yes', '--appendfsync', 'always'],
  ])
  scope.defer(async () => void (await child.end('SIGKILL')))
  const client = await RedisClient.open(port)
  await client.send(['XGROUP', 'CREATE', stream, group, '$', 'MKSTREAM'])
  client.close()
  return { pid: child.pid, version, port }
}

/** Sends commands and counts what is done to events. */
export class RedisClient {
  readonly #socket: Socket
  readonly #waiting: ((answer: unknown) => void)[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async open(port: number): Promise<RedisClient> {
    const held: { client?: RedisClient } = {}
    const socket = await openSocket(port, (bytes) => held.client?.read(bytes) ?? 0)
    held.client = new RedisClient(socket)
    return held.client
  }

  /** Several commands at once; resolves with their answers. */
  sendAll(commands: readonly (readonly (string | Buffer)[])[]): Promise<readonly unknown[]> {
    const answers = commands.map(() => new Promise<unknown>((resolve) => this.#waiting.push(resolve)))
    this.#socket.write(Buffer.concat(commands.map(encode)))
    return Promise.all(answers)
  }

  async send(command: readonly (string | Buffer)[]): Promise<unknown> {
    const [answer] = await this.sendAll([command])
    return answer
  }

  close(): void {
    this.#socket.destroy()
  }

  read(bytes: Buffer): number {
    let at = 0
    for (let found = decode(bytes, at); found; found = decode(bytes, at)) {
      at = found.end
      if (found.value instanceof Error) throw found.value
      this.#waiting.shift()?.(found.value)
    }
    return at
  }
}

export const publishCommand = (payload: Buffer) => [
  ...['XADD', stream, 'MAXLEN', '~', String(mostEntries), '*', 'd'],
  payload,
]
export const receiveCommand = (consumer: string, batch: number) => [
  ...[
    'XREADGROUP',
    'GROUP',
    group,
    consumer,
    'COUNT',
    String(batch),
    'BLOCK',
    '1000',
    'STREAMS',
    stream,
    '>',
  ],
]
export const acknowledgeCommand = (ids: readonly string[]) => ['XACK', stream, group, ...ids]

/** The ids in an answer to `receiveCommand`; none where the wait was in vain. */
export function idsOf(answer: unknown): readonly string[] {
  if (answer === null) return []
  const [[, entries]] = answer as [[unknown, readonly (readonly [Buffer, unknown])[]]]
  return entries.map(([id]) => id.toString('latin1'))
}

function encode(command: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${command.length}\r\n`)]
  for (const part of command)
    parts.push(Buffer.from(`$${part.length}\r\n`), Buffer.from(part), Buffer.from('\r\n'))
  return Buffer.concat(parts)
}

/** One value that begins at `at`; undefined where it has not come whole. */
function decode(bytes: Buffer, at: number): { readonly value: unknown; readonly end: number } | undefined {
  const lineStop = bytes.indexOf('\r\n', at)
  if (lineStop < 0) return undefined
  const line = bytes.toString('latin1', at + 1, lineStop)
  let end = lineStop + 2
  switch (String.fromCharCode(bytes[at] as number)) {
    case '$': {
      const length = Number(line)
      if (length < 0) return { value: null, end }
      if (end + length + 2 > bytes.length) return undefined
      return { value: bytes.subarray(end, end + length), end: end + length + 2 }
    }
    case '*': {
      if (Number(line) < 0) return { value: null, end }
      const items: unknown[] = []
      for (let left = Number(line); left > 0; left--) {
        const item = decode(bytes, end)
        if (!item) return undefined
        items.push(item.value)
        end = item.end
      }
      return { value: items, end }
    }
    case '-':
      return { value: new Error(`redis-server said ${line}`), end }
    default:
      return { value: line, end }
  }
}
