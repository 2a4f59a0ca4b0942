import type { Clock, EpochMs } from '../base/clock.ts'
import { readBoundedJson } from './bounded-json.ts'
import type { Issuer } from './issuer.ts'
import { guidOf } from './principals.ts'

/** Who issues tokens for webhooks that another tenant protects, and as whom Busbar asks for them. */
export interface WebhookTokenSettings {
  /** A guid in lower case. */
  readonly tenantId: string
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly clientSecret: string
}

/**
 * A bearer token for an application that protects a webhook. Rejects with an `Error` that says why none is to be had.
 *
 * @param applicationIdOrUri the `aud` of the token
 */
export type TokenFor = (tenantId: string, applicationIdOrUri: string) => Promise<string>

/** Event Grid's own application in every tenant. */
export const eventGridApplicationId = '4962773b-9cdb-44cf-a8bf-237846a00ab7'
/** Source: learn.microsoft.com/azure/event-grid/secure-webhook-delivery */
const secureWebhookRole = 'AzureEventGridSecureWebhookSubscriber'

/** A guid, or one of the tenant's domains; it becomes a part of URLs. */
export const isTenantName = (text: string): boolean => /^[a-z0-9][a-z0-9.-]{0,99}$/i.test(text)

const rememberedTokens = 1_000
/** How long before it expires a token is asked for anew. */
const renewBeforeMs = 300_000
const endpointTimeoutMs = 10_000
const answerBytes = 262_144

interface Token {
  readonly token: string
  readonly expiresAt: EpochMs
}

/**
 * Tokens for webhooks that Microsoft Entra ID protects: of our own issuer, unless the configuration says who issues
 * for that tenant. Each is kept until shortly before it expires; those who ask at the same time wait for the same one.
 */
export function createWebhookTokens({
  issuer,
  base,
  outside,
  clock,
}: {
  readonly issuer: Issuer
  /** Receivers find our issuer's discovery document below it. */
  readonly base: () => string
  readonly outside: readonly WebhookTokenSettings[]
  readonly clock: Clock
}): TokenFor {
  const byTenant = new Map(outside.map((settings) => [settings.tenantId, settings]))
  const remembered = new Map<string, Token | Promise<Token>>()

  const obtain = (tenantId: string, application: string): Promise<Token> => {
    const settings = byTenant.get(tenantId)
    if (settings) return ask(settings, application, clock)
    if (!isTenantName(tenantId))
      return Promise.reject(new Error(`'${tenantId}' is neither the id nor a domain of a tenant`))
    return issuer.sign({
      base: base(),
      tenantId,
      audience: application,
      clientId: eventGridApplicationId,
      objectId: guidOf(`${tenantId}/${eventGridApplicationId}`),
      roles: [secureWebhookRole],
      version: '2.0',
    })
  }
  return async (tenant, application) => {
    const tenantId = tenant.toLowerCase()
    const key = `${tenantId} ${application}`
    const known = remembered.get(key)
    if (known instanceof Promise) return (await known).token
    if (known && known.expiresAt - renewBeforeMs > clock.now()) return known.token
    const asked = obtain(tenantId, application)
    remembered.delete(key)
    if (remembered.size >= rememberedTokens) remembered.delete(remembered.keys().next().value as string)
    remembered.set(key, asked)
    try {
      const token = await asked
      if (remembered.get(key) === asked) remembered.set(key, token)
      return token.token
    } catch (error) {
      if (remembered.get(key) === asked) remembered.delete(key)
      throw error
    }
  }
}

/** Source: RFC 6749, section 4.4; learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
async function ask(settings: WebhookTokenSettings, application: string, clock: Clock): Promise<Token> {
  const { tokenEndpoint, tenantId, clientId, clientSecret } = settings
  const askedAt = clock.now()
  try {
    const response = await fetch(tokenEndpoint, {
      method: 'POST',
      signal: AbortSignal.timeout(endpointTimeoutMs),
      redirect: 'error',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        scope: `${application}/.default`,
      }),
    })
    const answer = await readBoundedJson(response, answerBytes)
    const { access_token: token, expires_in: seconds } = answer
    if (!response.ok) throw new Error(`it answered ${response.status} '${String(answer.error)}'`)
    if (typeof token !== 'string' || !(Number(seconds) > 0))
      throw new Error('its answer has no access_token with an expires_in')
    return { token, expiresAt: askedAt + Number(seconds) * 1000 }
  } catch (cause) {
    throw new Error(
      `No token for '${application}' in tenant ${tenantId} from ${tokenEndpoint}: ${(cause as Error).message}`,
      { cause },
    )
  }
}
