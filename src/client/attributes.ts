/*
 * What is known of an MQTT client beside its name. Groups ask for it, topic templates and enrichments put it in.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-clients, "Client attributes"
 */

export type AttributeValue = string | number | boolean | readonly string[]

export type ClientAttributes = Readonly<Record<string, AttributeValue>>

/** Who a client is, as far as rules ask. */
export interface ClientFacts {
  /** With the registered spelling. */
  readonly authenticationName: string
  readonly attributes: ClientAttributes
}

export const attributeKey = /^[a-zA-Z0-9_]+$/

/** Members of a token or of a webhook's answer that may become attributes; more of them are not looked at. */
const claimsLookedAt = 1_000

/**
 * The attributes among the claims of a token, or in the answer of a webhook: 32-bit integers, strings and arrays of
 * strings. What is of another type is ignored, as is a name that no query can ask for.
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-custom-json-web-token, "Custom JWT claims"
 */
export function attributesOf(
  claims: Readonly<Record<string, unknown>>,
  without: ReadonlySet<string> = new Set(),
): ClientAttributes {
  const attributes: Record<string, AttributeValue> = {}
  for (const [name, value] of Object.entries(claims).slice(0, claimsLookedAt))
    if (!without.has(name) && attributeKey.test(name) && isAttribute(value)) attributes[name] = value
  return attributes
}

function isAttribute(value: unknown): value is AttributeValue {
  if (typeof value === 'string') return true
  if (typeof value === 'number') return Number.isInteger(value) && value === (value | 0)
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
