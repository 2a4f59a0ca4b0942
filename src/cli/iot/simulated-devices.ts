import { newAccessKey } from '../../base/ids.ts'
import { OperatorError } from '../../base/operator-error.ts'
import type { Json } from '../client.ts'
import type { HubClient } from './hub-client.ts'
import { keyOf } from './send.ts'

/*
 * The devices of a simulation in the registry: those that are missing are made, and gone again at its end if wanted.
 */

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-bulk-identity-mgmt */
const bulkMost = 100
const alreadyExists = 409_001
const notFound = 404_001
/** Requests under way at a time. */
const asksMost = 16

/** Their keys, by id. @param made gets the ids of those that were made, also where it rejects */
export async function ensureDevices(
  hub: HubClient,
  ids: readonly string[],
  made: string[],
): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>()
  const there: string[] = []
  for (const some of chunks(ids)) {
    const items = some.map((id) => {
      const primaryKey = newAccessKey()
      return { id, importMode: 'create', authentication: { type: 'sas', symmetricKey: { primaryKey } } }
    })
    const failed = await bulk(hub, items)
    for (const { id, authentication } of items) {
      const failure = failed.get(id)
      if (failure === undefined) {
        made.push(id)
        keys.set(id, authentication.symmetricKey.primaryKey)
      } else if (failure.errorCode === alreadyExists) there.push(id)
      else throw new OperatorError(`The device '${id}' cannot be made: ${failure.errorStatus}`)
    }
  }
  await inParallel(there, asksMost, async (id) => {
    const device = await hub.request('RegistryRead', 'GET', `/devices/${encodeURIComponent(id)}`)
    keys.set(id, keyOf(device))
  })
  return keys
}

export async function deleteDevices(hub: HubClient, ids: readonly string[]): Promise<void> {
  for (const some of chunks(ids)) {
    const failed = await bulk(
      hub,
      some.map((id) => ({ id, importMode: 'delete' })),
    )
    for (const [id, { errorCode, errorStatus }] of failed)
      if (errorCode !== notFound)
        throw new OperatorError(`The device '${id}' cannot be deleted: ${errorStatus}`)
  }
}

interface Failure {
  readonly errorCode: number
  readonly errorStatus: string
}

/** What was refused, by device. */
async function bulk(hub: HubClient, body: readonly object[]): Promise<ReadonlyMap<string, Failure>> {
  const { value } = await hub.ask('RegistryWrite', 'POST', '/devices', { body, allow: [400] })
  // A request that is refused as a whole has no list.
  if (!Array.isArray(value?.errors))
    throw new OperatorError(`The hub refused a bulk operation: ${JSON.stringify(value)}`)
  return new Map((value.errors as readonly Json[]).map((error) => [error.deviceId as string, error]))
}

function* chunks(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += bulkMost) yield ids.slice(at, at + bulkMost)
}

/** Every item, at most `most` of them at a time. Rejects with the first failure, when all under way have ended. */
export async function inParallel<Item>(
  items: readonly Item[],
  most: number,
  act: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0
  let failed = false
  const worker = async () => {
    while (!failed && next < items.length) {
      try {
        await act(items[next++] as Item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(most, items.length) }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
