/** What the text means by which an event names the domain topic that it is for. */
export type NamedTopic<T> =
  | { readonly kind: 'topic'; readonly topic: T }
  /** The ARM id of something that is no topic of this domain. */
  | { readonly kind: 'foreign' }
  /** No domain topic can be called so. */
  | { readonly kind: 'unnamable' }

/**
 * What a domain topic may be called. The limit is the larger of two that are documented.
 *
 * Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors; the Terraform provider's own check
 */
export const domainTopicName = {
  pattern: /^[a-zA-Z0-9-]{3,128}$/,
  rule: '3 to 128 letters, digits or hyphens',
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
} as const

export const domainTopicNameRule = `${domainTopicName.rule} that do not begin with ${domainTopicName.reservedPrefixes
  .map((prefix) => `'${prefix}'`)
  .join(', ')}`

const isDomainTopicName = (name: string) =>
  domainTopicName.pattern.test(name) &&
  !domainTopicName.reservedPrefixes.some((prefix) => name.toLowerCase().startsWith(prefix.toLowerCase()))

/** How many texts are remembered; beyond it, all are forgotten. A domain has up to 100,000 topics. */
const rememberedTexts = 10_000

/** Longer ones are read every time, so that what is remembered has a bound in bytes too. */
const rememberedCharacters = 1_024

/**
 * Reads what events name their domain topic by: its short name, or its whole ARM id in any letter case. What
 * `make` makes of a topic's ARM id is made once and remembered. The topic need not exist.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-domains, "Publishing to an event domain"
 */
export function createDomainTopics<T>(
  domainId: string,
  make: (topicId: string) => T,
): (text: string) => NamedTopic<T> {
  const prefix = `${domainId}/topics/`
  const lowerPrefix = prefix.toLowerCase()
  const remembered = new Map<string, NamedTopic<T>>()
  const read = (text: string): NamedTopic<T> => {
    const isBelow = text.slice(0, prefix.length).toLowerCase() === lowerPrefix
    const name = isBelow ? text.slice(prefix.length) : text
    if (isDomainTopicName(name)) return { kind: 'topic', topic: make(prefix + name) }
    return !isBelow && /^\/subscriptions\//i.test(text) ? { kind: 'foreign' } : { kind: 'unnamable' }
  }
  return (text) => {
    let named = remembered.get(text)
    if (named) return named
    named = read(text)
    if (text.length <= rememberedCharacters) {
      if (remembered.size >= rememberedTexts) remembered.clear()
      remembered.set(text, named)
    }
    return named
  }
}
