import { decodeShared, isShared } from './topics.ts'

/*
 * Which subscriptions a topic name matches. Filters are kept level by level; what a topic name matched is kept too,
 * until a change that could touch it, so that a stream of messages to one topic is matched once.
 */

/** What the tree needs to know of a subscription; `Member` is the session that made it. */
export interface TreeSubscription {
  /** As subscribed, `$share/{group}/` included. */
  readonly filter: string
}

export interface SharedGroup<Subscription> {
  readonly members: Subscription[]
  /** Whose turn it is. */
  next: number
}

export interface Matches<Subscription> {
  readonly subscriptions: readonly Subscription[]
  readonly groups: readonly SharedGroup<Subscription>[]
}

interface Node<Subscription> {
  readonly parent: Node<Subscription> | undefined
  readonly level: string
  children: Map<string, Node<Subscription>> | undefined
  subscriptions: Set<Subscription> | undefined
  groups: Map<string, SharedGroup<Subscription>> | undefined
}

export class SubscriptionTree<Subscription extends TreeSubscription> {
  readonly #root: Node<Subscription> = newNode<Subscription>(undefined, '')
  #count = 0

  /** Subscriptions held. */
  get count(): number {
    return this.#count
  }

  add(subscription: Subscription): void {
    const { node, group } = this.#place(subscription.filter)
    if (group === undefined) (node.subscriptions ??= new Set()).add(subscription)
    else {
      node.groups ??= new Map()
      const known = node.groups.get(group)
      if (known) known.members.push(subscription)
      else node.groups.set(group, { members: [subscription], next: 0 })
    }
    this.#count++
  }

  remove(subscription: Subscription): void {
    const { node, group } = this.#place(subscription.filter)
    if (group === undefined) {
      if (!node.subscriptions?.delete(subscription)) return prune(node)
      if (node.subscriptions.size === 0) node.subscriptions = undefined
    } else {
      const members = node.groups?.get(group)?.members
      const at = members?.indexOf(subscription) ?? -1
      if (!members || at < 0) return prune(node)
      members.splice(at, 1)
      if (members.length === 0) node.groups?.delete(group)
      if (node.groups?.size === 0) node.groups = undefined
    }
    this.#count--
    prune(node)
  }

  /** Every subscription whose filter matches, in no order. */
  match(topicName: string): Matches<Subscription> {
    const found = { subscriptions: [] as Subscription[], groups: [] as SharedGroup<Subscription>[] }
    const levels = topicName.split('/')
    // A wildcard in the first level matches no topic name that begins with $. [MQTT-4.7.2-1]
    const reserved = topicName.startsWith('$')
    const take = (node: Node<Subscription>) => {
      if (node.subscriptions) for (const each of node.subscriptions) found.subscriptions.push(each)
      if (node.groups) for (const each of node.groups.values()) found.groups.push(each)
    }
    const walk = (node: Node<Subscription>, depth: number) => {
      const children = node.children
      const wild = depth > 0 || !reserved
      // `a/#` matches `a` too. [MQTT-4.7.1-2]
      if (wild) {
        const all = children?.get('#')
        if (all) take(all)
      }
      if (depth === levels.length) return take(node)
      if (!children) return
      const exact = children.get(levels[depth] as string)
      if (exact) walk(exact, depth + 1)
      if (!wild) return
      const any = children.get('+')
      if (any) walk(any, depth + 1)
    }
    walk(this.#root, 0)
    return found
  }

  #place(text: string): { readonly node: Node<Subscription>; readonly group: string | undefined } {
    const shared = isShared(text) ? decodeShared(text) : undefined
    let node = this.#root
    for (const level of (shared?.filter ?? text).split('/')) {
      node.children ??= new Map()
      let child = node.children.get(level)
      if (!child) node.children.set(level, (child = newNode(node, level)))
      node = child
    }
    return { node, group: shared?.group }
  }
}

function prune<Subscription>(from: Node<Subscription>): void {
  let node = from
  while (node.parent && !node.children && !node.subscriptions && !node.groups) {
    const { parent, level } = node
    parent.children?.delete(level)
    if (parent.children?.size === 0) parent.children = undefined
    node = parent
  }
}

const newNode = <Subscription>(
  parent: Node<Subscription> | undefined,
  level: string,
): Node<Subscription> => ({
  parent,
  level,
  children: undefined,
  subscriptions: undefined,
  groups: undefined,
})
