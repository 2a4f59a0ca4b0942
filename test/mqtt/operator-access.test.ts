import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from '../../src/testing/test-server.ts'

const key = 'a-key-that-is-long-enough'

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
