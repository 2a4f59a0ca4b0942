import type { ContainerClient } from '@azure/storage-blob'
import type { DeadLetterSettings } from '../catalog/catalog.ts'
import { type Connections, connectionOf } from '../destinations/connections.ts'
import type { DeadLetterOutcome, DeadLetterStore } from './dead-letter.ts'

/** How long one blob may take to write, all tries together. */
const writeLimitMs = 60_000

/**
 * Dead-letter records as block blobs of Azure Storage, or of whatever speaks its protocol. Storage accounts are
 * reached as the configuration says.
 */
export function createBlobDeadLetterStore(connections: Connections): DeadLetterStore {
  const containers = new Map<string, ContainerClient>()

  const containerOf = async ({ storageAccountId, containerName }: DeadLetterSettings) => {
    const key = `${storageAccountId.toLowerCase()}/${containerName}`
    let container = containers.get(key)
    if (container) return container
    const connectionString = connectionOf(connections, storageAccountId)?.connectionString
    if (connectionString === undefined) return undefined
    // Loaded when first needed: it takes longer to load than the rest of the server.
    const { BlobServiceClient } = await import('@azure/storage-blob')
    const service = BlobServiceClient.fromConnectionString(connectionString, {
      retryOptions: { maxTries: 2, retryDelayInMs: 500 },
    })
    containers.set(key, (container = service.getContainerClient(containerName)))
    return container
  }

  return {
    async write(settings, blobName, body): Promise<DeadLetterOutcome> {
      try {
        const container = await containerOf(settings)
        if (!container)
          return {
            kind: 'unavailable',
            error: `No connection is configured for ${settings.storageAccountId}.`,
          }
        await container.getBlockBlobClient(blobName).upload(body, body.length, {
          blobHTTPHeaders: { blobContentType: 'application/json; charset=utf-8' },
          abortSignal: AbortSignal.timeout(writeLimitMs),
        })
        return { kind: 'written' }
      } catch (error) {
        const { message, code } = error as { message: string; code?: string }
        return {
          kind: code === 'ContainerNotFound' ? 'missing' : 'unavailable',
          error: code === undefined ? message : `${code}: ${message}`,
        }
      }
    },
  }
}
