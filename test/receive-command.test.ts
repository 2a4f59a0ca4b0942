import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { runBusbar, startBusbar } from './busbar-process.ts'

/** A running server with the namespace topic `orders` and its event subscription `all`, and commands beside it. */
async function start(t: TestContext) {
  const cwd = await temporaryDirectory(t)
  const server = await startBusbar(t, cwd, [])
  const put = async (path: string, body: object) => {
    const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg'
    const response = await fetch(`${server.http}${group}${path}?api-version=2025-02-15`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    assert.ok(response.ok, await response.text())
  }
  const namespace = '/providers/Microsoft.EventGrid/namespaces/shop'
  await put('', { location: 'westus2' })
  await put(namespace, { location: 'westus2' })
  await put(`${namespace}/topics/orders`, { properties: {} })
  await put(`${namespace}/topics/orders/eventSubscriptions/all`, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue' } },
  })
  const busbar = (...words: string[]) => runBusbar(t, words, { cwd })
  const run = async (...words: string[]) => {
    const child = busbar(...words)
    child.write('')
    const { code, stdout, stderr } = await child.ended
    assert.equal(code, 0, stderr)
    return stdout
  }
  return { server, busbar, run }
}

const receive = ['receive', '--topic', 'orders', '--subscription', 'all']
const parse = (lines: string) =>
  lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

test('busbar publish and busbar receive go to and come from a namespace topic, number for number', async (t) => {
  const { run } = await start(t)
  const event = ['--type', 'Order.Placed', '--id', 'e1', '--data', '{"total":12345678901234567890}']
  const published = await run('publish', '--namespace', 'shop', '--topic', 'orders', ...event)
  assert.match(published, /^1 event accepted in 1 request/)
  const line = await run(...receive)
  assert.ok(line.includes('"data":{"total":12345678901234567890}'), line)
  const [{ brokerProperties, event: received }] = parse(line)
  assert.deepEqual([received.id, brokerProperties.deliveryCount], ['e1', 1])
})

test('busbar receive --ack leaves nothing behind, and --follow ends when --max events have come', async (t) => {
  const { run } = await start(t)
  const publish = [
    'publish',
    '--namespace',
    'shop',
    '--topic',
    'orders',
    '--type',
    'Order.Placed',
    '--data',
    '1',
  ]
  await run(...publish, '--count', '250')
  const lines = parse(await run(...receive, '--ack', '--follow', '--max', '230'))
  assert.equal(lines.length, 230)
  assert.equal(new Set(lines.map(({ event }) => event.id)).size, 230)
  assert.equal(parse(await run(...receive, '--ack')).length, 20)
})

test('busbar receive says what it was not told', async (t) => {
  const { busbar } = await start(t)
  for (const [words, message] of [
    [['receive', '--topic', 'orders'], /--subscription/],
    [['receive', '--subscription', 'all'], /--topic and --endpoint/],
    [['receive', '--topic', 'none', '--subscription', 'all'], /has no topic 'none'/],
    [['receive', '--topic', 'orders', '--subscription', 'none'], /no event subscription 'none'/],
  ] as const) {
    const child = busbar(...words)
    child.write('')
    const { code, stderr } = await child.ended
    assert.notEqual(code, 0)
    assert.match(stderr, message)
  }
})
