import { timingSafeEqual } from 'node:crypto'
import { type Issuer, tokenLifetimeMs } from '../auth/issuer.ts'
import type { IsOwnHost } from '../auth/own-hosts.ts'
import type { Principal, Principals } from '../auth/principals.ts'
import type { Clock } from '../base/clock.ts'
import { plainAddress } from '../base/ip-mask.ts'
import type { Identities } from '../catalog/identities.ts'
import { type Door, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { isAudience } from './token-request.ts'

/*
 * The door of managed identities, as a virtual machine and App Service have it: whoever runs on this machine gets a
 * token without a secret. In comes the name of an identity, or none, which means the default one; out goes a token of
 * our own issuer.
 *
 * Source: learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token;
 * learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference"
 */

export interface ManagedIdentityOptions {
  readonly issuer: Issuer
  readonly tenantId: string
  /** Whose token is had without naming an identity; undefined: nobody's. */
  readonly byDefault: Principal | undefined
  /** Those that are resources; undefined: their tokens are not to be had here. */
  readonly identities: Identities | undefined
  /** All that may sign in: an identity that has another's ids is none. */
  readonly principals: Principals
  /** What App Service's form asks for in the header X-IDENTITY-HEADER. */
  readonly header: string
  /** The base of the issuer in tokens, without a slash at its end; asked once listeners are open. */
  readonly publicUrl: () => string
  readonly isOwnHost: IsOwnHost
  readonly clock: Clock
}

const vmPath = /^\/+metadata\/+identity\/+oauth2\/+token\/?$/i
const appServicePath = /^\/+msi\/+token\/?$/i
const bodyBytes = 16_384
/** The address under which a virtual machine has the endpoint; a rule of the network may lead it here. */
const linkLocal = /^169\.254\.169\.254(:\d+)?$/

export function createManagedIdentityDoor(options: ManagedIdentityOptions): Door {
  const { issuer, tenantId, byDefault, identities, principals, publicUrl, isOwnHost, clock } = options

  return (request) => {
    const isVm = vmPath.test(request.path)
    if (!isVm && !appServicePath.test(request.path)) return undefined
    return answer(request, isVm).catch((error: unknown) => {
      if (error instanceof Refusal) return refuse(error)
      throw error
    })
  }

  async function answer(request: HttpRequest, isVm: boolean): Promise<HttpResponse> {
    checkPeer(request)
    const isForm = request.method === 'POST' && !isVm
    if (request.method !== 'GET' && !isForm) throw new Refusal(405, 'invalid_request', 'Use GET.')
    if (isVm || isForm) checkMetadata(request)
    else checkHeader(request)
    const asked = isForm
      ? new URLSearchParams((await request.body(bodyBytes)).toString('utf8'))
      : request.query
    if (!isForm && !asked.get('api-version')) throw missing('api-version')
    const resource = asked.get('resource')
    if (!resource) throw missing('resource')
    if (!isAudience(resource)) throw invalid(`The resource '${resource.slice(0, 200)}' is not a URI.`)
    return token(identityOf(asked), resource)
  }

  async function token({ clientId, objectId }: Principal, audience: string): Promise<HttpResponse> {
    const issued = await issuer.sign({
      base: publicUrl(),
      tenantId,
      audience,
      clientId,
      objectId,
      version: '1.0',
    })
    const expiresIn = String(tokenLifetimeMs / 1000 - 1)
    return jsonResponse(
      200,
      {
        access_token: issued.token,
        client_id: clientId,
        expires_in: expiresIn,
        expires_on: String(Math.floor(issued.expiresAt / 1000)),
        ext_expires_in: expiresIn,
        not_before: String(Math.floor(clock.now() / 1000)),
        resource: audience,
        token_type: 'Bearer',
      },
      noStore,
    )
  }

  function identityOf(asked: URLSearchParams): Principal {
    const given = selectors.flatMap(({ names, by }) =>
      names.flatMap((name) => {
        const value = asked.get(name)
        return value ? [{ by, value }] : []
      }),
    )
    const [only, ...more] = given
    if (more.length > 0)
      throw invalid('Only one of client_id, object_id and msi_res_id may name the identity.')
    if (!only) return theOnlyOne()
    const { by, value } = only
    const isDefault =
      byDefault !== undefined &&
      by !== 'byResourceId' &&
      (by === 'byClientId' ? byDefault.clientId : byDefault.objectId) === value.toLowerCase()
    const found = isDefault ? byDefault : identities?.[by](value)
    if (!found || principals.byObjectId(found.objectId) !== found) throw invalid('Identity not found')
    return found
  }

  /** Without a default one, a single identity is meant. */
  function theOnlyOne(): Principal {
    if (byDefault) return byDefault
    const [only, ...more] = identities?.all() ?? []
    if (!only) throw invalid('Identity not found')
    if (more.length > 0)
      throw invalid(
        'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
      )
    return only
  }

  /** Neither another machine, nor a proxy for one, nor a page whose name was made to lead here. */
  function checkPeer({ remoteAddress, headers }: HttpRequest): void {
    const address = plainAddress(remoteAddress)
    if (!address.startsWith('127.') && address !== '::1')
      throw new Refusal(403, 'forbidden', 'Managed identities are for what runs on this machine.')
    if (headers['x-forwarded-for'] !== undefined)
      throw new Refusal(403, 'forbidden', "The request came through a proxy ('X-Forwarded-For').")
    const { host } = headers
    if (host !== undefined && !linkLocal.test(host) && !isOwnHost(host))
      throw new Refusal(403, 'forbidden', `'${host.slice(0, 300)}' is not a name of this server.`)
  }

  /** What a page in a browser cannot send to another server without being asked. */
  function checkMetadata({ headers }: HttpRequest): void {
    if (String(headers.metadata).toLowerCase() !== 'true')
      throw invalid('Required metadata header not specified')
  }

  function checkHeader({ headers }: HttpRequest): void {
    const given = headers['x-identity-header'] ?? headers.secret
    const [one, other] = [Buffer.from(String(given ?? '')), Buffer.from(options.header)]
    if (one.length !== other.length || !timingSafeEqual(one, other))
      throw new Refusal(
        401,
        'unauthorized',
        'The header X-IDENTITY-HEADER does not hold what this server expects: see identity-header in its data directory.',
      )
  }
}

/** By which an identity is named, in the words of both forms and of their versions. */
const selectors = [
  { names: ['client_id', 'clientid'], by: 'byClientId' },
  { names: ['object_id', 'principal_id'], by: 'byObjectId' },
  { names: ['msi_res_id', 'mi_res_id'], by: 'byResourceId' },
] as const

class Refusal extends Error {
  readonly status: number
  readonly error: string

  constructor(status: number, error: string, message: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.error = error
  }
}

const invalid = (message: string) => new Refusal(400, 'invalid_request', message)
const missing = (name: string) => invalid(`Required query variable '${name}' is missing`)

const noStore = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }

const refuse = ({ status, error, message }: Refusal): HttpResponse =>
  jsonResponse(status, { error, error_description: message }, noStore)
