import type { DurableSession, Qos } from './realm.ts'
import type { Session, Subscription } from './session.ts'
import type { Matches, SharedGroup } from './subscription-tree.ts'

/*
 * Where the messages of one topic name go: made once from what the name matched, and used until a subscription
 * changes that could touch it.
 */

/** One session that gets the message once, however many of its subscriptions matched. */
export interface Target {
  readonly session: Session
  readonly qos: Qos
  /** The session's own messages do not come back to it. */
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly subscriptionIds: readonly number[] | undefined
  /** What the session gets of its own messages where some of its subscriptions have No Local and others not. */
  readonly own?: Target | undefined
}

/** Durable sessions that get a message in the same way. */
export interface DurableGroup {
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly subscriptionIds: readonly number[] | undefined
  readonly sessions: DurableSession[]
  readonly owners: Session[]
}

export interface Route {
  readonly topicName: string
  readonly topic: Buffer
  readonly targets: readonly Target[]
  readonly groups: readonly SharedGroup<Subscription>[]
  /** Some target has No Local, so that who publishes matters. */
  readonly local: boolean
  /** Some session is durable. */
  readonly durable: boolean
  /** By QoS and RETAIN of the message; made when first asked for. */
  readonly durableGroups: (readonly DurableGroup[] | undefined)[]
}

let marks = 0

export function createRoute(topicName: string, matches: Matches<Subscription>): Route {
  const { subscriptions, groups } = matches
  const mark = ++marks
  let overlaps = false
  for (const { session } of subscriptions) {
    if (session.mark === mark) overlaps = true
    session.mark = mark
  }
  const targets: readonly Target[] = overlaps ? merged(subscriptions) : subscriptions
  return {
    topicName,
    topic: Buffer.from(topicName),
    targets,
    groups,
    local: targets.some(({ noLocal, own }) => noLocal || own !== undefined),
    durable: targets.some(({ session }) => session.durable !== undefined),
    durableGroups: [],
  }
}

/** One target for each session, at the highest granted QoS, with the identifiers of all that matched. [MQTT-3.3.4-3] */
function merged(subscriptions: readonly Subscription[]): readonly Target[] {
  const bySession = new Map<Session, Subscription[]>()
  for (const subscription of subscriptions) {
    const others = bySession.get(subscription.session)
    if (others) others.push(subscription)
    else bySession.set(subscription.session, [subscription])
  }
  return [...bySession.values()].map((all) => {
    const foreign = all.filter(({ noLocal }) => !noLocal)
    if (foreign.length === all.length || foreign.length === 0) return merge(all)
    return { ...merge(all), own: merge(foreign) }
  })
}

function merge(all: readonly Subscription[]): Target {
  const [first] = all as readonly [Subscription]
  const ids = all.flatMap(({ subscriptionIds }) => subscriptionIds ?? [])
  return {
    session: first.session,
    qos: Math.max(...all.map(({ qos }) => qos)) as Qos,
    noLocal: all.every(({ noLocal }) => noLocal),
    retainAsPublished: all.some(({ retainAsPublished }) => retainAsPublished),
    subscriptionIds: ids.length > 0 ? ids : undefined,
  }
}

/** The durable sessions of the route by how they get a message of that QoS and RETAIN. */
export function durableGroups(
  targets: readonly Target[],
  qos: 1 | 2,
  retain: boolean,
): readonly DurableGroup[] {
  const groups: DurableGroup[] = []
  for (const target of targets) {
    const { session, subscriptionIds } = target
    const granted = Math.min(qos, target.qos)
    if (!session.durable || granted === 0) continue
    const withRetain = retain && target.retainAsPublished
    let group = groups.find(
      (each) =>
        each.qos === granted &&
        each.retain === withRetain &&
        each.subscriptionIds === undefined &&
        subscriptionIds === undefined,
    )
    if (!group) {
      group = { qos: granted as 1 | 2, retain: withRetain, subscriptionIds, sessions: [], owners: [] }
      groups.push(group)
    }
    group.sessions.push(session.durable)
    group.owners.push(session)
  }
  return groups
}
