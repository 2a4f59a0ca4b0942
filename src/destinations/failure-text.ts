import type { HttpEndpoint } from './http-delivery.ts'
import type { Answer, Keep } from './sender.ts'

/** How much of a failure's response body is shown to whoever asks what happened. */
const shownCharacters = 256
/** A shorter parameter of the query is no secret, and would be found in any text. */
const leastSecretCharacters = 4
/** Credentials are not longer, as a rule. */
const credentialBytes = 8192

/** What is read of a failure's response body, and what of it may be told. */
export interface FailureText {
  readonly keep: Keep
  /** @param proof the value of the credential that the request carried, or '' */
  shown(answer: Answer, proof: string): Answer
}

/**
 * Endpoints may repeat what they were sent. Neither the query of the endpoint's URL nor a secret attribute nor a
 * credential goes from there into logs, traces and dead-letter records.
 */
export function createFailureText({
  url,
  attributes,
  credential,
  plainParameters = [],
}: Pick<HttpEndpoint, 'url' | 'attributes' | 'credential' | 'plainParameters'>): FailureText {
  const { search, searchParams } = new URL(url)
  // As they stand in the URL, and decoded.
  const encoded = search
    .slice(1)
    .split('&')
    .filter((pair) => !plainParameters.includes(pair.slice(0, pair.indexOf('='))))
    .map((pair) => pair.slice(pair.indexOf('=') + 1))
  const decoded = [...searchParams]
    .filter(([name]) => !plainParameters.includes(name))
    .map(([, value]) => value)
  const parameters = [...encoded, ...decoded].filter(({ length }) => length >= leastSecretCharacters)
  const values = attributes.map((each) => (each.type === 'Static' && each.isSecret ? each.value : ''))
  // The longest first: a secret may hold another.
  const secrets = [search.slice(1), ...parameters, ...values]
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length)
  // So much more that a secret which begins within what is shown is read whole.
  const longest = Math.max(0, ...secrets.map((secret) => Buffer.byteLength(secret)))
  const more = Math.max(longest, credential ? credentialBytes : 0)
  return {
    keep: { bytes: shownCharacters + more, onlyFailures: true },
    shown(answer, proof) {
      if (answer.kind !== 'response' || answer.text === '') return answer
      let { text } = answer
      // What follows the scheme is the secret.
      if (proof !== '') text = text.replaceAll(proof.slice(proof.indexOf(' ') + 1), 'Hidden')
      for (const secret of secrets) text = text.replaceAll(secret, 'Hidden')
      return { ...answer, text: text.slice(0, shownCharacters) }
    },
  }
}
