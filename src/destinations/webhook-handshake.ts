import type { Clock } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { DestinationEnvironment, Verification, VerificationRequest } from './destination.ts'
import { type Credential, encodeNotice } from './http-delivery.ts'
import { notAllowed } from './network.ts'
import type { Answer, Channel, Sender, SendRequest } from './sender.ts'
import { webhookCredential } from './webhook.ts'
import { webhookOrigin } from './webhook-headers.ts'
import { type WebhookSettings, webhookSettings } from './webhook-settings.ts'

/** Attempts at one handshake, when nothing answers; an answer of any kind ends it. */
const handshakeAttempts = 3
/** Policy time between them. */
const handshakeDelayMs = 5_000
/** Of the answer to a validation event. */
const handshakeBytes = 16 * 1024
/** Requests a minute that are asked for in the CloudEvents handshake. */
const requestedRate = '120'

/**
 * Asks an endpoint whether it wants these events, in the way of its delivery schema.
 *
 * Source: learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema and
 * end-point-validation-cloud-events-schema
 */
export async function verifyWebhook(
  request: VerificationRequest,
  environment: DestinationEnvironment,
  signal: AbortSignal,
): Promise<Verification> {
  const { context } = request
  const settings = webhookSettings(request.settings)
  const url = new URL(settings.endpointUrl)
  const path = url.pathname + url.search
  const handshake =
    context.deliverySchema === 'CloudEventSchemaV1_0'
      ? cloudEventsHandshake(settings, request, path)
      : eventGridHandshake(settings, request, path, environment.clock)
  const { clock, sender } = environment
  const credential = webhookCredential(settings, environment)
  return shakeHands(url, handshake, { clock, sender, credential }, signal)
}

/** Sends the request of a handshake and judges the answer. Never rejects for what the endpoint did. */
export async function shakeHands(
  url: URL,
  handshake: Handshake,
  by: { readonly clock: Clock; readonly sender: Sender; readonly credential: Credential | undefined },
  signal: AbortSignal,
): Promise<Verification> {
  const { clock, sender, credential } = by
  const headers = [...handshake.request.headers]
  if (credential) {
    try {
      headers.push(credential.header, await credential.value())
    } catch (error) {
      return { kind: 'refused', message: `No token could be had: ${(error as Error).message}` }
    }
  }
  const channel = sender.open(url.origin)
  try {
    const answer = await ask(channel, { ...handshake.request, headers }, clock, signal)
    const verification = answer.kind === 'response' ? handshake.judge(answer) : undefined
    if (verification) return verification
    const message = refusal(`${url.origin}${url.pathname}`, handshake, answer, clock)
    return { kind: 'refused', message }
  } finally {
    await channel.close()
  }
}

type Response = Extract<Answer, { kind: 'response' }>

export interface Handshake {
  readonly request: SendRequest
  readonly help: string
  /** Undefined when the endpoint said no. */
  judge(response: Response): Verification | undefined
}

/** A validation event is posted; 200 and the code sent back is a yes, 200 alone leaves it to a person. */
export function eventGridHandshake(
  settings: Pick<WebhookSettings, 'attributes'>,
  { context, validationCode, validationUrl }: VerificationRequest,
  path: string,
  clock: Clock,
): Handshake {
  const { body, headers } = encodeNotice(settings, context, clock, {
    aegEventType: 'SubscriptionValidation',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    data: { validationCode, validationUrl },
  })
  return {
    request: { method: 'POST', path, headers, body },
    help: 'https://aka.ms/esvalidation',
    judge({ status, text }) {
      if (status !== 200) return undefined
      return { kind: validationResponse(text) === validationCode ? 'verified' : 'manual' }
    },
  }
}

/** Official samples answer with `validationResponse` and with `ValidationResponse`. */
export function validationResponse(text: string): unknown {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    // Not JSON is not an echo: the endpoint has answered without proof.
    return undefined
  }
  if (typeof answer !== 'object' || answer === null) return undefined
  return Object.entries(answer).find(([name]) => name.toLowerCase() === 'validationresponse')?.[1]
}

/**
 * Permission is asked for; the header that grants it decides, and where it is missing the callback may. Namespaces ask
 * for no callback and no rate.
 *
 * Source: also learn.microsoft.com/azure/event-grid/namespace-handler-webhook, "Endpoint validation"
 */
function cloudEventsHandshake(
  settings: WebhookSettings,
  { validationUrl, context }: VerificationRequest,
  path: string,
): Handshake {
  const headers = ['Accept', '*/*', 'User-Agent', 'Busbar', 'WebHook-Request-Origin', webhookOrigin]
  if (!context.ofNamespaceTopic)
    headers.push('WebHook-Request-Callback', validationUrl, 'WebHook-Request-Rate', requestedRate)
  for (const attribute of settings.attributes)
    if (attribute.type === 'Static' && attribute.name.toLowerCase() === 'authorization')
      headers.push(attribute.name, attribute.value)
  return {
    request: { method: 'OPTIONS', path, headers, body: null },
    help: 'https://aka.ms/esvalidationcloudevent',
    judge({ status, headers: answered }) {
      if (status < 200 || status > 299) return undefined
      const allowed = answered['webhook-allowed-origin']
      if (allowed === undefined) return context.ofNamespaceTopic ? undefined : { kind: 'manual' }
      const origins = (Array.isArray(allowed) ? allowed : [allowed]).flatMap((value) => value.split(','))
      const granted = origins.some((origin) => ['*', webhookOrigin].includes(origin.trim().toLowerCase()))
      return granted ? { kind: 'verified' } : undefined
    },
  }
}

async function ask(
  channel: Channel,
  request: SendRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await channel.send(request, { bytes: handshakeBytes, onlyFailures: false }, signal)
    if (attempt === handshakeAttempts || !isWorthAnother(answer)) return answer
    await wait(clock, handshakeDelayMs, signal)
  }
}

/** Only where nothing answered; what the network rules forbid stays forbidden. */
const isWorthAnother = (answer: Answer) =>
  answer.kind === 'timeout' || (answer.kind === 'failed' && answer.code !== notAllowed)

function wait(clock: Clock, policyMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.at(clock.after(policyMs), () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    const stop = () => {
      timer.cancel()
      resolve()
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** In the service's words, its misspelling included. The query is left out: it may hold a secret. */
function refusal(baseUrl: string, { request, help }: Handshake, answer: Answer, clock: Clock): string {
  const failed = `Http ${request.method} request failed`
  const why =
    answer.kind === 'response'
      ? `${failed} with response code ${answer.status}.`
      : answer.kind === 'failed'
        ? `${failed} with error ${answer.code}: ${answer.message}.`
        : answer.kind === 'timeout'
          ? `${failed}: no response within 30 seconds.`
          : `${failed}: it was cut off.`
  return (
    `Webhook validation handshake failed for ${baseUrl}. ${why} For troublehooting, visit ${help}. ` +
    `Activity id:${newGuid()}, timestamp: ${usTime(clock.now())} (UTC).`
  )
}

/** `M/d/yyyy h:mm:ss tt` */
function usTime(now: number): string {
  const at = new Date(now)
  const hour = at.getUTCHours()
  const two = (number: number) => String(number).padStart(2, '0')
  const date = `${at.getUTCMonth() + 1}/${at.getUTCDate()}/${at.getUTCFullYear()}`
  return `${date} ${hour % 12 || 12}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} ${hour < 12 ? 'AM' : 'PM'}`
}
