/*
 * What a request to the blob service would change, as far as Azure tells of it: the operations behind BlobCreated,
 * BlobDeleted and BlobTierChanged. Pure functions over the request line and its headers.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage and
 * learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
 */

export interface BlobName {
  readonly container: string
  /** Decoded; may have slashes. */
  readonly blob: string
}

export type Change =
  | {
      readonly kind: 'write'
      readonly api: 'PutBlob' | 'PutBlockList' | 'CopyBlob'
      readonly name: BlobName
      /** What the request says of the new blob; undefined where only the service knows. */
      readonly contentType: string | undefined
      readonly blobType: string | undefined
      readonly accessTier: string | undefined
      /** The body of the request is the blob's content. */
      readonly hasContent: boolean
      /** As announced for a page blob, which is created without content. */
      readonly announcedLength: number | undefined
    }
  | { readonly kind: 'delete'; readonly name: BlobName }
  | { readonly kind: 'tier'; readonly name: BlobName; readonly accessTier: string }

export interface BlobRequest {
  readonly method: string
  /** Percent-encoded, below the account's own path: `/container/dir/blob`. */
  readonly path: string
  readonly query: URLSearchParams
  /** By its name in lower case. */
  readonly header: (name: string) => string | undefined
}

/** What a request would change; undefined: nothing that an event tells of. */
export function changeOf(request: BlobRequest): Change | undefined {
  const { method, query, header } = request
  if (method !== 'PUT' && method !== 'DELETE') return undefined
  // One version or snapshot of a blob is not the blob.
  if (query.has('restype') || query.has('snapshot') || query.has('versionid')) return undefined
  const name = nameOf(request.path)
  if (!name) return undefined
  const comp = query.get('comp')?.toLowerCase()
  if (method === 'DELETE') {
    const isOfSnapshots = header('x-ms-delete-snapshots')?.toLowerCase() === 'only'
    return comp === undefined && !isOfSnapshots ? { kind: 'delete', name } : undefined
  }
  if (comp === 'tier') return { kind: 'tier', name, accessTier: header('x-ms-access-tier') ?? '' }
  if (comp !== undefined && comp !== 'blocklist') return undefined
  const isFromUrl = header('x-ms-copy-source') !== undefined
  const blobType = header('x-ms-blob-type')
  const api =
    comp === 'blocklist' ? 'PutBlockList' : isFromUrl && blobType === undefined ? 'CopyBlob' : 'PutBlob'
  const hasContent = api === 'PutBlob' && !isFromUrl
  const announced = header('x-ms-blob-content-length')
  return {
    kind: 'write',
    api,
    name,
    // The body of a block list is XML, whatever the blob is.
    contentType: header('x-ms-blob-content-type') ?? (hasContent ? header('content-type') : undefined),
    blobType: comp === 'blocklist' ? 'BlockBlob' : blobType,
    accessTier: header('x-ms-access-tier'),
    hasContent,
    announcedLength: announced === undefined ? undefined : Number(announced),
  }
}

/** Containers of the service itself, of which nothing is told. */
const ownContainers = new Set(['$logs', '$blobchangefeed'])

function nameOf(path: string): BlobName | undefined {
  const [first = '', ...rest] = path.slice(1).split('/')
  if (first === '') return undefined
  // A path of one segment is a blob of the root container.
  const [container, encoded] = rest.length === 0 ? ['$root', first] : [first, rest.join('/')]
  if (encoded === '' || ownContainers.has(container)) return undefined
  try {
    return { container: decodeURIComponent(container), blob: decodeURIComponent(encoded) }
  } catch {
    // The service refuses it.
    return undefined
  }
}

/** Whether a request holds many others: Blob Batch, on the account or on one container. */
export const isBatch = ({ method, query }: BlobRequest): boolean =>
  method === 'POST' && query.get('comp')?.toLowerCase() === 'batch'

/** One text for one blob. */
export const keyOf = ({ container, blob }: BlobName): string => `${container}/${blob}`
