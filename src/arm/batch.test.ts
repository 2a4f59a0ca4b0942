import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane, subscription, topicPath } from '../testing/control-plane.ts'

const get = (path: string, name?: string) => ({
  httpMethod: 'GET',
  relativeUrl: `${path}?api-version=2025-02-15`,
  ...(name !== undefined && { name }),
})

test('requests of a batch are carried out and answered each for itself', async (t) => {
  const server = await startControlPlane(t)
  await server.makeTopic()
  const batch = (requests: unknown) =>
    server.raw('POST', '/batch?api-version=2020-06-01', JSON.stringify({ requests }))
  const { status, body } = await batch([
    get(subscription + topicPath, 'there'),
    get(`${subscription}${topicPath}2`, 'not there'),
    {
      httpMethod: 'PUT',
      url: `${server.url}${subscription}/resourceGroups/made?api-version=2021-04-01`,
      content: { location: 'westus2' },
    },
  ])
  assert.equal(status, 200)
  assert.deepEqual(
    body.responses.map(({ name, httpStatusCode }: { name?: string; httpStatusCode: number }) => [
      name,
      httpStatusCode,
    ]),
    [
      ['there', 200],
      ['not there', 404],
      [undefined, 201],
    ],
  )
  assert.equal(body.responses[0].content.name, 'orders')
  assert.equal(body.responses[1].content.error.code, 'ResourceNotFound')
  assert.equal((await server.call('GET', '/resourceGroups/made')).status, 200)
})

test('a batch of nothing, of too much, in a batch, or of other servers is refused', async (t) => {
  const { raw } = await startControlPlane(t)
  const batch = (requests: unknown) =>
    raw('POST', '/batch?api-version=2020-06-01', JSON.stringify({ requests }))
  assert.equal((await batch([])).status, 400)
  assert.equal((await batch(Array.from({ length: 21 }, () => get('/subscriptions')))).status, 400)
  assert.equal(
    (await batch([{ httpMethod: 'POST', relativeUrl: '/batch?api-version=2020-06-01' }])).status,
    404,
  )
  assert.equal((await batch([get('https://example.org/subscriptions')])).status, 400)
  assert.equal((await batch([get('/metrics')])).status, 400)
  assert.equal((await raw('GET', '/batch?api-version=2020-06-01')).status, 405)
  assert.equal((await raw('POST', '/batch', '{}')).body.error.code, 'MissingApiVersionParameter')
})
