/**
 * True for the ARM id of a resource of that type in a resource group, in any letter case.
 *
 * Source: the ARM resource provider contract, "Resource names": what would mean something else in a URL is in none.
 */
export function isResourceId(value: string, type: string): boolean {
  const [namespace = '', ...kinds] = type.split('/')
  const words = ['subscriptions', '', 'resourceGroups', '', 'providers', namespace]
  const expected = ['', ...words, ...kinds.flatMap((kind) => [kind, ''])]
  const segments = value.split('/')
  return (
    segments.length === expected.length &&
    expected.every((word, at) => {
      const segment = segments[at] ?? ''
      if (word === '' && at > 0) return isName(segment)
      return segment.toLowerCase() === word.toLowerCase()
    })
  )
}

const isName = (segment: string) => /^(?!\.{1,2}$)[^<>%&\\?#/\p{Cc}]{1,260}$/u.test(segment)

/** One of the things that an id leads through: a subscription, a group, a resource, a child of it. */
export interface Level {
  /** Such as `Microsoft.EventGrid/domains/topics`, in the casing of the id. */
  readonly type: string
  readonly id: string
}

export const subscriptionType = 'Microsoft.Resources/subscriptions'
export const groupType = 'Microsoft.Resources/resourceGroups'

/** What an id leads through, the outermost first and what it names last; empty when it is no ARM id. */
export function levelsOf(id: string): readonly Level[] {
  const segments = id.split('/')
  const word = (at: number) => segments[at]?.toLowerCase()
  const upTo = (end: number) => segments.slice(0, end).join('/')
  if (segments[0] !== '' || word(1) !== 'subscriptions' || !segments[2]) return []
  const levels: Level[] = [{ type: subscriptionType, id: upTo(3) }]
  let at = 3
  if (word(at) === 'resourcegroups' && segments[at + 1]) {
    at += 2
    levels.push({ type: groupType, id: upTo(at) })
  }
  while (at < segments.length) {
    if (word(at) !== 'providers' || !segments[at + 1] || !segments[at + 2]) return []
    let type = segments[at + 1] as string
    at += 2
    while (at < segments.length && word(at) !== 'providers') {
      if (!segments[at] || !segments[at + 1]) return []
      type += `/${segments[at]}`
      at += 2
      levels.push({ type, id: upTo(at) })
    }
  }
  return levels
}

/** The type of what an id names, in the casing of the id; undefined when it is no ARM id. */
export const typeOfId = (id: string): string | undefined => levelsOf(id).at(-1)?.type

export const isSameType = (one: string | undefined, other: string): boolean =>
  one?.toLowerCase() === other.toLowerCase()

/** The id of the resource group that an id lies in. */
export const groupIdIn = (id: string): string | undefined =>
  levelsOf(id).find(({ type }) => type === groupType)?.id

/** The last segment: the name of what the id names. */
export const nameInId = (id: string): string => id.slice(id.lastIndexOf('/') + 1)
