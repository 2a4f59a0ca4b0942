import type { Ending } from './close-after.ts'
import { type RecordingWebhook, startRecordingWebhook, type WebhookHandler } from './recording-webhook.ts'

export interface FunctionsHost extends RecordingWebhook {
  /** Of the host, as a connection has it. */
  readonly base: string
}

/**
 * What the Event Grid extension in a host of Azure Functions does: one path for all functions, which are told apart
 * by the query, behind a key of the host's. It knows the functions with an Event Grid trigger alone.
 *
 * Source: the public source of the extension, `EventGridExtensionConfigProvider`
 */
export async function startFunctionsHost(
  t: Ending,
  { functions, key }: { readonly functions: readonly string[]; readonly key?: string },
): Promise<FunctionsHost> {
  const answer: WebhookHandler = ({ method, url, headers, body }, response) => {
    const end = (status: number, text = '') => {
      response.statusCode = status
      response.end(text)
    }
    const { pathname, searchParams } = new URL(url, 'http://host')
    if (method !== 'POST' || pathname !== '/runtime/webhooks/eventgrid') return end(404)
    if (key !== undefined && searchParams.get('code') !== key) return end(401)
    const name = searchParams.get('functionName') ?? ''
    if (!functions.some((each) => each.toLowerCase() === name.toLowerCase()))
      return end(404, `cannot find function: '${name}', available function names: [${functions.join(', ')}]`)
    switch (headers['aeg-event-type']) {
      case 'SubscriptionValidation':
        return end(200, JSON.stringify({ validationResponse: validationCode(body) }))
      case 'Notification':
      case 'Unsubscribe':
        return end(202)
      default:
        return end(400)
    }
  }
  const host = await startRecordingWebhook(t, answer, { handshake: answer })
  return { ...host, base: host.url.replace('/hook', '') }
}

/** Event Grid's schema has the code in an object; of a CloudEvent, the extension expects it in a string. */
function validationCode(body: unknown): unknown {
  if (Array.isArray(body)) return (body[0] as { data: { validationCode: string } }).data.validationCode
  return (JSON.parse((body as { data: string }).data) as { validationCode: string }).validationCode
}
