import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue'
import type { Ending } from './close-after.ts'

export interface Azurite {
  readonly connectionString: string
  readonly container: (name: string) => ContainerClient
}

/** The account and key that every Azurite has. Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite */
const account = 'devstoreaccount1'
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Azure's own storage emulator, its blob service alone, in a process of its own and with everything in memory. */
export async function startAzurite(t: Ending): Promise<Azurite> {
  const url = await startService(t, 'blob')
  const connectionString = `${accountOf(url)}BlobEndpoint=${url}/${account};`
  const service = BlobServiceClient.fromConnectionString(connectionString)
  return { connectionString, container: (name) => service.getContainerClient(name) }
}

export interface AzuriteQueues {
  readonly connectionString: string
  readonly queue: (name: string) => QueueClient
}

/** The same, its queue service alone. */
export async function startAzuriteQueues(t: Ending): Promise<AzuriteQueues> {
  const url = await startService(t, 'queue')
  const connectionString = `${accountOf(url)}QueueEndpoint=${url}/${account};`
  const service = QueueServiceClient.fromConnectionString(connectionString)
  return { connectionString, queue: (name) => service.getQueueClient(name) }
}

const accountOf = (url: string) =>
  `DefaultEndpointsProtocol=${url.slice(0, url.indexOf(':'))};AccountName=${account};AccountKey=${key};`

/** Resolves with the URL where it listens. */
async function startService(t: Ending, service: 'blob' | 'queue'): Promise<string> {
  const main = fileURLToPath(import.meta.resolve(`azurite/dist/src/${service}/main.js`))
  const options = [`--${service}Host`, '127.0.0.1', `--${service}Port`, '0', '--inMemoryPersistence']
  options.push('--skipApiVersionCheck', '--disableTelemetry')
  const child = spawn(process.execPath, [main, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    const ended = new Promise((resolve) => {
      child.once('exit', resolve)
    })
    child.kill('SIGKILL')
    await ended
  })
  return await new Promise<string>((resolve, reject) => {
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
}
