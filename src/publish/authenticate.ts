import type { Bearer } from '../auth/bearer-token.ts'
import type { Credential } from '../auth/credential.ts'
import { credentials } from '../auth/index.ts'
import { TokenRefused } from '../auth/token-refused.ts'
import type { Clock } from '../base/clock.ts'
import type { Catalog, Topic } from '../catalog/catalog.ts'
import { hostOf, withoutPort } from '../http/host.ts'
import type { HttpRequest } from '../http/http.ts'
import { emptyKey, unauthorized } from './errors.ts'

/** By what a publisher was let in; in the words of Azure's diagnostic logs. */
export interface Identity {
  readonly type: 'Key' | 'SASToken' | 'AADAccessToken'
  /** Of a token's principal. */
  readonly objectId?: string
}

/**
 * Refuses a request that carries no credential that lets it publish to the topic: throws, or rejects. A promise is
 * made only for a bearer token that has not been seen before.
 */
export type Authenticate = (
  request: HttpRequest,
  topic: Topic,
  queryKey: string | undefined,
) => Identity | Promise<Identity>

/** Whom a bearer token speaks for; at once where that is known. */
export type ReadBearer = (token: string) => Bearer | Promise<Bearer>

/**
 * What a bearer must be permitted on the topic, or above it.
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-microsoft-entra-id
 */
const sendAction = 'Microsoft.EventGrid/events/send/action'

const byKey: Identity = { type: 'Key' }
const bySasToken: Identity = { type: 'SASToken' }

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
  readonly readBearer: ReadBearer
}): Authenticate {
  const { catalog, readBearer } = options
  const accessKey = credentials.accessKey()
  const sasToken = credentials.sasToken(options)
  const publicHosts = new Set(options.publicHosts.map((host) => host.toLowerCase()))
  const isPublic = (host: string) => publicHosts.has(host) || publicHosts.has(withoutPort(host))
  return (request, topic, queryKey) => {
    const host = hostOf(request)
    const check = (credential: Credential, presented: string) => {
      if (topic.disableLocalAuth)
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
    }
    const permit = ({ objectId, principalIds }: Bearer): Identity => {
      if (!catalog.permits(principalIds, sendAction, topic.id)) throw lacksRole(host, objectId, topic.id)
      return { type: 'AADAccessToken', objectId }
    }
    const { headers } = request
    const key = headers['aeg-sas-key'] ?? (hasOther(headers) ? undefined : queryKey)
    if (key !== undefined) {
      if (key === '') throw emptyKey()
      check(accessKey, key as string)
      return byKey
    }
    const token = headers['aeg-sas-token']
    if (token !== undefined) {
      check(sasToken, token as string)
      return bySasToken
    }
    const { authorization } = headers
    if (authorization === undefined)
      throw unauthorized(host, "It must carry one of the headers 'aeg-sas-token' and 'aeg-sas-key'.")
    const [, scheme = '', value = ''] = /^(\S+)\s*(.*)$/.exec(authorization) ?? []
    if (scheme.toLowerCase() === 'sharedaccesssignature') {
      check(sasToken, value)
      return bySasToken
    }
    if (scheme.toLowerCase() === 'bearer') {
      const bearer = readBearer(value.trimEnd())
      return bearer instanceof Promise
        ? bearer.then(permit, (error: unknown) => {
            throw error instanceof TokenRefused ? unauthorized(host, error.message) : error
          })
        : permit(bearer)
    }
    throw unauthorized(
      host,
      'The scheme of the Authorization header must be SharedAccessSignature or Bearer.',
    )
  }
}

const lacksRole = (host: string, objectId: string, resourceId: string) =>
  unauthorized(
    host,
    `The principal with object id '${objectId}' does not have authorization to perform action '${sendAction}' ` +
      `over '${resourceId}': assign it the role 'EventGrid Data Sender'.`,
  )

/** The path of endpoints that tell topics by host name. */
const hostBasedPath = '/api/events'

const hasOther = (headers: HttpRequest['headers']) =>
  headers['aeg-sas-token'] !== undefined || headers.authorization !== undefined
