import type { TokenFor } from '../auth/webhook-tokens.ts'
import type { Clock } from '../base/clock.ts'
import type { WebhookAuthenticationSettings } from '../catalog/namespace.ts'
import { attributesOf } from '../client/attributes.ts'
import { readCertificate } from '../client/certificate.ts'
import { type ConnectRequest, reasonCodes } from './admission.ts'
import type { Attempt } from './attempt.ts'
import { failureOf, type Outgoing } from './outgoing.ts'
import { refused } from './refusals.ts'

const authenticationNameCharacters = 128
const shownCharacters = 200

export interface WebhookNeeds {
  /** As they are now; undefined: there is none any more. */
  readonly settings: () => WebhookAuthenticationSettings | undefined
  readonly outgoing: Outgoing
  readonly tokenFor: TokenFor
  readonly clock: Clock
}

/**
 * Asks a webhook of the namespace's owner who a client is. What it denies is not authorized; where it gives no
 * usable answer, the server is unavailable.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-custom-authentication-webhook
 */
export async function authenticateByWebhook(
  request: ConnectRequest,
  needs: WebhookNeeds,
  signal: AbortSignal,
): Promise<Attempt> {
  const { outgoing, tokenFor, clock } = needs
  const settings = needs.settings() as WebhookAuthenticationSettings
  const { endpointUrl, tenantId, applicationIdOrUri } = settings
  let token: string
  try {
    token = await tokenFor(tenantId, applicationIdOrUri)
  } catch (error) {
    return unavailable(`no token could be had for it: ${(error as Error).message}`)
  }
  const headers = ['Content-Type', 'application/json; charset=utf-8', 'Accept', 'application/json']
  headers.push('User-Agent', 'Busbar', 'Authorization', `Bearer ${token}`)
  const body = Buffer.from(JSON.stringify(encodeRequest(request)))
  const answer = await outgoing.request('POST', endpointUrl, headers, body, signal)
  if (answer.kind !== 'response' || answer.status !== 200) return unavailable(failureOf(answer))
  return judge(answer.text)

  function judge(text: string): Attempt {
    const said = decodeAnswer(text)
    if (said === undefined) return unavailable('its answer is no JSON object')
    const { decision, clientAuthenticationName: name, attributes, expiration, errorReason } = said
    const verdict = typeof decision === 'string' ? decision.toLowerCase() : undefined
    if (verdict === 'deny') {
      const reason = typeof errorReason === 'string' ? `: ${errorReason.slice(0, shownCharacters)}` : ''
      return refused(`The authentication webhook denied the client${reason}`)
    }
    if (verdict !== 'allow') return unavailable("its answer has no 'decision' that is allow or deny")
    if (typeof name !== 'string' || name === '' || name.length > authenticationNameCharacters)
      return unavailable(
        `its answer has no 'clientAuthenticationName' of 1 to ${authenticationNameCharacters} characters`,
      )
    if (expiration !== undefined && expiration !== null && typeof expiration !== 'number')
      return unavailable("the 'expiration' in its answer is not a number of seconds")
    const expiresAt = typeof expiration === 'number' ? expiration * 1000 : undefined
    if (expiresAt !== undefined && expiresAt <= clock.now())
      return refused('What the authentication webhook allowed has expired already')
    const known = attributesOf(isObject(attributes) ? attributes : {})
    return {
      kind: 'proved',
      proof: {
        record: {
          kind: 'webhook',
          authenticationName: name,
          attributes: known,
          ...(expiresAt !== undefined && { expiresAt }),
        },
        attributes: known,
        expiresAt,
        log: {
          authenticationType: 'Webhook',
          clientIdentitySource: 'Webhook',
          authenticationAuthority: 'Webhook',
          clientIdentity: name,
        },
        flaw: () =>
          needs.settings()?.endpointUrl === endpointUrl
            ? undefined
            : 'The webhook that let the client in is not the one of the namespace any more',
      },
    }
  }
}

function encodeRequest(request: ConnectRequest): Readonly<Record<string, unknown>> {
  const { clientId, userName, password, authenticationMethod, authenticationData, certificates } = request
  const [own, ...chain] = certificates.flatMap((each) => readCertificate(each)?.toString() ?? [])
  return {
    clientId,
    userName,
    password: password && base64(password),
    authenticationMethod,
    authenticationData: authenticationData && base64(authenticationData),
    clientCertificate: own,
    clientCertificateChain: chain.length > 0 ? chain.join('') : undefined,
  }
}

const base64 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

function decodeAnswer(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(text) as unknown
    return isObject(value) ? value : undefined
  } catch {
    // What is no JSON says nothing of the client.
    return undefined
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const unavailable = (why: string): Attempt =>
  refused(`The authentication webhook could not be asked: ${why}`, reasonCodes.serverUnavailable)
