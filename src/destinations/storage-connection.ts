import { createHmac } from 'node:crypto'

/** How the queue service, or the blob service, of a storage account is reached. */
export interface StorageService {
  /** Such as `https://account.queue.core.windows.net`, with the account as its path where it is an emulator. */
  readonly url: URL
  readonly account: string
  readonly proof:
    | { readonly kind: 'key'; readonly key: Buffer }
    /** A shared access signature: the query of every request. */
    | { readonly kind: 'signature'; readonly query: string }
}

/** What every Azurite has. Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite */
const development =
  'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;' +
  'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;' +
  'BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;' +
  'QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;' +
  'TableEndpoint=http://127.0.0.1:10002/devstoreaccount1'

/**
 * A storage account's connection string. What is wrong with it comes back as text, to follow "that", and repeats
 * nothing of it.
 *
 * Source: learn.microsoft.com/azure/storage/common/storage-configure-connection-string
 */
export function decodeStorageConnection(
  text: string,
  service: 'queue' | 'blob' = 'queue',
): StorageService | string {
  const parts = partsOf(text)
  if (typeof parts === 'string') return parts
  if (isDevelopment(parts)) return decodeStorageConnection(development, service)
  const name = parts.get('accountname')
  const protocol = parts.get('defaultendpointsprotocol') ?? 'https'
  const suffix = parts.get('endpointsuffix') ?? 'core.windows.net'
  const member = service === 'queue' ? 'QueueEndpoint' : 'BlobEndpoint'
  const endpoint = parts.get(member.toLowerCase()) ?? (name && `${protocol}://${name}.${service}.${suffix}`)
  if (!endpoint) return `has neither AccountName nor ${member}`
  const url = URL.parse(endpoint)
  if (!url || !/^https?:$/.test(url.protocol)) return `has a ${member} that is no URL`
  const signature = parts.get('sharedaccesssignature')
  if (signature) {
    const account = name ?? url.hostname.replace(/\..*$/s, '')
    return { url, account, proof: { kind: 'signature', query: signature.replace(/^\?/, '') } }
  }
  const key = parts.get('accountkey')
  if (!name || !key) return noProof
  return { url, account: name, proof: { kind: 'key', key: Buffer.from(key, 'base64') } }
}

/** What is wrong with one whatever it is used for, queues or blobs; undefined: nothing. */
export function storageConnectionFault(text: string): string | undefined {
  const parts = partsOf(text)
  if (typeof parts === 'string') return parts
  const proves =
    isDevelopment(parts) ||
    parts.get('sharedaccesssignature') ||
    (parts.get('accountname') && parts.get('accountkey'))
  return proves ? undefined : noProof
}

/** Name and key of the account; undefined where the connection string has none, as one with a signature. */
export function storageAccountKey(text: string): { account: string; key: string } | undefined {
  const parts = partsOf(text)
  if (typeof parts === 'string') return undefined
  if (isDevelopment(parts)) return storageAccountKey(development)
  const account = parts.get('accountname')
  const key = parts.get('accountkey')
  return account && key ? { account, key } : undefined
}

/** As the connection string names the account; undefined: it does not. */
export function storageAccountName(text: string): string | undefined {
  const parts = partsOf(text)
  return typeof parts === 'string' ? undefined : parts.get('accountname')
}

const services = ['blob', 'queue', 'table', 'file', 'dfs', 'web']

/** Where each service of the account is, by its name, each with a slash at its end; undefined where none is known. */
export function storageEndpoints(text: string): Readonly<Record<string, string>> | undefined {
  const parts = partsOf(text)
  if (typeof parts === 'string') return undefined
  if (isDevelopment(parts)) return storageEndpoints(development)
  const given = services.flatMap((service) => {
    const endpoint = parts.get(`${service}endpoint`)
    return endpoint ? [[service, endpoint.replace(/\/*$/, '/')] as const] : []
  })
  if (given.length > 0) return Object.fromEntries(given)
  const name = parts.get('accountname')
  if (!name) return undefined
  const protocol = parts.get('defaultendpointsprotocol') ?? 'https'
  const suffix = parts.get('endpointsuffix') ?? 'core.windows.net'
  return Object.fromEntries(
    services.map((service) => [service, `${protocol}://${name}.${service}.${suffix}/`]),
  )
}

const noProof = 'has neither AccountName and AccountKey nor SharedAccessSignature'

const isDevelopment = (parts: ReadonlyMap<string, string>) =>
  parts.get('usedevelopmentstorage')?.toLowerCase() === 'true'

/** By their names in lower case; text says what is wrong. */
function partsOf(text: string): ReadonlyMap<string, string> | string {
  const parts = new Map<string, string>()
  for (const part of text.split(';')) {
    if (part.trim() === '') continue
    // Keys are base64 and may end with equals signs.
    const equals = part.indexOf('=')
    if (equals < 0) return 'has a part without an equals sign'
    parts.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim())
  }
  return parts
}

/** Of the storage services' REST interface. */
const version = '2021-12-02'

/**
 * Path and headers of one request to the queue service or the blob service, signed.
 *
 * Source: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 *
 * @param path below the account, such as `/queue/messages`, as it stands in the request
 * @param query by name, in lower case
 * @param own headers of the service's own, by names in lower case that begin with `x-ms-`
 */
export function signRequest(
  { url, account, proof }: StorageService,
  request: {
    readonly method: 'GET' | 'POST' | 'PUT'
    readonly path: string
    readonly query: Readonly<Record<string, string>>
    readonly contentType: string
    readonly bodyBytes: number
    readonly now: number
    readonly ifNoneMatch?: '*'
    readonly own?: Readonly<Record<string, string>>
  },
): { readonly path: string; readonly headers: string[] } {
  const { method, query, contentType, bodyBytes, now, ifNoneMatch, own } = request
  const path = url.pathname.replace(/\/+$/, '') + request.path
  const date = new Date(now).toUTCString()
  const ofService: Readonly<Record<string, string>> = { ...own, 'x-ms-date': date, 'x-ms-version': version }
  const headers = Object.entries(ofService).flat()
  if (ifNoneMatch !== undefined) headers.push('If-None-Match', ifNoneMatch)
  if (contentType !== '') headers.push('Content-Type', contentType)
  const search = new URLSearchParams(query).toString()
  if (proof.kind === 'signature')
    return { path: `${path}?${search}${search === '' ? '' : '&'}${proof.query}`, headers }
  const resource = Object.keys(query)
    .toSorted()
    .map((name) => `\n${name}:${query[name]}`)
  const lines = [
    ...[method, '', '', bodyBytes === 0 ? '' : String(bodyBytes), '', contentType],
    ...['', '', '', ifNoneMatch ?? '', '', ''],
    ...Object.keys(ofService)
      .toSorted()
      .map((name) => `${name}:${ofService[name]}`),
    `/${account}${path}${resource.join('')}`,
  ]
  const signature = createHmac('sha256', proof.key).update(lines.join('\n')).digest('base64')
  headers.push('Authorization', `SharedKey ${account}:${signature}`)
  return { path: search === '' ? path : `${path}?${search}`, headers }
}
