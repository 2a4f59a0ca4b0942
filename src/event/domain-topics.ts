/** What the text means by which an event names the domain topic that it is for. */
export type NamedTopic<T> =
  | { readonly kind: 'topic'; readonly topic: T }
  /** The ARM id of something that is no topic of this domain. */
  | { readonly kind: 'foreign' }
  /** No domain topic can be called so. */
  | { readonly kind: 'unnamable' }

export const domainTopicNameRule =
  "3 to 50 letters, digits or hyphens that do not begin with 'Microsoft', 'EventGrid' or 'System'"

/** Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors */
const topicName = /^(?!microsoft|eventgrid|system)[a-z0-9-]{3,50}$/i

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
    if (topicName.test(name)) return { kind: 'topic', topic: make(prefix + name) }
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
