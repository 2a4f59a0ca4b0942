import { newGuid } from '../../base/ids.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { groupOf, listPath, subscription, versioned } from '../azure.ts'
import { type Client, type Json, Refused } from '../client.ts'
import { note } from '../connection.ts'
import { hubPath } from './hubs.ts'

/*
 * What becomes of a hub's devices, as it happens: registered, removed, connected, disconnected. A hub raises these events
 * for those who are there to hear them alone; a system topic of the hub is such a listener, and is followed through
 * /events/tail. Where there is none, one is made for the time that it is followed.
 */

/** The name of what is made begins so, and it carries this tag. */
export const marker = 'busbar-monitor'
const topicType = 'Microsoft.Devices.IoTHubs'

/**
 * Calls `told` with each line of /events/tail about the hub, until `signal` aborts.
 *
 * @param following called when the stream has begun
 */
export async function followDeviceEvents(
  client: Client,
  hub: Json,
  told: (line: Json) => void,
  following: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const topic = await listenTo(client, hub)
    let isDeleted = false
    try {
      const query = new URLSearchParams({ topic: topic.id as string })
      for await (const line of client.lines(`/events/tail?${query.toString()}`, signal)) {
        if (signal.aborted) break
        const said = decode(line)
        if (said.kind === 'following') following()
        // Another command made it, and has ended: one of our own goes on from here.
        if (said.kind === 'deleted') {
          isDeleted = true
          break
        }
        if (said.kind === 'missed' || said.kind === 'accepted') told(said)
      }
    } catch (error) {
      // Interrupted before the stream had begun.
      if (!signal.aborted) throw error
    } finally {
      await letGo(client, topic)
    }
    if (!isDeleted && !signal.aborted) throw new OperatorError('The server ended the stream.')
    // It throws where the hub itself is gone.
    await client.request('GET', hubPath(hub.id as string))
  }
}

/** The system topic of the hub: the one there is, or one that is made. */
async function listenTo(client: Client, hub: Json): Promise<Json> {
  const source = String(hub.id)
  const topics = await client.list(versioned(`${subscription}/providers/Microsoft.EventGrid/systemTopics`))
  const there = topics.find(({ properties }) => properties.source.toLowerCase() === source.toLowerCase())
  if (there) return there
  const name = `${marker}-${newGuid().slice(0, 8)}`
  const path = listPath({ plural: 'systemTopics' }, groupOf(source))
  return client.change('PUT', versioned(`${path}/${name}`), {
    location: hub.location,
    tags: { [marker]: 'true' },
    properties: { source, topicType },
  })
}

/** Deletes what has been made so, unless somebody has come to need it. */
async function letGo(client: Client, { id, name, tags }: Json): Promise<void> {
  if (tags?.[marker] !== 'true') return
  try {
    const used = await client.list(versioned(`${id}/eventSubscriptions`))
    if (used.length === 0) await client.change('DELETE', versioned(id as string))
    else note(`the system topic ${name} stays: it has event subscriptions.`)
  } catch (error) {
    // Another command, or the hub's deletion, was first.
    if (!(error instanceof Refused && error.status === 404)) throw error
  }
}

function decode(line: string): Json {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new OperatorError(`The server sent what is no JSON: ${line.slice(0, 200)}`, error)
  }
}
