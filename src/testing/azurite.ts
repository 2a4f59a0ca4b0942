import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue'
import { selfSigned } from './certificate.ts'
import type { Ending } from './close-after.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface Azurite {
  readonly connectionString: string
  readonly port: number
  readonly container: (name: string) => ContainerClient
  /** Ends the process. */
  readonly stop: () => Promise<void>
}

export interface AzuriteOptions {
  /** Default: any free one. */
  readonly port?: number
  /** Over HTTPS, with a certificate that is signed by itself; and as tolerant as the storage clients of devices need. */
  readonly tls?: boolean
  /** Keeps everything there, for the next one that is started on it; default: in memory. */
  readonly directory?: string
}

/** The account and key that every Azurite has. Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite */
const account = 'devstoreaccount1'
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Azure's own storage emulator, its blob service alone, in a process of its own. */
export async function startAzurite(t: Ending, options: AzuriteOptions = {}): Promise<Azurite> {
  const { url, stop } = await startService(t, 'blob', options)
  const connectionString = `${accountOf(url)}BlobEndpoint=${url}/${account};`
  const service = BlobServiceClient.fromConnectionString(connectionString)
  const container = (name: string) => service.getContainerClient(name)
  return { connectionString, port: Number(new URL(url).port), container, stop }
}

export interface AzuriteQueues {
  readonly connectionString: string
  readonly queue: (name: string) => QueueClient
}

/** The same, its queue service alone. */
export async function startAzuriteQueues(t: Ending): Promise<AzuriteQueues> {
  const { url } = await startService(t, 'queue')
  const connectionString = `${accountOf(url)}QueueEndpoint=${url}/${account};`
  const service = QueueServiceClient.fromConnectionString(connectionString)
  return { connectionString, queue: (name) => service.getQueueClient(name) }
}

const accountOf = (url: string) =>
  `DefaultEndpointsProtocol=${url.slice(0, url.indexOf(':'))};AccountName=${account};AccountKey=${key};`

/** Resolves with the URL where it listens. */
async function startService(
  t: Ending,
  service: 'blob' | 'queue',
  { port = 0, directory, tls = false }: AzuriteOptions = {},
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const main = fileURLToPath(import.meta.resolve(`azurite/dist/src/${service}/main.js`))
  const options = [`--${service}Host`, '127.0.0.1', `--${service}Port`, String(port)]
  options.push(...(directory === undefined ? ['--inMemoryPersistence'] : ['--location', directory]))
  options.push('--skipApiVersionCheck', '--disableTelemetry')
  if (tls) {
    const own = await temporaryDirectory(t)
    for (const [name, text] of Object.entries(selfSigned)) {
      writeFileSync(join(own, name), text)
      options.push(`--${name}`, join(own, name))
    }
    options.push('--loose')
  }
  const child = spawn(process.execPath, [main, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => {
    child.once('exit', resolve)
  })
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    await ended
  }
  t.after(() => end('SIGKILL'))
  const url = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const listening = /successfully listens on (https?:\S+)/.exec(output)
      if (listening) resolve(listening[1] as string)
    })
    child.once('exit', (code) =>
      reject(new Error(`Azurite ended with ${code} before it listened: ${output}`)),
    )
  })
  // What lies in a directory is written when it ends in peace.
  return { url, stop: () => end(directory === undefined ? 'SIGKILL' : 'SIGTERM') }
}
