import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'
import type { Ending } from './close-after.ts'

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
  /** Keeps blobs there, for the next one that is started on it; default: in memory. */
  readonly directory?: string
}

/** The account and key that every Azurite has. Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite */
const account = 'devstoreaccount1'
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Azure's own storage emulator, its blob service alone, in a process of its own. */
export async function startAzurite(
  t: Ending,
  { port = 0, directory }: AzuriteOptions = {},
): Promise<Azurite> {
  const main = fileURLToPath(import.meta.resolve('azurite/dist/src/blob/main.js'))
  const options = ['--blobHost', '127.0.0.1', '--blobPort', String(port)]
  options.push(...(directory === undefined ? ['--inMemoryPersistence'] : ['--location', directory]))
  options.push('--skipApiVersionCheck', '--disableTelemetry')
  const child = spawn(process.execPath, [main, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => {
    child.once('exit', resolve)
  })
  // What lies in a directory is written when it ends in peace.
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    await ended
  }
  t.after(() => end('SIGKILL'))
  const url = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const listening = /successfully listens on (http:\S+)/.exec(output)
      if (listening) resolve(listening[1] as string)
    })
    child.once('exit', (code) =>
      reject(new Error(`Azurite ended with ${code} before it listened: ${output}`)),
    )
  })
  const connectionString =
    `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};` +
    `BlobEndpoint=${url}/${account};`
  const service = BlobServiceClient.fromConnectionString(connectionString)
  return {
    connectionString,
    port: Number(new URL(url).port),
    container: (name) => service.getContainerClient(name),
    stop: () => end(directory === undefined ? 'SIGKILL' : 'SIGTERM'),
  }
}
