import type { AuthSettings } from './auth/authorize.ts'
import { dataPlaneAudiences } from './auth/bearer-token.ts'
import type { OidcSettings } from './auth/oidc-settings.ts'
import { guidOf, type PrincipalSettings } from './auth/principals.ts'
import type { WebhookTokenSettings } from './auth/webhook-tokens.ts'
import { OperatorError } from './base/operator-error.ts'
import type { FileSections } from './config-file.ts'
import { isLoopback } from './loopback.ts'

/** Who may sign in here, and whose tokens count beside. */
export interface SignInSettings {
  readonly principals: readonly PrincipalSettings[]
  /** Issuers of tokens for the data plane, besides our own. */
  readonly issuers: readonly OidcSettings[]
  readonly webhookTokens: readonly WebhookTokenSettings[]
}

type Section = NonNullable<FileSections['auth']>

/** The `auth` section; `auth` is undefined where it names nobody who may use the control plane. */
export function decodeAuth(section: Section | undefined): {
  readonly auth: AuthSettings | undefined
  readonly signIn: SignInSettings
} {
  const { administrators = [], issuers = [], webhookTokens = [] } = section ?? {}
  const principals = decodePrincipals(section?.principals)
  const signIn = {
    principals,
    issuers: issuers.map(({ issuer, audiences = dataPlaneAudiences }, index) => ({
      issuer: checkUrl(issuer, `auth.issuers[${index}].issuer`),
      audiences,
    })),
    webhookTokens: webhookTokens.map((each, index) => ({
      ...each,
      tenantId: checkGuid(each.tenantId, `auth.webhookTokens[${index}].tenantId`),
      tokenEndpoint: checkUrl(each.tokenEndpoint, `auth.webhookTokens[${index}].tokenEndpoint`),
    })),
  }
  refuseTwice(
    signIn.issuers.map(({ issuer }) => issuer),
    'auth.issuers',
  )
  refuseTwice(
    signIn.webhookTokens.map(({ tenantId }) => tenantId),
    'auth.webhookTokens',
  )
  const oidc = decodeOidc(section)
  const byPrincipals = principals.some(({ administrator }) => administrator)
  if (administrators.length > 0 || oidc || byPrincipals)
    return { auth: { administrators, oidc, byPrincipals }, signIn }
  if (section && principals.length + issuers.length + webhookTokens.length === 0)
    throw new OperatorError(
      `'auth' in the configuration file names neither administrators nor an issuer, nor anyone who signs in.`,
    )
  return { auth: undefined, signIn }
}

function decodeOidc({ issuer, audience }: Section = {}): OidcSettings | undefined {
  if ((issuer === undefined) !== (audience === undefined))
    throw new OperatorError(`'auth' in the configuration file: 'issuer' and 'audience' go together.`)
  if (issuer === undefined) return undefined
  return { issuer: checkUrl(issuer, 'auth.issuer'), audiences: [audience ?? []].flat() }
}

function decodePrincipals(section: Section['principals'] = []): readonly PrincipalSettings[] {
  const principals = section.map((each, index) => {
    const clientId = checkGuid(each.clientId, `auth.principals[${index}].clientId`)
    const { name, clientSecret, objectId = guidOf(clientId), administrator = false } = each
    return {
      name,
      clientId,
      clientSecret,
      objectId: checkGuid(objectId, `auth.principals[${index}].objectId`),
      administrator,
    }
  })
  for (const member of ['clientId', 'objectId'] as const)
    refuseTwice(
      principals.map((principal) => principal[member]),
      'auth.principals',
    )
  return principals
}

function refuseTwice(values: readonly string[], section: string): void {
  const again = values.find((value, index) => values.indexOf(value) !== index)
  if (again !== undefined)
    throw new OperatorError(`'${section}' in the configuration file names '${again}' twice.`)
}

function checkGuid(text: string, key: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase()
  throw new OperatorError(
    `'${key}' in the configuration file must be a guid, such as 2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d: got '${text}'.`,
  )
}

/** Secrets and keys go over TLS, unless they stay on this machine. */
function checkUrl(text: string, key: string): string {
  const url = URL.parse(text)
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))))
    return text
  throw new OperatorError(`'${key}' in the configuration file must be an https:// URL: got '${text}'.`)
}
