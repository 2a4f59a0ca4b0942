import type { BlobServiceClient } from '@azure/storage-blob'
import type { BlobName } from './change.ts'

/** What the service knows of a blob. */
export interface Facts {
  /** Without quotes. */
  readonly eTag: string
  readonly contentType: string
  readonly contentLength: number
  readonly blobType: string
  readonly accessTier: string | undefined
  readonly copyStatus: string | undefined
}

/** How long the service may take to say. */
const factsLimitMs = 10_000

/** Undefined: there is no such blob. Rejects when the service does not say. */
export async function readFacts(service: BlobServiceClient, name: BlobName): Promise<Facts | undefined> {
  const blob = service.getContainerClient(name.container).getBlobClient(name.blob)
  try {
    const properties = await blob.getProperties({ abortSignal: AbortSignal.timeout(factsLimitMs) })
    return {
      eTag: unquoted(properties.etag),
      contentType: properties.contentType ?? defaultContentType,
      contentLength: properties.contentLength ?? 0,
      blobType: properties.blobType ?? 'BlockBlob',
      accessTier: properties.accessTier,
      copyStatus: properties.copyStatus,
    }
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined
    throw error
  }
}

export const defaultContentType = 'application/octet-stream'

export const unquoted = (eTag = ''): string => eTag.replace(/^"(.*)"$/, '$1')
