import type { Bearer } from '../auth/bearer-token.ts'
import type { Credential } from '../auth/credential.ts'
import { credentials } from '../auth/index.ts'
import { TokenRefused } from '../auth/token-refused.ts'
import type { Clock } from '../base/clock.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'
import { hostOf, withoutPort } from '../http/host.ts'
import type { HttpRequest } from '../http/http.ts'
import type { Directory, NamespaceFacts, NamespaceTopicFacts } from './directory.ts'
import { forbidden, unauthorized } from './errors.ts'
import type { Route } from './routes.ts'

/** By what a caller was let in, in the words of Azure's resource logs. */
export interface Identity {
  readonly type: 'SharedAccessKey' | 'SharedAccessSignature' | 'EntraIdAccessToken'
  /** Of a token's principal. */
  readonly objectId?: string
}

/** What is asked for. */
export interface Asked {
  readonly route: Route
  readonly namespace: NamespaceFacts
  readonly topic: NamespaceTopicFacts
  /** ARM id of the topic, or of the event subscription that is received from. */
  readonly resourceId: string
}

/** Refuses who may not: throws, or rejects. A promise is made only for a bearer token that was not seen before. */
export type Authenticate = (request: HttpRequest, asked: Asked) => Identity | Promise<Identity>

/** Source: learn.microsoft.com/azure/event-grid/authenticate-with-entra-id-namespaces */
const sendAction = { action: 'Microsoft.EventGrid/events/send/action', role: 'EventGrid Data Sender' }
const receiveAction = {
  action: 'Microsoft.EventGrid/events/receive/action',
  role: 'EventGrid Data Receiver',
}

const byKey: Identity = { type: 'SharedAccessKey' }
const bySignature: Identity = { type: 'SharedAccessSignature' }

/**
 * Finds the credential where clients put it, the first of: `aeg-sas-key`, `aeg-sas-token`, `Authorization`, and the
 * query's `aeg-sas-key`. Only that one counts. The keys of the namespace are good for all of it, those of a topic for
 * the topic; a signature for whatever lies below the URL that was signed, which for an event subscription's is not
 * publishing.
 *
 * @param publicHosts host names by which this server is known besides those that requests come to
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
 */
export function createAuthenticate(options: {
  readonly directory: Directory
  readonly clock: Clock
  readonly publicHosts: readonly string[]
  readonly readBearer: (token: string) => Bearer | Promise<Bearer>
}): Authenticate {
  const { directory, readBearer } = options
  const accessKey = credentials.accessKey()
  // Each remembers tokens by the key that signed them.
  const namespaceTokens = credentials.sasToken(options)
  const topicTokens = credentials.sasToken(options)
  const publicHosts = new Set(options.publicHosts.map((host) => host.toLowerCase()))
  const isPublic = (host: string) => publicHosts.has(host) || publicHosts.has(withoutPort(host))

  return (request, asked) => {
    const host = hostOf(request)
    const { namespace, topic, route } = asked
    const { prefix } = route
    const below = pathBelow(route)
    const check = (ofNamespace: Credential, ofTopic: Credential, presented: string) => {
      if (namespace.disableLocalAuth)
        throw unauthorized(host, 'Keys and SAS tokens are disabled for this namespace (disableLocalAuth).')
      const guarded = {
        path: prefix + below,
        isOwnHost: (named: string) => isPublic(named) || withoutPort(named) === withoutPort(host),
        // The namespace's own host names need no prefix.
        isOwnEndpoint: (named: string, path: string) =>
          namespace.isOwnHost(withoutPort(named)) && isPathPrefix(path, below),
      }
      const refusal = ofNamespace.refusal(presented, { ...guarded, keys: namespace.keys })
      if (refusal === undefined) return
      if (ofTopic.refusal(presented, { ...guarded, keys: topic.keys }) !== undefined)
        throw unauthorized(host, refusal)
    }
    const permit = ({ objectId, principalIds }: Bearer): Identity => {
      const { action, role } = route.operation === 'publish' ? sendAction : receiveAction
      if (!directory.permits(principalIds, action, asked.resourceId))
        throw forbidden(
          `The principal with object id '${objectId}' does not have authorization to perform action '${action}' ` +
            `over '${asked.resourceId}': assign it the role '${role}'.`,
        )
      return { type: 'EntraIdAccessToken', objectId }
    }

    const { headers } = request
    const key = headers['aeg-sas-key']
    if (key !== undefined) {
      check(accessKey, accessKey, String(key))
      return byKey
    }
    const token = headers['aeg-sas-token']
    if (token !== undefined) {
      check(namespaceTokens, topicTokens, String(token))
      return bySignature
    }
    const { authorization } = headers
    if (authorization === undefined) {
      const queryKey = route.query.get('aeg-sas-key')
      if (queryKey === undefined)
        throw unauthorized(
          host,
          "It must carry one of the headers 'Authorization', 'aeg-sas-key' and 'aeg-sas-token'.",
        )
      check(accessKey, accessKey, queryKey)
      return byKey
    }
    const [, scheme = '', value = ''] = /^(\S+)\s*(.*?)\s*$/.exec(authorization) ?? []
    switch (scheme.toLowerCase()) {
      case 'sharedaccesskey':
        check(accessKey, accessKey, value)
        return byKey
      case 'sharedaccesssignature':
        check(namespaceTokens, topicTokens, value)
        return bySignature
      case 'bearer': {
        const bearer = readBearer(value)
        return bearer instanceof Promise
          ? bearer.then(permit, (error: unknown) => {
              throw error instanceof TokenRefused ? unauthorized(host, error.message) : error
            })
          : permit(bearer)
      }
      default:
        throw unauthorized(
          host,
          'The scheme of the Authorization header must be SharedAccessKey, SharedAccessSignature or Bearer.',
        )
    }
  }
}

/** The path of what a token must name, or something above it: below the namespace's own endpoint. */
function pathBelow({ topic, eventSubscription }: Route): string {
  const ofTopic = `/topics/${encodeURIComponent(topic)}`
  return eventSubscription === ''
    ? ofTopic
    : `${ofTopic}/eventsubscriptions/${encodeURIComponent(eventSubscription)}`
}

/** By whole segments, in any letter case. */
function isPathPrefix(prefix: string, path: string): boolean {
  const wanted = withoutTrailingSlashes(prefix.toLowerCase())
  const whole = path.toLowerCase()
  return whole === wanted || whole.startsWith(`${wanted}/`)
}
