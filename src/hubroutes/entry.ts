import type { HubMessage } from '../hubmessage/message.ts'
import type { Appendable, Queue } from '../store/store.ts'

/*
 * A message as it waits on the queues of its endpoints:
 *
 *   4 bytes   length of the head, the highest first
 *   head      JSON: the message without its payload
 *   payload   to the end
 */

const lengthBytes = 4

export function encodeEntry({ payload, ...head }: HubMessage, queues: readonly Queue[]): Appendable {
  const json = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32BE(json.length)
  return {
    head: Buffer.concat([length, json]),
    ...{ source: payload, start: 0, end: payload.length },
    ...{ tail: nothing, queues },
  }
}

const nothing = Buffer.alloc(0)

/** Its payload lies in `bytes`. */
export function decodeEntry(bytes: Buffer): HubMessage {
  const end = lengthBytes + bytes.readUInt32BE(0)
  // What is undefined has no place in JSON.
  const head = JSON.parse(bytes.toString('utf8', lengthBytes, end)) as Omit<
    HubMessage,
    'payload' | 'moduleId'
  > & {
    readonly moduleId?: string
  }
  return { ...head, moduleId: head.moduleId, payload: bytes.subarray(end) }
}
