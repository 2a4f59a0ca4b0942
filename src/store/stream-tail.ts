import type { Block, Room } from './stream-format.ts'

/** The newest entries of a stream, in memory: who reads along needs no disk. Bounded; the oldest go. */
export class StreamTail {
  readonly #mostBytes: () => number
  readonly #partitions: readonly BlockLine[]
  /** What gave way first must go first: commits in their order. */
  #commits: { readonly bytes: number; readonly partitions: readonly number[] }[] = []
  #first = 0
  #bytes = 0

  constructor(partitions: number, mostBytes: () => number) {
    this.#mostBytes = mostBytes
    this.#partitions = Array.from({ length: partitions }, () => new BlockLine())
  }

  /** Adds the blocks of one commit, that share `bytes`. */
  add(blocks: readonly Block[], bytes: number): void {
    for (const block of blocks) this.#partitions[block.partition]?.push(block)
    this.#commits.push({ bytes, partitions: blocks.map(({ partition }) => partition) })
    this.#bytes += bytes
    const mostBytes = this.#mostBytes()
    while (this.#bytes > mostBytes && this.#commits.length - this.#first > 1) {
      const oldest = this.#commits[this.#first++]
      this.#bytes -= oldest?.bytes ?? 0
      for (const partition of oldest?.partitions ?? []) this.#partitions[partition]?.shift()
    }
    if (this.#first > 1024 && this.#first * 2 > this.#commits.length) {
      this.#commits = this.#commits.slice(this.#first)
      this.#first = 0
    }
  }

  /** Takes entries from `sequence` on, until there is no room; false where that one is not here. */
  take(partition: number, sequence: number, room: Room): boolean {
    return this.#partitions[partition]?.take(sequence, room) ?? false
  }
}

/** Blocks of one partition, without a gap; first in, first out. */
class BlockLine {
  #blocks: (Block | undefined)[] = []
  #first = 0

  push(block: Block): void {
    this.#blocks.push(block)
  }

  shift(): void {
    this.#first++
    if (this.#first < 1024 || this.#first * 2 < this.#blocks.length) {
      // What has gone must not be held on to.
      this.#blocks[this.#first - 1] = undefined
      return
    }
    this.#blocks = this.#blocks.slice(this.#first)
    this.#first = 0
  }

  take(sequence: number, room: Room): boolean {
    const blocks = this.#blocks
    const first = blocks[this.#first]
    if (!first || sequence < first.firstSequence) return false
    let low = this.#first
    let high = blocks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((blocks[middle] as Block).firstSequence <= sequence) low = middle + 1
      else high = middle
    }
    for (let n = low - 1; n < blocks.length; n++) if (!blocks[n]?.take(sequence, room)) break
    return true
  }
}
