import type { AmqpCondition } from './errors.ts'
import type { Outcome, OutgoingLink } from './links.ts'
import type { OutgoingMessage } from './message.ts'

/** A queue whose messages are locked until it is known what became of them. */
export interface LockedSource<Item> {
  /** Locks the next one; undefined: none is there. */
  receive(): Promise<Item | undefined>
  encode(item: Item): OutgoingMessage
  /** Of each that was received, once; never throws. */
  settle(item: Item, outcome: Outcome): void
  /** Calls `listener` whenever one may be there, until what is returned is called. */
  follow(listener: () => void): () => void
  /** Reading has failed; what it returns ends the link. */
  failed(error: unknown): AmqpCondition
}

/** Sends what is in the queue for as long as the link is open and its peer gives credit. */
export function pumpLocked<Item>(link: OutgoingLink, source: LockedSource<Item>): void {
  let isPumping = false
  let isCalled = false
  const pump = async () => {
    isCalled = true
    if (isPumping) return
    isPumping = true
    try {
      while (isCalled) {
        isCalled = false
        while (link.canSend) {
          const item = await source.receive()
          if (item === undefined) break
          // The credit may have been taken back meanwhile.
          if (link.canSend) link.send(source.encode(item), (outcome) => source.settle(item, outcome))
          else source.settle(item, 'released')
        }
      }
    } catch (error) {
      link.close(source.failed(error))
    } finally {
      isPumping = false
    }
  }
  link.open(() => void pump())
  link.onClosed = source.follow(() => void pump())
}
