import { type Issuer, issuerUrl, tokenLifetimeMs } from '../auth/issuer.ts'
import type { IsOwnHost } from '../auth/own-hosts.ts'
import type { Principals } from '../auth/principals.ts'
import { isTenantName } from '../auth/webhook-tokens.ts'
import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import { type Door, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { cloudMetadata, metadataPath } from './cloud-metadata.ts'
import { interactiveNotSupported, malformedBody, SignInError, tenantNotFound } from './errors.ts'
import { grantOf } from './token-request.ts'

/*
 * The door for those who sign in: the OAuth 2.0 and OpenID endpoints of Busbar's own issuer, as Microsoft Entra ID
 * has them. In comes a principal's secret; out goes a token that the data plane takes, and the keys with which anyone
 * can verify it. What the principal may do is no business of this door.
 *
 * Source: learn.microsoft.com/entra/identity-platform/v2-protocols-oidc, v2-oauth2-client-creds-grant-flow
 */

export interface SignInOptions {
  readonly issuer: Issuer
  readonly principals: Principals
  /** The one tenant whose principals may sign in. */
  readonly tenantId: string
  /** The base of URLs shown to clients, without a slash at its end; asked once listeners are open. */
  readonly publicUrl: () => string
  /** Names of this server, for which alone clients sign assertions. */
  readonly isOwnHost: IsOwnHost
  readonly clock: Clock
}

/** A token request is a few hundred bytes, and a few thousand with claims. */
const bodyBytes = 65_536
const tenantCharacters = 100
/** Other names of the tenant; `adfs` is how offline command lines spell it. */
const aliases = ['busbar.localhost', 'adfs']
/** Words of Entra that name no tenant. */
const nobodys = ['common', 'organizations', 'consumers']

const paths =
  /^\/+([^/]+)\/+(?:(v2\.0\/)?\.well-known\/openid-configuration|discovery\/(?:v2\.0\/)?keys|oauth2\/(v2\.0\/)?(token|authorize|devicecode)|discovery\/(instance))\/?$/i

type Version = '1.0' | '2.0'

export function createSignInDoor(options: SignInOptions): Door {
  const { issuer, clock } = options

  const answer = async (request: HttpRequest, match: RegExpExecArray): Promise<HttpResponse> => {
    try {
      return await route(request, match)
    } catch (error) {
      if (error instanceof RequestError && error.status === 413)
        return refuse(request, malformedBody(`It is longer than ${bodyBytes} bytes.`), 413)
      if (error instanceof SignInError) return refuse(request, error)
      throw error
    }
  }

  const route = async (request: HttpRequest, match: RegExpExecArray): Promise<HttpResponse> => {
    const path = request.path.toLowerCase()
    const [, tenant = '', secondDocument, secondToken, endpoint, instance] = match
    const base = baseOf(request)
    if (endpoint?.toLowerCase() === 'token') {
      allow(request, 'POST')
      const tenantId = tenantOf(tenant)
      return token(request, tenantId, base, secondToken === undefined ? '1.0' : '2.0')
    }
    if (endpoint !== undefined) {
      allow(request, 'GET', 'POST')
      const isDevice = endpoint.toLowerCase() === 'devicecode'
      throw interactiveNotSupported(isDevice ? 'Signing in with a device code' : 'Signing in with a browser')
    }
    allow(request, 'GET')
    if (instance !== undefined) return found(instanceDiscovery(base, options.tenantId))
    if (path.includes('/discovery/')) return found(await issuer.keySet())
    // Tokens for webhooks are issued in the tenant that protects the webhook, whichever it is.
    const tenantId = isAnyTenant(tenant) ? tenant.toLowerCase() : tenantOf(tenant)
    return found(discoveryDocument(base, tenantId, secondDocument === undefined ? '1.0' : '2.0'))
  }

  const token = async (
    request: HttpRequest,
    tenantId: string,
    base: string,
    version: Version,
  ): Promise<HttpResponse> => {
    const form = new URLSearchParams((await request.body(bodyBytes)).toString('utf8'))
    const { principal, audience } = await grantOf(form, request.headers.authorization, {
      principals: options.principals,
      tenantId,
      audiences: assertionBases(base).flatMap((each) => assertionAudiences(each, tenantId)),
      now: clock.now(),
    })
    const { clientId, objectId } = principal
    const issued = await issuer.sign({ base, tenantId, audience, clientId, objectId, version })
    const expiresIn = tokenLifetimeMs / 1000 - 1
    const common = { token_type: 'Bearer', access_token: issued.token }
    if (version === '2.0') return found({ ...common, expires_in: expiresIn, ext_expires_in: expiresIn })
    // The first version of the endpoint writes its numbers as texts.
    return found({
      ...common,
      expires_in: String(expiresIn),
      ext_expires_in: String(expiresIn),
      expires_on: String(Math.floor(issued.expiresAt / 1000)),
      not_before: String(Math.floor(clock.now() / 1000)),
      resource: audience,
    })
  }

  /**
   * The host of a request is the client's word: one who got hold of an assertion that was signed for another server
   * could name that one.
   */
  const assertionBases = (base: string): readonly string[] => {
    const host = URL.parse(base)?.host ?? ''
    const isOwn = options.isOwnHost(host)
    return [...new Set([options.publicUrl(), ...(isOwn ? [base] : [])])]
  }

  /** The tenant meant, whose principals may sign in. */
  function tenantOf(tenant: string): string {
    const lower = tenant.toLowerCase()
    if (lower === options.tenantId || aliases.includes(lower)) return options.tenantId
    throw tenantNotFound(tenant)
  }

  /**
   * Clients insist that issuer and endpoints are where they looked for them. A proxy may have ended TLS: then the
   * public URL says how clients spell this host.
   */
  function baseOf(request: HttpRequest): string {
    const configured = options.publicUrl()
    return URL.parse(configured)?.host === URL.parse(request.base)?.host ? configured : request.base
  }

  function refuse(request: HttpRequest, error: SignInError, status = error.status): HttpResponse {
    const [trace, correlation] = [newGuid(), correlationOf(request)]
    const timestamp = new Date(clock.now()).toISOString().replace('T', ' ').replace(/\.\d+/, '')
    const description = `AADSTS${error.number}: ${error.message} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`
    return jsonResponse(
      status,
      {
        error: error.error,
        error_description: description,
        error_codes: [error.number],
        timestamp,
        trace_id: trace,
        correlation_id: correlation,
        error_uri: `https://login.microsoftonline.com/error?code=${error.number}`,
      },
      noStore,
    )
  }

  const metadata = (request: HttpRequest): HttpResponse => {
    allow(request, 'GET')
    return found(cloudMetadata(baseOf(request), request.query.get('api-version')))
  }

  return (request) => {
    if (metadataPath.test(request.path)) return metadata(request)
    const match = request.path.length > tenantCharacters + 200 ? null : paths.exec(request.path)
    return match ? answer(request, match) : undefined
  }
}

/** What a client may take an assertion for that it signs for us. */
const assertionAudiences = (base: string, tenantId: string): readonly string[] => [
  `${base}/${tenantId}/oauth2/v2.0/token`,
  `${base}/${tenantId}/oauth2/token`,
  issuerUrl(base, tenantId, '2.0'),
]

const isAnyTenant = (tenant: string) =>
  isTenantName(tenant) && ![...aliases, ...nobodys].includes(tenant.toLowerCase())

/** Clients find their own id in the answer; some send it in the query, others as a header. */
function correlationOf({ query, headers }: HttpRequest): string {
  const given = query.get('client-request-id') ?? headers['client-request-id']
  return typeof given === 'string' && /^[0-9a-f-]{36}$/i.test(given) ? given : newGuid()
}

const noStore = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }

