import { spawn } from 'node:child_process'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'

export interface Azurite {
  readonly connectionString: string
  container(name: string): ContainerClient
}

/** The account and key that every Azurite has. Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite */
const account = 'devstoreaccount1'
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Azure's own storage emulator, its blob service alone, in a process of its own and with everything in memory. */
export async function startAzurite(t: TestContext): Promise<Azurite> {
  const main = fileURLToPath(import.meta.resolve('azurite/dist/src/blob/main.js'))
  const options = ['--blobHost', '127.0.0.1', '--blobPort', '0', '--inMemoryPersistence']
  options.push('--skipApiVersionCheck', '--disableTelemetry')
  const child = spawn(process.execPath, [main, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    const ended = new Promise((resolve) => {
      child.once('exit', resolve)
    })
    child.kill('SIGKILL')
    await ended
  })
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
  return { connectionString, container: (name) => service.getContainerClient(name) }
}
