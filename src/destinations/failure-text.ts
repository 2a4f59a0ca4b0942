import type { Answer, Keep } from './sender.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/** How much of a failure's response body is shown to whoever asks what happened. */
const shownCharacters = 256
/** A shorter parameter of the query is no secret, and would be found in any text. */
const leastSecretCharacters = 4

/** What is read of a failure's response body, and what of it may be told. */
export interface FailureText {
  readonly keep: Keep
  shown(answer: Answer): Answer
}

/**
 * Endpoints may repeat what they were sent. Neither the query of the endpoint's URL nor a secret attribute goes
 * from there into logs, traces and dead-letter records.
 */
export function createFailureText({ endpointUrl, attributes }: WebhookSettings): FailureText {
  const { search, searchParams } = new URL(endpointUrl)
  // As they stand in the URL, and decoded.
  const encoded = search
    .slice(1)
    .split('&')
    .map((pair) => pair.slice(pair.indexOf('=') + 1))
  const parameters = [...encoded, ...searchParams.values()].filter(
    ({ length }) => length >= leastSecretCharacters,
  )
  const values = attributes.map((each) => (each.type === 'Static' && each.isSecret ? each.value : ''))
  // The longest first: a secret may hold another.
  const secrets = [search.slice(1), ...parameters, ...values]
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length)
  // So much more that a secret which begins within what is shown is read whole.
  const more = Math.max(0, ...secrets.map((secret) => Buffer.byteLength(secret)))
  return {
    keep: { bytes: shownCharacters + more, onlyFailures: true },
    shown(answer) {
      if (answer.kind !== 'response' || answer.text === '') return answer
      let text = answer.text
      for (const secret of secrets) text = text.replaceAll(secret, 'Hidden')
      return { ...answer, text: text.slice(0, shownCharacters) }
    },
  }
}
