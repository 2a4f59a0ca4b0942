import type { Credential, Guarded } from '../auth/credential.ts'
import { credentials } from '../auth/index.ts'
import type { Clock } from '../base/clock.ts'
import type { Topic } from '../catalog/catalog.ts'
import type { HttpRequest } from '../http/http.ts'
import { emptyKey, unauthorized } from './errors.ts'

/** Throws unless the request carries a credential that lets it publish to the topic. */
export type Authenticate = (request: HttpRequest, topic: Topic, queryKey: string | undefined) => void

/**
 * Finds the credential where clients put it, the first of: `aeg-sas-key`, `aeg-sas-token`, `Authorization`, and
 * the query's `aeg-sas-key`. Only that one counts.
 *
 * @param publicHosts host names by which this server is known besides those that requests come to
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
 */
export function createAuthenticate(options: {
  readonly clock: Clock
  readonly publicHosts: readonly string[]
}): Authenticate {
  const accessKey = credentials.accessKey()
  const sasToken = credentials.sasToken(options)
  const bearerToken = credentials.bearerToken()
  const publicHosts = new Set(options.publicHosts.map((host) => host.toLowerCase()))
  return (request, topic, queryKey) => {
    const host = hostOf(request)
    const check = (credential: Credential, presented: string, isLocal: boolean) => {
      if (isLocal && topic.disableLocalAuth)
        throw unauthorized(host, 'Keys and SAS tokens are disabled for this resource (disableLocalAuth).')
      const refusal = credential.refusal(presented, guardedBy(topic, request.path, host, publicHosts))
      if (refusal !== undefined) throw unauthorized(host, refusal)
    }
    const { headers } = request
    const key = headers['aeg-sas-key'] ?? (hasOther(headers) ? undefined : queryKey)
    if (key !== undefined) {
      if (key === '') throw emptyKey()
      return check(accessKey, key as string, true)
    }
    const token = headers['aeg-sas-token']
    if (token !== undefined) return check(sasToken, token as string, true)
    const { authorization } = headers
    if (authorization === undefined)
      throw unauthorized(host, "It must carry one of the headers 'aeg-sas-token' and 'aeg-sas-key'.")
    const [, scheme = '', value = ''] = /^(\S+)\s*(.*)$/.exec(authorization) ?? []
    if (scheme.toLowerCase() === 'sharedaccesssignature') return check(sasToken, value, true)
    if (scheme.toLowerCase() === 'bearer') return check(bearerToken, value, false)
    throw unauthorized(
      host,
      'The scheme of the Authorization header must be SharedAccessSignature or Bearer.',
    )
  }
}

const hasOther = (headers: HttpRequest['headers']) =>
  headers['aeg-sas-token'] !== undefined || headers.authorization !== undefined

export const hostOf = ({ headers }: HttpRequest): string => (headers.host ?? '').toLowerCase()

const guardedBy = (
  { keys }: Topic,
  path: string,
  requestHost: string,
  publicHosts: ReadonlySet<string>,
): Guarded => ({
  keys,
  path,
  isOwnHost: (host) =>
    withoutPort(host) === withoutPort(requestHost) ||
    publicHosts.has(host) ||
    publicHosts.has(withoutPort(host)),
})

export const withoutPort = (host: string) => host.replace(/:\d+$/, '')
