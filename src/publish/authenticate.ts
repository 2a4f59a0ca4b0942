import type { Credential } from '../auth/credential.ts'
import { credentials } from '../auth/index.ts'
import type { Clock } from '../base/clock.ts'
import type { Catalog, Topic } from '../catalog/catalog.ts'
import type { HttpRequest } from '../http/http.ts'
import { emptyKey, unauthorized } from './errors.ts'

/** By what a publisher was let in; in the words of Azure's diagnostic logs. */
export interface Identity {
  readonly type: 'Key' | 'SASToken' | 'AADAccessToken'
  /** Of a token's principal. */
  readonly objectId?: string
}

/** Throws unless the request carries a credential that lets it publish to the topic. */
export type Authenticate = (request: HttpRequest, topic: Topic, queryKey: string | undefined) => Identity

/**
 * Finds the credential where clients put it, the first of: `aeg-sas-key`, `aeg-sas-token`, `Authorization`, and
 * the query's `aeg-sas-key`. Only that one counts.
 *
 * @param publicHosts host names by which this server is known besides those that requests come to
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
 */
export function createAuthenticate(options: {
  readonly catalog: Catalog
  readonly clock: Clock
  readonly publicHosts: readonly string[]
}): Authenticate {
  const { catalog } = options
  const accessKey = credentials.accessKey()
  const sasToken = credentials.sasToken(options)
  const bearerToken = credentials.bearerToken()
  const publicHosts = new Set(options.publicHosts.map((host) => host.toLowerCase()))
  const isPublic = (host: string) => publicHosts.has(host) || publicHosts.has(withoutPort(host))
  return (request, topic, queryKey) => {
    const host = hostOf(request)
    const check = (credential: Credential, type: Identity['type'], presented: string): Identity => {
      if (type !== 'AADAccessToken' && topic.disableLocalAuth)
        throw unauthorized(host, 'Keys and SAS tokens are disabled for this resource (disableLocalAuth).')
      const refusal = credential.refusal(presented, {
        keys: topic.keys,
        path: request.path,
        isOwnHost: (named) => isPublic(named) || withoutPort(named) === withoutPort(host),
        // A path that names the topic would be found under any host.
        isOwnEndpoint: (named, path) =>
          path === hostBasedPath && catalog.topicByEndpoint(withoutPort(named), path)?.id === topic.id,
      })
      if (refusal !== undefined) throw unauthorized(host, refusal)
      return { type }
    }
    const { headers } = request
    const key = headers['aeg-sas-key'] ?? (hasOther(headers) ? undefined : queryKey)
    if (key !== undefined) {
      if (key === '') throw emptyKey()
      return check(accessKey, 'Key', key as string)
    }
    const token = headers['aeg-sas-token']
    if (token !== undefined) return check(sasToken, 'SASToken', token as string)
    const { authorization } = headers
    if (authorization === undefined)
      throw unauthorized(host, "It must carry one of the headers 'aeg-sas-token' and 'aeg-sas-key'.")
    const [, scheme = '', value = ''] = /^(\S+)\s*(.*)$/.exec(authorization) ?? []
    if (scheme.toLowerCase() === 'sharedaccesssignature') return check(sasToken, 'SASToken', value)
    if (scheme.toLowerCase() === 'bearer') return check(bearerToken, 'AADAccessToken', value)
    throw unauthorized(
      host,
      'The scheme of the Authorization header must be SharedAccessSignature or Bearer.',
    )
  }
}

/** The path of endpoints that tell topics by host name. */
const hostBasedPath = '/api/events'

const hasOther = (headers: HttpRequest['headers']) =>
  headers['aeg-sas-token'] !== undefined || headers.authorization !== undefined

export const hostOf = ({ headers }: HttpRequest): string => (headers.host ?? '').toLowerCase()

export const withoutPort = (host: string) => host.replace(/:\d+$/, '')
