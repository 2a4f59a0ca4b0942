import { OperatorError } from './base/operator-error.ts'
import type { FileSections } from './config-file.ts'
import { type Connections, connectionOf } from './destinations/connections.ts'
import { storageAccountKey } from './destinations/storage-connection.ts'

/** A blob service that is passed on, with events of what changes there. */
export interface BlobServiceSetting {
  /** ARM id of the storage account. */
  readonly accountId: string
  readonly connectionString: string
  /** 0 picks a free one. */
  readonly port: number
  /** The listener speaks TLS. */
  readonly isTls: boolean
  /** By which events name blobs, without a slash at its end; undefined: the listener's own. */
  readonly url: string | undefined
}

/** Throws an `OperatorError` that names the entry at fault. */
export function decodeBlobServices(
  section: NonNullable<FileSections['blobServices']>,
  connections: Connections,
): readonly BlobServiceSetting[] {
  const seen = new Set<string>()
  return section.map(({ storageAccount, port, tls = false, url }) => {
    const atFault = (what: string) =>
      new OperatorError(`'blobServices' in the configuration file: '${storageAccount}' ${what}.`)
    const key = storageAccount.toLowerCase()
    if (seen.has(key)) throw atFault('is there twice')
    seen.add(key)
    if (
      !/^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+\/providers\/microsoft\.storage\/storageaccounts\/[^/]+$/.test(
        key,
      )
    )
      throw atFault(
        'is not the ARM id of a storage account, such as ' +
          '/subscriptions/S/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/NAME',
      )
    const connectionString = connectionOf(connections, storageAccount)?.connectionString
    if (connectionString === undefined)
      throw atFault(
        "has no connection: give its connectionString under 'connections', with this id as its name",
      )
    if (!storageAccountKey(connectionString))
      throw atFault('has a connection without a key; what is there before a change is asked with the key')
    const parsed = url === undefined ? undefined : URL.parse(url)
    if (url !== undefined && (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash))
      throw atFault(`has a url that is no http:// or https:// URL without query`)
    return {
      accountId: storageAccount,
      connectionString,
      port,
      isTls: tls,
      url: parsed?.href.replace(/\/+$/, ''),
    }
  })
}
