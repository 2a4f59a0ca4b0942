import type { EpochMs } from '../base/clock.ts'
import { bytesOf } from './message.ts'
import type { Message } from './realm.ts'

/*
 * The retained message of each topic name, by levels, so that a filter finds its own. What has expired is left out
 * and forgotten when it is met.
 */

interface Node {
  children: Map<string, Node> | undefined
  kept: Kept | undefined
}

interface Kept {
  readonly message: Message
  readonly expiresAt: EpochMs
  readonly bytes: number
}

export class RetainedMessages {
  readonly #root: Node = { children: undefined, kept: undefined }
  #count = 0
  #bytes = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The message must own its bytes. `expiresAt` may be Infinity. */
  set(message: Message, expiresAt: EpochMs): void {
    let node = this.#root
    for (const level of message.topicName.split('/')) {
      node.children ??= new Map()
      let child = node.children.get(level)
      if (!child) node.children.set(level, (child = { children: undefined, kept: undefined }))
      node = child
    }
    this.#forget(node)
    node.kept = { message, expiresAt, bytes: bytesOf(message) }
    this.#count++
    this.#bytes += node.kept.bytes
  }

  get(topicName: string, now: EpochMs): Message | undefined {
    let node: Node | undefined = this.#root
    for (const level of topicName.split('/')) {
      node = node.children?.get(level)
      if (!node) return undefined
    }
    const { kept } = node
    return kept && kept.expiresAt > now ? kept.message : undefined
  }

  /** False when there was none. */
  delete(topicName: string): boolean {
    const path: { readonly node: Node; readonly level: string }[] = []
    let node: Node | undefined = this.#root
    for (const level of topicName.split('/')) {
      path.push({ node, level })
      node = node.children?.get(level)
      if (!node) return false
    }
    const had = this.#forget(node)
    for (const { node: parent, level } of path.toReversed()) {
      const child = parent.children?.get(level)
      if (!child || child.kept || child.children) break
      parent.children?.delete(level)
      if (parent.children?.size === 0) parent.children = undefined
    }
    return had
  }

  /** Every retained message that the filter matches. */
  match(filter: string, now: EpochMs): readonly Message[] {
    const found: Message[] = []
    const expired: string[] = []
    const levels = filter.split('/')
    const take = ({ kept }: Node) => {
      if (!kept) return
      if (kept.expiresAt > now) found.push(kept.message)
      else expired.push(kept.message.topicName)
    }
    const takeAll = (node: Node) => {
      take(node)
      if (node.children) for (const child of node.children.values()) takeAll(child)
    }
    const walk = (node: Node, depth: number) => {
      if (depth === levels.length) return take(node)
      const level = levels[depth] as string
      if (level !== '+' && level !== '#') {
        const child = node.children?.get(level)
        if (child) walk(child, depth + 1)
        return
      }
      if (level === '#' && depth > 0) take(node)
      for (const [name, child] of node.children ?? []) {
        // [MQTT-4.7.2-1]
        if (depth === 0 && name.startsWith('$')) continue
        if (level === '#') takeAll(child)
        else walk(child, depth + 1)
      }
    }
    walk(this.#root, 0)
    for (const topicName of expired) this.delete(topicName)
    return found
  }

  /** Forgets what has expired: asked when the storage is full. Answers their topic names. */
  sweep(now: EpochMs): readonly string[] {
    const expired: string[] = []
    const walk = (node: Node) => {
      if (node.kept && node.kept.expiresAt <= now) expired.push(node.kept.message.topicName)
      if (node.children) for (const child of node.children.values()) walk(child)
    }
    walk(this.#root)
    for (const topicName of expired) this.delete(topicName)
    return expired
  }

  #forget(node: Node): boolean {
    if (!node.kept) return false
    this.#count--
    this.#bytes -= node.kept.bytes
    node.kept = undefined
    return true
  }
}
