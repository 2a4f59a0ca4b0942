import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { GridEvent } from '../event/event.ts'
import { buildEvent } from '../sources/build-event.ts'
import type { EventSource } from '../sources/event-source.ts'
import { storage } from '../sources/storage.ts'
import type { BlobName } from './change.ts'
import { defaultContentType, type Facts } from './facts.ts'
import type { Intent } from './intents.ts'

/** The topic type of storage accounts. */
export const topicType = (storage as EventSource & { readonly topicType: string }).topicType

/** What is known of a change that has happened. */
export interface Happened {
  readonly intent: Intent
  /** Of the service's answer; undefined where that was lost. */
  readonly requestId: string | undefined
  /** What there is now; undefined after a delete. */
  readonly after: Omit<Facts, 'copyStatus'> | undefined
  readonly sequencer: string
}

/**
 * The event of a change.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage
 *
 * @param accountId ARM id of the storage account
 * @param url by which events name blobs, without a slash at its end
 */
export function tell(accountId: string, url: string, happened: Happened): GridEvent {
  const { intent, requestId = intent.id, after, sequencer } = happened
  const { change, before, clientRequestId, id, at } = intent
  const { container, blob } = change.name
  const known = after ?? before
  const { contentType = defaultContentType, contentLength = 0, blobType = 'BlockBlob' } = known ?? {}
  const asked = { ...(clientRequestId !== undefined && { clientRequestId }), requestId }
  const end = { url: `${url}/${pathOf(change.name)}`, sequencer, storageDiagnostics: { batchId: newGuid() } }
  const fields = {
    sourceId: accountId,
    subject: `/blobServices/default/containers/${container}/blobs/${blob}`,
    id,
    eventTime: encodeMoment(at),
  }
  switch (change.kind) {
    case 'write':
      return buildEvent(storage, 'Microsoft.Storage.BlobCreated', {
        ...fields,
        data: {
          api: change.api,
          ...asked,
          eTag: after?.eTag ?? '',
          ...{ contentType, contentLength, blobType, accessTier: after?.accessTier ?? 'Default' },
          ...end,
        },
      })
    case 'delete':
      return buildEvent(storage, 'Microsoft.Storage.BlobDeleted', {
        ...fields,
        data: { api: 'DeleteBlob', ...asked, contentType, blobType, ...end },
      })
    case 'tier':
      return buildEvent(storage, 'Microsoft.Storage.BlobTierChanged', {
        ...fields,
        data: {
          api: 'SetBlobTier',
          ...asked,
          ...{ contentType, contentLength, blobType },
          ...{ accessTier: change.accessTier, previousTier: before?.accessTier ?? 'Default' },
          ...end,
        },
      })
  }
}

const pathOf = ({ container, blob }: BlobName): string => {
  const path = blob.split('/').map(encodeURIComponent).join('/')
  return container === '$root' ? path : `${encodeURIComponent(container)}/${path}`
}
