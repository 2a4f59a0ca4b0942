/*
 * What is added to every event that is made of an MQTT message: extension attributes whose values are fixed, or are
 * read from the message and its publisher. Compiled once per configuration into a list of functions.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-routing-enrichment
 */

export interface RoutingEnrichments {
  readonly static: readonly { readonly key: string; readonly value: string }[]
  readonly dynamic: readonly { readonly key: string; readonly value: string }[]
}

/** What enrichments read. */
export interface EnrichedMessage {
  readonly topicName: string
  readonly payloadFormatIndicator?: number | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Buffer | undefined
  readonly userProperties?: readonly (readonly [string, string])[] | undefined
}

export interface Publisher {
  readonly authenticationName: string
  readonly attributes: Readonly<Record<string, unknown>>
}

export type EnrichmentValue = string | number

export interface Enrichment {
  readonly key: string
  /** An attribute or property that is not there gives an empty string. */
  readonly valueOf: (message: EnrichedMessage, publisher: Publisher) => EnrichmentValue
}

/** @throws SyntaxError for a dynamic value that is not exactly one known variable */
export function compileEnrichments(enrichments: RoutingEnrichments): readonly Enrichment[] {
  return [
    ...enrichments.static.map(({ key, value }) => ({ key, valueOf: () => value })),
    ...enrichments.dynamic.map(({ key, value }) => ({ key, valueOf: compileVariable(value) })),
  ]
}

/** Whether a dynamic enrichment may have that value. */
export function isEnrichmentVariable(text: string): boolean {
  return variableIn(text) !== undefined
}

/** What the value of a dynamic enrichment must be. */
export const enrichmentVariableWords =
  'one variable: ${client.authenticationName}, ${client.attributes.name}, ${mqtt.message.topicName}, ' +
  '${mqtt.message.responseTopic}, ${mqtt.message.correlationData}, ${mqtt.message.pfi}, ' +
  "${mqtt.message.userProperties.name} or ${mqtt.message.userProperties['name']}"

const attributePrefix = 'client.attributes.'
const userProperties = 'mqtt.message.userProperties'

function compileVariable(text: string): Enrichment['valueOf'] {
  const valueOf = variableIn(text)
  if (!valueOf)
    throw new SyntaxError(`A dynamic enrichment must be ${enrichmentVariableWords}; it is '${text}'.`)
  return valueOf
}

function variableIn(text: string): Enrichment['valueOf'] | undefined {
  const variable = /^\$\{(.*)\}$/s.exec(text)?.[1]
  return variable === undefined ? undefined : (known.get(variable) ?? compileNamed(variable))
}

const known = new Map<string, Enrichment['valueOf']>([
  ['client.authenticationName', (_message, { authenticationName }) => authenticationName],
  ['mqtt.message.topicName', ({ topicName }) => topicName],
  ['mqtt.message.responseTopic', ({ responseTopic }) => responseTopic ?? ''],
  ['mqtt.message.correlationData', ({ correlationData }) => correlationData?.toString('base64') ?? ''],
  ['mqtt.message.pfi', ({ payloadFormatIndicator }) => payloadFormatIndicator ?? 0],
])

function compileNamed(variable: string): Enrichment['valueOf'] | undefined {
  if (variable.startsWith(attributePrefix)) {
    const name = variable.slice(attributePrefix.length)
    if (!/^\w+$/.test(name)) return undefined
    return (_message, { attributes }) =>
      Object.hasOwn(attributes, name) ? attributeValue(attributes[name]) : ''
  }
  if (!variable.startsWith(userProperties)) return undefined
  const name = userPropertyName(variable.slice(userProperties.length))
  if (name === undefined) return undefined
  return (message) => {
    let found: string | undefined
    for (const [key, value] of message.userProperties ?? [])
      if (key === name) found = found === undefined ? value : `${found},${value}`
    return found ?? ''
  }
}

/** Of `.name` or `['name']`, in which a quote or a backslash has a backslash before it. */
function userPropertyName(text: string): string | undefined {
  const plain = /^\.([^\s.'[\]{}\\]+)$/.exec(text)?.[1]
  if (plain !== undefined) return plain
  const quoted = /^\['((?:[^'\\]|\\['\\])+)'\]$/s.exec(text)?.[1]
  return quoted?.replaceAll(/\\(['\\])/g, '$1')
}

function attributeValue(value: unknown): EnrichmentValue {
  if (typeof value === 'number' || typeof value === 'string') return value
  return Array.isArray(value) ? value.join(',') : JSON.stringify(value)
}