const found = (body: unknown): HttpResponse => jsonResponse(200, body, noStore)

function discoveryDocument(base: string, tenantId: string, version: Version): Record<string, unknown> {
  const part = version === '2.0' ? 'v2.0/' : ''
  return {
    issuer: issuerUrl(base, tenantId, version),
    // Clients insist on one; what it answers is that it is not supported.
    authorization_endpoint: `${base}/${tenantId}/oauth2/${part}authorize`,
    token_endpoint: `${base}/${tenantId}/oauth2/${part}token`,
    jwks_uri: `${base}/${tenantId}/discovery/${part}keys`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic', 'private_key_jwt'],
    grant_types_supported: ['client_credentials'],
    response_types_supported: ['token'],
    response_modes_supported: ['form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid'],
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'nbf', 'oid', 'tid', 'appid', 'roles', 'ver'],
    tenant_region_scope: null,
  }
}

/** Who may be asked about this host: itself. */
function instanceDiscovery(base: string, tenantId: string): Record<string, unknown> {
  const { host } = new URL(base)
  return {
    tenant_discovery_endpoint: `${base}/${tenantId}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  }
}

function allow({ method }: HttpRequest, ...methods: readonly string[]): void {
  if (!methods.includes(method))
    throw new RequestError(
      405,
      'MethodNotAllowed',
      `The method ${method} is not allowed here; allowed: ${methods.join(', ')}.`,
      { headers: { Allow: methods.join(', ') } },
    )
}
