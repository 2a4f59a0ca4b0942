/*
 * Topic names and topic filters: what is one, and which name a filter matches. Nothing here is asked per message.
 */

/** A topic name has no wildcard, no NUL, and at least one character. [MQTT-3.3.2-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2] */
export function isTopicName(text: string): boolean {
  if (text.length === 0) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === plus || code === hash || code === 0) return false
  }
  return true
}

/** A wildcard fills its level, and `#` is last. [MQTT-4.7.1-1] [MQTT-4.7.1-2] */
export function isTopicFilter(text: string): boolean {
  if (text.length === 0) return false
  const last = text.length - 1
  for (let at = 0; at <= last; at++) {
    const code = text.charCodeAt(at)
    if (code === 0) return false
    if (code !== plus && code !== hash) continue
    if (at > 0 && text.charCodeAt(at - 1) !== slash) return false
    if (code === hash ? at !== last : at < last && text.charCodeAt(at + 1) !== slash) return false
  }
  return true
}

/** Wildcards of the first level do not stand for what begins with `$`. [MQTT-4.7.2-1] */
export function filterMatches(filter: string, topicName: string): boolean {
  if (filter === topicName) return true
  if (topicName.startsWith('$') && !filter.startsWith('$')) return false
  const levels = topicName.split('/')
  const wanted = filter.split('/')
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false
  }
  return wanted.length === levels.length
}

export function segmentsOf(text: string): number {
  let segments = 1
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) === slash) segments++
  return segments
}

export interface SharedFilter {
  readonly group: string
  readonly filter: string
}

export const isShared = (filter: string): boolean => filter.startsWith(sharePrefix)

/**
 * The parts of `$share/{group}/{filter}`; undefined when one of them is not well formed.
 * [MQTT-4.8.2-1] [MQTT-4.8.2-2]
 */
export function decodeShared(text: string): SharedFilter | undefined {
  const end = text.indexOf('/', sharePrefix.length)
  if (end < 0) return undefined
  const group = text.slice(sharePrefix.length, end)
  const filter = text.slice(end + 1)
  return group !== '' && !/[+#]/.test(group) && isTopicFilter(filter) ? { group, filter } : undefined
}

/** The filter that decides what is received: without `$share/{group}/`. */
export const innerFilter = (filter: string): string =>
  isShared(filter) ? filter.slice(filter.indexOf('/', sharePrefix.length) + 1) : filter

const sharePrefix = '$share/'
const plus = 0x2b
const hash = 0x23
const slash = 0x2f
