import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import { startTestServer } from '../../src/testing/test-server.ts'

/*
 * What an operator asks of the broker and tells it, over HTTP.
 */

interface Page {
  readonly value?: readonly Readonly<Record<string, unknown>>[]
}

const key = 'a-key-that-is-long-enough'

test('an operator sees who is connected and what is retained, and disconnects a client', async (t) => {
  const server = await startTestServer(t, { flags: { mqttAnonymous: 'on' } })
  const client = await connectAsync(server.http.replace('http', 'ws') + '/mqtt', {
    clientId: 'lamp',
    protocolVersion: 5,
    reconnectPeriod: 0,
  })
  await client.subscribeAsync('lights/#', { qos: 1 })
  await client.publishAsync('lights/1', 'on', { qos: 1, retain: true })
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${server.http}/broker/${path}`, { method })
    const text = await response.text()
    return { status: response.status, value: text === '' ? [] : ((JSON.parse(text) as Page).value ?? []) }
  }
  const { value: realms } = await ask('namespaces')
  assert.deepEqual(
    realms.map(({ name, connections }) => [name, connections]),
    [['dev', 1]],
  )
  const { value: sessions } = await ask('sessions?connected=true')
  assert.deepEqual(
    sessions.map(({ name }) => name),
    ['lamp'],
  )
  const { value: retained } = await ask('retained')
  assert.deepEqual(
    retained.map(({ topicName, bytes }) => [topicName, bytes]),
    [['lights/1', 2]],
  )
  const left = new Promise((resolve) => {
    client.once('disconnect', ({ reasonCode }) => resolve(reasonCode))
  })
  assert.equal((await ask('sessions/lamp/disconnect', 'POST')).status, 204)
  assert.equal(await left, 0x98)
  assert.equal((await ask('sessions/nobody')).status, 404)
  assert.equal((await ask('retained?topic=lights/1', 'DELETE')).status, 204)
  assert.deepEqual((await ask('retained')).value, [])
})

test('whoever may not use the control plane learns nothing of the broker', async (t) => {
  const server = await startTestServer(t, {
    administratorKey: key,
    file: { auth: { administrators: [{ name: 'ada', key }] } },
  })
  assert.equal((await fetch(`${server.http}/broker/namespaces`)).status, 401)
  const headers = { authorization: `Bearer ${key}` }
  const answer = await fetch(`${server.http}/broker/namespaces`, { headers })
  assert.deepEqual(await answer.json(), { value: [] })
})
