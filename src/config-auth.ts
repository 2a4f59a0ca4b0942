import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { AuthSettings, ControlPlaneIssuer } from './auth/authorize.ts'
import { dataPlaneAudiences } from './auth/bearer-token.ts'
import type { OidcSettings } from './auth/oidc-settings.ts'
import { type ClientCertificate, guidOf, type PrincipalSettings } from './auth/principals.ts'
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
  readonly managedIdentity: ManagedIdentitySettings
}

/** Whose tokens are had on this machine without a secret. */
export interface ManagedIdentitySettings {
  /** The client id of the principal that is meant where no identity is named. */
  readonly clientId: string | undefined
  /** Whether identities that are resources are among them. Undefined: in development mode. */
  readonly userAssigned: boolean | undefined
}

type Section = NonNullable<FileSections['auth']>

/**
 * The `auth` section; `auth` is undefined where it names nobody who may use the control plane.
 *
 * @param cwd where relative paths of certificates start
 */
export function decodeAuth(
  section: Section | undefined,
  cwd: string,
): {
  readonly auth: AuthSettings | undefined
  readonly signIn: SignInSettings
} {
  const { administrators = [], issuers = [], webhookTokens = [] } = section ?? {}
  const principals = decodePrincipals(section?.principals, cwd)
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
    managedIdentity: decodeManagedIdentity(section?.managedIdentity, principals),
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
  if (administrators.length > 0 || oidc || byPrincipals) return { auth: { administrators, oidc }, signIn }
  const isAnyone = principals.length + issuers.length + webhookTokens.length > 0 || section?.managedIdentity
  if (section && !isAnyone)
    throw new OperatorError(
      `'auth' in the configuration file names neither administrators nor an issuer, nor anyone who signs in.`,
    )
  return { auth: undefined, signIn }
}

function decodeManagedIdentity(
  section: Section['managedIdentity'],
  principals: readonly PrincipalSettings[],
): ManagedIdentitySettings {
  const { principal: named, userAssigned } = section ?? {}
  const lower = named?.toLowerCase()
  const principal = principals.find(
    ({ name, clientId }) => name.toLowerCase() === lower || clientId === lower,
  )
  if (named !== undefined && !principal)
    throw new OperatorError(
      `'auth.managedIdentity.principal' in the configuration file names '${named}', which is none of 'auth.principals'.`,
    )
  return { clientId: principal?.clientId, userAssigned }
}

function decodeOidc({ issuer, audience, owners }: Section = {}): ControlPlaneIssuer | undefined {
  if ((issuer === undefined) !== (audience === undefined))
    throw new OperatorError(`'auth' in the configuration file: 'issuer' and 'audience' go together.`)
  if (issuer === undefined) {
    if (owners)
      throw new OperatorError(`'auth' in the configuration file: 'owners' says who they are of an 'issuer'.`)
    return undefined
  }
  return {
    issuer: checkUrl(issuer, 'auth.issuer'),
    audiences: [audience ?? []].flat(),
    ...(owners && { owners: owners.map((id) => id.toLowerCase()) }),
  }
}

function decodePrincipals(section: Section['principals'] = [], cwd: string): readonly PrincipalSettings[] {
  const principals = section.map((each, index) => {
    const clientId = checkGuid(each.clientId, `auth.principals[${index}].clientId`)
    const { name, clientSecret, certificate, objectId = guidOf(clientId), administrator = false } = each
    if (clientSecret === undefined && certificate === undefined)
      throw new OperatorError(
        `'auth.principals[${index}]' in the configuration file has neither a clientSecret nor a certificate.`,
      )
    return {
      name,
      clientId,
      clientSecret,
      certificate:
        certificate === undefined
          ? undefined
          : readCertificate(resolve(cwd, certificate), `auth.principals[${index}].certificate`),
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

/** A certificate in PEM; whether it is still valid is asked when someone signs in with it. */
function readCertificate(file: string, key: string): ClientCertificate {
  try {
    const { publicKey, validFromDate, validToDate } = new X509Certificate(readFileSync(file))
    if (publicKey.asymmetricKeyType !== 'rsa') throw new Error('its key is not an RSA key')
    return { publicKey, validFrom: validFromDate.getTime(), validUntil: validToDate.getTime() }
  } catch (error) {
    throw new OperatorError(
      `'${key}' in the configuration file: ${file} is no certificate to sign in with: ${(error as Error).message}`,
      error,
    )
  }
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
