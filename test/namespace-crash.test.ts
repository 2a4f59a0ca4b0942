import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { startBusbar } from './busbar-process.ts'

/*
 * What a receiver holds when the server is killed, and what it finds after the next start. Real processes.
 */

const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg'
const namespaceId = `${group}/providers/Microsoft.EventGrid/namespaces/shop`

async function start(t: TestContext) {
  const cwd = await temporaryDirectory(t)
  let server = await startBusbar(t, cwd, [])
  const arm = async (method: string, id: string, body?: object) => {
    const response = await fetch(`${server.http}${id}?api-version=2025-02-15`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    assert.ok(response.ok, `${method} ${id}: ${response.status}`)
    return (await response.json()) as Record<string, string>
  }
  await arm('PUT', group, { location: 'westus2' })
  await arm('PUT', namespaceId, { location: 'westus2' })
  await arm('PUT', `${namespaceId}/topics/orders`, { properties: {} })
  await arm('PUT', `${namespaceId}/topics/orders/eventSubscriptions/all`, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue' } },
  })
  const { key1 = '' } = await arm('POST', `${namespaceId}/listKeys`)
  const post = async (path: string, body: unknown, type = 'application/json') => {
    const url = `${server.http}/namespaces/westus2/shop/topics/orders${path}`
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'aeg-sas-key': key1, 'content-type': type },
      body: JSON.stringify(body),
    })
    assert.equal(response.status, 200)
    return (await response.json()) as {
      readonly value: {
        readonly brokerProperties: { readonly lockToken: string; readonly deliveryCount: number }
        readonly event: { readonly id: string }
      }[]
      readonly succeededLockTokens: string[]
      readonly failedLockTokens: { readonly error: { readonly code: string } }[]
    }
  }
  return {
    post,
    async publish(...ids: string[]) {
      const events = ids.map((id) => ({ specversion: '1.0', id, source: '/s', type: 't', data: 1 }))
      await post(':publish', events, 'application/cloudevents-batch+json')
    },
    receive: (max: number) => post(`/eventsubscriptions/all:receive?maxEvents=${max}&maxWaitTime=10`, {}),
    settle: (how: string, lockTokens: readonly string[]) =>
      post(`/eventsubscriptions/all:${how}`, { lockTokens }),
    /** Kills it the moment that it is called, and starts it again. */
    async kill() {
      server.kill('SIGKILL')
      await server.ended
      server = await startBusbar(t, cwd, [])
    },
  }
}

test('whoever received events before a kill -9 still has them locked after it, and may settle them', async (t) => {
  const shop = await start(t)
  await shop.publish('1', '2', '3', '4')
  const [one, two] = (await shop.receive(2)).value
  await shop.kill()
  const others = (await shop.receive(100)).value
  assert.deepEqual(
    others.map(({ event }) => event.id),
    ['3', '4'],
  )
  const tokens = [one, two].map((each) => each?.brokerProperties.lockToken as string)
  assert.deepEqual((await shop.settle('acknowledge', tokens)).succeededLockTokens, tokens)
})

test('what was answered before a kill -9 was done: an acknowledged event is gone, a released one counts on', async (t) => {
  const shop = await start(t)
  await shop.publish('1', '2')
  const [one, two] = (await shop.receive(2)).value.map(({ brokerProperties }) => brokerProperties.lockToken)
  await shop.settle('release', [two as string])
  await shop.settle('acknowledge', [one as string])
  await shop.kill()
  const again = (await shop.receive(100)).value
  assert.deepEqual(
    again.map(({ event, brokerProperties }) => [event.id, brokerProperties.deliveryCount]),
    [['2', 2]],
  )
  const { failedLockTokens } = await shop.settle('acknowledge', [one as string, two as string])
  assert.deepEqual(
    failedLockTokens.map(({ error }) => error.code),
    ['TokenLost', 'TokenLost'],
  )
})
