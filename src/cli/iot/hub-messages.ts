import { OperatorError } from '../../base/operator-error.ts'
import { pause, Refused } from '../client.ts'
import { note } from '../connection.ts'
import type { HubClient } from './hub-client.ts'

/*
 * What the built-in endpoint of a hub keeps, followed by long polls: each goes on where the answer before it ended, so
 * that nothing is missed while the server is away, as long as the hub still keeps it.
 */

/** A message as `GET /messages/events` answers it. */
export interface KeptMessage {
  readonly partition: string
  readonly sequenceNumber: number
  readonly enqueuedTimeUtc: string
  readonly properties: Readonly<Record<string, string>>
  readonly systemProperties: Readonly<Record<string, string>>
  readonly bodyEncoding: 'json' | 'base64'
  readonly body: unknown
}

export interface ReadFrom {
  /** `latest`, `earliest`, a time, or a sequence number of the partition. */
  readonly from: string
  readonly partition: number | undefined
}

const messagesOfAnAnswer = 1_000
const waitSeconds = 30
/** For an answer, on top of the wait. */
const answerMs = 30_000
/** Until a server that cannot be reached, or is busy, is asked again. */
const againMs = 1_000

/**
 * Calls `told` with each message in turn, until `signal` aborts.
 *
 * @param following called when it is clear where reading begins
 */
export async function followMessages(
  hub: HubClient,
  { from, partition }: ReadFrom,
  told: (message: KeptMessage) => void,
  following: () => void,
  signal: AbortSignal,
): Promise<void> {
  let continuation: string | undefined
  let isAway = false
  const last = new Map<string, number>()
  while (!signal.aborted) {
    const query: Readonly<Record<string, string>> =
      continuation === undefined
        ? { from, ...(partition !== undefined && { partition: String(partition) }) }
        : { continuation, wait: String(waitSeconds) }
    try {
      const { value, continuation: next } = await hub.request('ServiceConnect', 'GET', '/messages/events', {
        query: { ...query, max: String(messagesOfAnAnswer) },
        timeoutMs: waitSeconds * 1000 + answerMs,
        signal,
      })
      if (continuation === undefined) following()
      if (isAway) note('the server is there again')
      isAway = false
      continuation = next as string
      for (const message of value as readonly KeptMessage[]) {
        if (signal.aborted) return
        noteGap(last, message)
        told(message)
      }
    } catch (error) {
      if (signal.aborted) return
      // Where reading has not begun, nothing is lost by saying so.
      if (continuation === undefined || !mayPass(error)) throw error
      if (!isAway)
        note(`${(error as Error).message} Trying again until Ctrl-C; what is kept meanwhile is not missed.`)
      isAway = true
      await pause(againMs)
    }
  }
}

/** The server is away, or busy; what it refuses otherwise it would refuse again. */
const mayPass = (error: unknown): boolean =>
  error instanceof Refused ? error.status === 429 || error.status >= 500 : error instanceof OperatorError

/** Sequence numbers of a partition follow each other, so that a gap is what the hub keeps no longer. */
function noteGap(last: Map<string, number>, { partition, sequenceNumber }: KeptMessage): void {
  const missed = sequenceNumber - (last.get(partition) ?? sequenceNumber - 1) - 1
  if (missed > 0) note(`${missed} messages of partition ${partition} are kept no longer, and were not read`)
  last.set(partition, sequenceNumber)
}
