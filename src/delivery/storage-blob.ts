import { buffer } from 'node:stream/consumers'
import type { ContainerClient } from '@azure/storage-blob'
import type { DeadLetterSettings } from '../catalog/catalog.ts'
import { type Connections, connectionOf } from '../destinations/connections.ts'
import {
  type DeadLetterArchive,
  type DeadLetterBlob,
  type DeadLetterOutcome,
  type DeadLetterStore,
  StorageFailure,
} from './dead-letter.ts'

/** How long one request to storage may take, all tries together. */
const requestLimitMs = 60_000
/** Read at once; those written here are a fraction of it. */
const largestBlobBytes = 64 * 1024 * 1024

/**
 * Dead-letter records as block blobs of Azure Storage, or of whatever speaks its protocol. Storage accounts are
 * reached as the configuration says.
 */
export function createBlobDeadLetterStore(connections: Connections): DeadLetterStore & DeadLetterArchive {
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

  const reach = async (settings: DeadLetterSettings): Promise<ContainerClient> => {
    const container = await containerOf(settings)
    if (!container)
      throw new StorageFailure('unavailable', `No connection is configured for ${settings.storageAccountId}.`)
    return container
  }

  const upload = async (
    settings: DeadLetterSettings,
    { name, body, eventSubscriptionId, reasons }: DeadLetterBlob,
    options: { readonly abortSignal: AbortSignal; readonly conditions?: { readonly ifMatch: string } },
  ) => {
    const container = await reach(settings)
    await container.getBlockBlobClient(name).upload(body, body.length, {
      ...options,
      blobHTTPHeaders: { blobContentType: 'application/json; charset=utf-8' },
      metadata: encodeMetadata(eventSubscriptionId, reasons),
    })
  }

  return {
    async write(settings, blob, signal): Promise<DeadLetterOutcome> {
      try {
        await upload(settings, blob, { abortSignal: AbortSignal.any([signal, limit()]) })
        return { kind: 'written' }
      } catch (error) {
        const { kind, message } = failureOf(error)
        return { kind: kind === 'missing' ? 'missing' : 'unavailable', error: message }
      }
    },
    list: (settings, { prefix, top, continuationToken }) =>
      orFailure(async () => {
        const container = await reach(settings)
        const pages = container
          .listBlobsFlat({ prefix, includeMetadata: true, abortSignal: limit() })
          .byPage({ maxPageSize: top, ...(continuationToken !== undefined && { continuationToken }) })
        for await (const page of pages)
          return {
            blobs: page.segment.blobItems.map(({ name, properties, metadata }) => ({
              ...{ name, bytes: properties.contentLength ?? 0, changedAt: properties.lastModified.getTime() },
              ...decodeMetadata(metadata),
            })),
            continuationToken: page.continuationToken || undefined,
          }
        return { blobs: [], continuationToken: undefined }
      }),
    read: (settings, name) =>
      orFailure(async () => {
        const container = await reach(settings)
        const abortSignal = limit()
        try {
          const answer = await container.getBlobClient(name).download(0, undefined, { abortSignal })
          const { contentLength = 0, etag = '', metadata, readableStreamBody } = answer
          if (contentLength > largestBlobBytes)
            throw new StorageFailure(
              'tooLarge',
              `The blob '${name}' has ${contentLength} bytes; at most ${largestBlobBytes} are read at once.`,
            )
          const body = readableStreamBody ? await buffer(readableStreamBody) : Buffer.alloc(0)
          return { body, etag, eventSubscriptionId: decodeMetadata(metadata).eventSubscriptionId }
        } catch (error) {
          if ((error as { code?: string }).code === 'BlobNotFound') return undefined
          throw error
        }
      }),
    replace: (settings, blob, ifMatch) =>
      orFailure(() => upload(settings, blob, { abortSignal: limit(), conditions: { ifMatch } })),
    remove: (settings, name, ifMatch) =>
      orFailure(async () => {
        const container = await reach(settings)
        await container
          .getBlobClient(name)
          .deleteIfExists({ abortSignal: limit(), conditions: { ifMatch }, deleteSnapshots: 'include' })
      }),
  }
}

const limit = () => AbortSignal.timeout(requestLimitMs)

async function orFailure<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw failureOf(error)
  }
}

function failureOf(error: unknown): StorageFailure {
  if (error instanceof StorageFailure) return error
  const { message, code } = error as { message: string; code?: string }
  const kinds: Readonly<Record<string, StorageFailure['kind']>> = {
    ContainerNotFound: 'missing',
    ConditionNotMet: 'changed',
  }
  const text = code === undefined ? message : `${code}: ${message}`
  return new StorageFailure((code !== undefined && kinds[code]) || 'unavailable', text, error)
}

/** Metadata travels in headers, so what is not plain text is encoded. */
const encodeMetadata = (eventSubscriptionId: string, reasons: readonly string[]) => ({
  eventsubscription: encodeURIComponent(eventSubscriptionId),
  records: String(reasons.length),
  reasons: [...new Set(reasons)].map((reason) => encodeURIComponent(reason)).join(','),
})

function decodeMetadata(metadata: Readonly<Record<string, string>> = {}) {
  const { eventsubscription, records, reasons } = metadata
  return {
    eventSubscriptionId: eventsubscription === undefined ? undefined : decodeURIComponent(eventsubscription),
    records: records === undefined ? undefined : Number(records),
    reasons: reasons?.split(',').map((reason) => decodeURIComponent(reason)),
  }
}
