import type { Access } from '../auth/access.ts'
import type { Authorize, Caller } from '../auth/caller.ts'
import type { Principal } from '../auth/principals.ts'
import type { StoredPrincipals } from '../auth/stored-principals.ts'
import { RequestError } from '../base/errors.ts'
import { type Door, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import { StoreUnavailable } from '../store/store.ts'
import { invalidProperty } from '../wire/errors.ts'
import { fields, readString } from '../wire/shape.ts'

/*
 * The door for those who manage principals: `GET` and `POST /principals`, `DELETE /principals/{client id}`. In comes a
 * name, out goes a principal with the secret that it signs in with, this once.
 */

export interface PrincipalRoutesOptions {
  readonly stored: StoredPrincipals
  /** Those of the configuration, which is the only place to change them. */
  readonly configured: readonly Principal[]
  readonly authorize: Authorize
  readonly access: Access
  readonly tenantId: string
  /** Where the actions on principals must be permitted: a subscription's id. */
  readonly scope: string
}

const bodyBytes = 65_536
const nameCharacters = 1_000
const paths = /^\/principals(?:\/([\da-z-]{1,64}))?\/?$/i

export function createPrincipalsDoor(options: PrincipalRoutesOptions): Door {
  const { stored, configured, authorize, access, tenantId, scope } = options
  const check = (caller: Caller, verb: string) =>
    access.check(caller, `Microsoft.Authorization/principals/${verb}`, scope)

  return (request) => {
    const match = paths.exec(request.path)
    return match ? follow(request, match[1]) : undefined
  }

  async function follow(request: HttpRequest, clientId: string | undefined): Promise<HttpResponse> {
    const { method } = request
    if (clientId === undefined ? method !== 'GET' && method !== 'POST' : method !== 'DELETE')
      throw methodNotAllowed(method, clientId === undefined ? 'GET, POST' : 'DELETE')
    const caller = await authorize(request)
    try {
      if (clientId !== undefined) return await remove(caller, clientId)
      return method === 'GET' ? list(caller) : await create(request, caller)
    } catch (error) {
      if (error instanceof StoreUnavailable) throw unavailable(error)
      throw error
    }
  }

  function list(caller: Caller): HttpResponse {
    check(caller, 'read')
    const value = [
      ...configured.map(({ name, clientId, objectId, administrator }) => ({
        ...{ name, clientId, objectId, administrator, source: 'configuration' },
      })),
      ...stored.all().map((each) => ({ ...each, source: 'stored' })),
    ]
    return jsonResponse(200, { value }, noStore)
  }

  async function create(request: HttpRequest, caller: Caller): Promise<HttpResponse> {
    check(caller, 'write')
    const body = fields(decodeBody(await request.body(bodyBytes)), '')
    const name = readString(body, 'name', nameCharacters)
    if (name === undefined) throw invalidProperty('name', 'the name of the principal', undefined)
    const { principal, secret } = await stored.create(name, caller.name)
    return jsonResponse(201, { ...principal, source: 'stored', tenantId, clientSecret: secret }, noStore)
  }

  async function remove(caller: Caller, given: string): Promise<HttpResponse> {
    check(caller, 'delete')
    const clientId = given.toLowerCase()
    if (configured.some((each) => each.clientId === clientId)) throw isConfigured(clientId)
    if (!(await stored.delete(clientId))) throw notFound(clientId)
    return { status: 204 }
  }
}

const noStore = { 'Cache-Control': 'no-store' }

function decodeBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new RequestError(
      400,
      'InvalidRequest',
      `The body is not valid JSON: ${(cause as Error).message}.`,
      { cause },
    )
  }
}

const methodNotAllowed = (method: string, allowed: string) =>
  new RequestError(
    405,
    'MethodNotAllowed',
    `The method ${method} is not allowed here; allowed: ${allowed}.`,
    { headers: { Allow: allowed } },
  )

const notFound = (clientId: string) =>
  new RequestError(
    404,
    'PrincipalNotFound',
    `There is no principal with the client id '${clientId.slice(0, 100)}'.`,
  )

const isConfigured = (clientId: string) =>
  new RequestError(
    409,
    'PrincipalConfigured',
    `The principal with the client id '${clientId}' is one of the configuration: take it out of 'auth.principals' there.`,
  )

const unavailable = (cause: StoreUnavailable) =>
  new RequestError(503, 'ServiceUnavailable', `The store cannot take the write: ${cause.message}`, {
    headers: { 'Retry-After': '5' },
    cause,
  })
