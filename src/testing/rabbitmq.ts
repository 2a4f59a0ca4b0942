import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { selfSigned } from './certificate.ts'
import { closeAfter, type Ending } from './close-after.ts'
import { freePorts } from './free-port.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/*
 * A RabbitMQ of Debian's package with its AMQP 1.0 plugin: a broker that is not ours and speaks the protocol of
 * Event Hubs and Service Bus. Everything of it, its port mapper included, lies on ports and in a directory of its own.
 */

const program = '/usr/lib/rabbitmq/bin/rabbitmq-server'

/**
 * Why tests with RabbitMQ are skipped; false where they are not. On the build server they never are: there it is
 * their failure that says what is missing.
 */
export const withoutRabbitMq: string | false =
  existsSync(program) || process.env.CI === 'true'
    ? false
    : 'RabbitMQ is not installed: apt-get install -y --no-install-recommends rabbitmq-server'

export interface RabbitMq {
  readonly port: number
  /** TLS, with the certificate of `selfSigned`. */
  readonly securePort: number
  /** Both may do everything, save that `reader` may neither declare nor write. */
  readonly password: string
  /** Of `busbar`, without TLS. */
  readonly url: string
  /** Kills it; what it has accepted is on disk. */
  stop(): Promise<void>
  /** On the same ports and with the same queues. Resolves when it listens. */
  start(): Promise<void>
}

const password = 'not a secret: /+%'
const startLimitMs = 120_000

/** Queue `full` holds one message and refuses more; any other queue is there as soon as somebody names it. */
export async function startRabbitMq(t: Ending): Promise<RabbitMq> {
  if (!existsSync(program))
    throw new Error(`${program} is not there: apt-get install -y --no-install-recommends rabbitmq-server`)
  const directory = await temporaryDirectory(t)
  const [port, securePort, mapperPort, nodePort] = (await freePorts(4)) as [number, number, number, number]
  const file = async (name: string, content: string) => {
    await writeFile(join(directory, name), content)
    return join(directory, name)
  }
  const certificate = await file('certificate.pem', selfSigned.cert)
  const key = await file('key.pem', selfSigned.key)
  const definitionsFile = await file('definitions.json', JSON.stringify(definitions))
  const settings = {
    'listeners.tcp.1': `127.0.0.1:${port}`,
    'listeners.ssl.1': `127.0.0.1:${securePort}`,
    'ssl_options.certfile': certificate,
    'ssl_options.keyfile': key,
    load_definitions: definitionsFile,
    loopback_users: 'none',
    'log.file': 'false',
    'log.console': 'true',
    'log.console.level': 'error',
    // The disk of a build server may be nearly full, and that is not what is tested.
    'disk_free_limit.absolute': '1MB',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  const config = await file('rabbitmq.conf', lines.join(''))
  const plugins = await file('enabled_plugins', '[rabbitmq_amqp1_0].\n')
  await mkdir(join(directory, 'home'))
  const environment = {
    PATH: process.env.PATH,
    // Of the file through which nodes and tools trust each other.
    HOME: join(directory, 'home'),
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `busbar-test-${process.pid}@localhost`,
    RABBITMQ_DIST_PORT: String(nodePort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    // Has the script become the server instead of waiting for it, so that killing it kills the server.
    detached: 'true',
  }

  let running: ChildProcess | undefined
  const mapper = startProgram('epmd', ['-port', String(mapperPort), '-address', '127.0.0.1'], environment)
  closeAfter(t, () => kill(mapper.child))
  const stop = async () => {
    const stopping = running
    running = undefined
    if (stopping) await kill(stopping)
  }
  const start = async () => {
    await Promise.race([reachable(mapperPort), mapper.failed])
    const { child, failed } = startProgram(program, [], environment)
    running = child
    await Promise.race([Promise.all([reachable(port), reachable(securePort)]), failed])
  }
  closeAfter(t, stop)
  await start()
  const url = `amqp://busbar:${encodeURIComponent(password)}@127.0.0.1:${port}`
  return { port, securePort, password, url, stop, start }
}

const user = (name: string) => {
  // Source: rabbitmq.com/passwords, "Computing a Password Hash": four bytes of salt, then the hash over both.
  const salt = Buffer.from('salt')
  const hash = createHash('sha256').update(salt).update(password).digest()
  return {
    name,
    password_hash: Buffer.concat([salt, hash]).toString('base64'),
    hashing_algorithm: 'rabbit_password_hashing_sha256',
    tags: '',
  }
}

const definitions = {
  vhosts: [{ name: '/' }],
  users: [user('busbar'), user('reader')],
  permissions: [
    { user: 'busbar', vhost: '/', configure: '.*', write: '.*', read: '.*' },
    { user: 'reader', vhost: '/', configure: '', write: '', read: '.*' },
  ],
  policies: [
    {
      ...{ vhost: '/', name: 'full', pattern: '^full$', 'apply-to': 'queues', priority: 0 },
      definition: { 'max-length': 1, overflow: 'reject-publish' },
    },
  ],
}

/** `failed` rejects when it ends by itself, with what it said. */
function startProgram(path: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const dies = () => child.kill('SIGKILL')
  process.once('exit', dies)
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-10_000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.removeListener('exit', dies)
      reject(new Error(`${path} ended with ${code ?? signal}: ${output}`))
    })
  })
  failed.catch(() => {})
  return { child, failed }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => {
    child.once('exit', resolve)
  })
  child.kill('SIGKILL')
  await ended
}

/** Resolves when somebody listens there. */
async function reachable(port: number): Promise<void> {
  const endsAt = performance.now() + startLimitMs
  while (!(await accepts(port))) {
    if (performance.now() > endsAt)
      throw new Error(`nobody listened on port ${port} within ${startLimitMs} ms`)
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
