import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { startAzurite } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import {
  makeNamespaceTopic,
  namespaceEventSubscriptionId,
  publishReadings,
  subscribeReadings,
  testNamespaceId,
} from '../src/testing/namespaces.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * What becomes of events that are received and never acknowledged, in a real container.
 */

const storageAccount = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/letters`
const azurite = startAzurite({ after })
// A run of other tests alone may end before it listens.
azurite.catch(() => {})

const containerName = 'received'
const deadLettering = {
  deadLetterDestinationWithResourceIdentity: {
    identity: { type: 'SystemAssigned' },
    deadLetterDestination: {
      endpointType: 'StorageBlob',
      properties: { resourceId: storageAccount, blobContainerName: containerName },
    },
  },
}

async function start(t: TestContext) {
  const { connectionString, container } = await azurite
  const letters = container(containerName)
  await letters.createIfNotExists()
  const clock = new ManualClock()
  const server = await startTestServer(t, {
    clock,
    file: { connections: { [storageAccount]: { connectionString } } },
    flags: { httpsPort: 'off' },
  })
  await makeNamespaceTopic(server)
  const { body } = await server.call('GET', testNamespaceId)
  const { key1 } = (await server.call('POST', `${testNamespaceId}/listKeys`)).body
  const { pathname } = new URL(`https://${body.properties.topicsConfiguration.hostname}`)
  const call = async (operation: string, lockTokens?: readonly string[]) => {
    const response = await fetch(
      `${server.http}${pathname}/topics/readings/eventsubscriptions/es1:${operation}?api-version=2024-06-01`,
      {
        method: 'POST',
        headers: { 'aeg-sas-key': key1, 'content-type': 'application/json' },
        ...(lockTokens && { body: JSON.stringify({ lockTokens }) }),
      },
    )
    assert.equal(response.status, 200)
    return response.json() as Promise<{ value: { brokerProperties: { lockToken: string } }[] }>
  }
  const receiveOne = async () => (await call('receive')).value[0]?.brokerProperties.lockToken as string
  const records = async () => {
    const found: Record<string, Record<string, unknown>>[] = []
    for await (const { name } of letters.listBlobsFlat()) {
      found.push(...JSON.parse((await letters.getBlobClient(name).downloadToBuffer()).toString()))
      await letters.deleteBlob(name)
    }
    return found
  }
  return { server, clock, call, receiveOne, records }
}

test('a rejected event is dead-lettered, also when the server stops right after the answer', async (t) => {
  const { server, clock, call, receiveOne, records } = await start(t)
  await subscribeReadings(server, { deliveryMode: 'Queue', queue: deadLettering })
  await publishReadings(server, { id: 'r1', data: 1 })
  await call('reject', [await receiveOne()])
  await server.restart()
  await clock.advance(6 * 60_000)
  const [record, ...others] = await records()
  assert.deepEqual(others, [])
  assert.equal(record?.event?.id, 'r1')
  assert.equal(record?.deadLetterProperties?.deadletterreason, 'Event was rejected.')
  assert.equal(record?.deadLetterProperties?.deliveryattempts, 1)
  assert.equal(await server.metric('busbar_dead_lettered_total', { reason: 'Rejected' }), 1)
})

test('an event that was received too often without being settled is dead-lettered, with its last delivery', async (t) => {
  const { server, clock, receiveOne, records } = await start(t)
  await subscribeReadings(server, { deliveryMode: 'Queue', queue: { ...deadLettering, maxDeliveryCount: 2 } })
  await publishReadings(server, { id: 'r2', data: 1 })
  await receiveOne()
  await clock.advance(60_000)
  const received = new Date(clock.now()).toISOString()
  await receiveOne()
  await clock.advance(60_000 + 6 * 60_000)
  const [record] = await records()
  assert.equal(record?.event?.id, 'r2')
  const { deadletterreason, deliveryattempts, deliveryresult, deliveryattemptutc } =
    record?.deadLetterProperties ?? {}
  assert.deepEqual(
    [deadletterreason, deliveryattempts, deliveryresult],
    ['Maximum delivery attempts was exceeded.', 2, 'Event was not acknowledged nor rejected.'],
  )
  assert.equal(String(deliveryattemptutc).slice(0, 23), received.slice(0, 23))
})

test('an event subscription that is deleted takes its events along, locked or not', async (t) => {
  const { server, clock, receiveOne, records } = await start(t)
  await subscribeReadings(server, { deliveryMode: 'Queue', queue: deadLettering })
  await publishReadings(server, { id: 'r3', data: 1 }, { id: 'r4', data: 1 })
  await receiveOne()
  assert.equal((await server.call('DELETE', namespaceEventSubscriptionId())).status, 202)
  await clock.advance(10 * 60_000)
  assert.deepEqual(await records(), [])
  assert.equal(await server.metric('busbar_queued_entries', { event_subscription: 'es1' }), 0)
})
