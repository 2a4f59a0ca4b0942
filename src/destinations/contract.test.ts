import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent } from '../testing/events.ts'
import { openDestination } from '../testing/open-destination.ts'
import type { WireObject } from '../wire/shape.ts'
import type { Connection } from './connections.ts'
import type { DestinationDecoding } from './destination.ts'
import { destinationTypes } from './index.ts'

/*
 * What holds for every destination type on the shelf, shown with its own example.
 */

/** Types whose resource has no connection in the configuration. */
const withoutConnection = ['WebHook', 'MonitorAlert', 'PartnerDestination']

const decodingWith = (more: Partial<DestinationDecoding> = {}): DestinationDecoding => ({
  secrets: {},
  before: undefined,
  patching: false,
  capabilities: { allowHttpWebhooks: true, hasConnection: () => true, takesAlerts: true },
  ...more,
})

/** A port of this machine that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => {
    server.close(resolve)
  })
  return port
}

/** Connections of every kind to that port, for whatever the example names. */
function connectionsTo(port: number, example: WireObject): Readonly<Record<string, Connection>> {
  const id = (example.resourceId ?? '') as string
  const url = `http://127.0.0.1:${port}`
  const shared = 'SharedAccessKeyName=n;SharedAccessKey=a2V5;UseDevelopmentEmulator=true'
  const bus = { connectionString: `Endpoint=sb://127.0.0.1:${port};${shared}` }
  if (/Microsoft\.Storage/i.test(id))
    return { [id]: { connectionString: `AccountName=a;AccountKey=a2V5;QueueEndpoint=${url}/a` } }
  return { [id]: /Microsoft\.(Relay|EventHub|ServiceBus)/i.test(id) ? bus : { url, key: 'key' } }
}

for (const [name, type] of Object.entries(destinationTypes)) {
  const { example } = type

  test(`${name}: the example decodes, and what became of it decodes to itself as an update`, () => {
    const secrets: Record<string, string> = {}
    const properties = type.decode(example, 'properties', decodingWith({ secrets }))
    const before = { endpointType: name, properties, secrets }
    const later: Record<string, string> = {}
    const again = type.decode(
      properties,
      'properties',
      decodingWith({ secrets: later, before, patching: true }),
    )
    assert.deepEqual(again, properties)
    assert.deepEqual(later, secrets)
    assert.equal(type.needsConsent(before, { ...before, secrets: later }), false)
    assert.doesNotThrow(() => JSON.stringify(properties))
  })

  test(`${name}: what is no object is refused by its path`, () => {
    for (const wire of [undefined, null, 1, 'x', []])
      assert.throws(() => type.decode(wire, 'properties.destination.properties', decodingWith()), {
        name: 'RequestError',
        message: /properties\.destination\.properties/,
      })
  })

  test(`${name}: attributes are taken up to ten, or not at all`, () => {
    const attribute = (index: number) => ({
      name: `x-${index}`,
      type: 'Static',
      properties: { value: 'a' },
    })
    const decode = (count: number) =>
      type.decode(
        {
          ...example,
          deliveryAttributeMappings: Array.from({ length: count }, (_, index) => attribute(index)),
        },
        'properties',
        decodingWith(),
      )
    assert.doesNotThrow(() => decode(0))
    assert.throws(() => decode(11), { name: 'RequestError' })
    if ('deliveryAttributeMappings' in type.decode(example, 'properties', decodingWith()))
      assert.doesNotThrow(() => decode(10))
    else assert.throws(() => decode(1), /has no delivery attributes/)
  })

  if (!withoutConnection.includes(name))
    test(`${name}: a resource without connection is refused with the key that is missing`, () => {
      const capabilities = { allowHttpWebhooks: true, hasConnection: () => false }
      assert.throws(
        () => type.decode(example, 'properties', decodingWith({ capabilities })),
        (error: Error) =>
          error.message.includes(`'${example.resourceId as string}'`) &&
          error.message.includes("'connections'"),
      )
    })

  test(`${name}: an endpoint that nobody listens on is a reason to try again`, async (t) => {
    const port = await closedPort()
    const url = `http://127.0.0.1:${port}/hook`
    const wire = 'endpointUrl' in example ? { ...example, endpointUrl: url } : example
    const { to } = openDestination(t, name, wire, {
      connections: connectionsTo(port, example),
      monitorAlertsUrl: url,
      partnerDestination: () => ({ endpointUrl: url, activated: true }),
    })
    const [schema = 'EventGridSchema'] = type.deliverySchemas ?? []
    const destination = to(schema)
    assert.ok(!destination.origin.includes('secret'))
    const signal = new AbortController().signal
    const outcome = await destination.deliver([deliveryOf(testEvent('1'))], signal)
    assert.ok(outcome.kind === 'retry', JSON.stringify(outcome))
    assert.equal(outcome.name, 'SocketError')
    assert.match(outcome.error, /ECONNREFUSED/)
    await destination.announceDeletion(signal)
    await destination.close()
    const aborted = AbortSignal.abort()
    assert.equal((await to(schema).deliver([deliveryOf(testEvent('1'))], aborted)).kind, 'retry')
  })

  // A webhook's own settings say where it is.
  if (name === 'WebHook') continue
  test(`${name}: what the configuration says nothing of any more waits, and is not verified`, async (t) => {
    const { to, verify } = openDestination(t, name, example)
    const [schema = 'EventGridSchema'] = type.deliverySchemas ?? []
    const outcome = await to(schema).deliver([deliveryOf(testEvent('1'))], new AbortController().signal)
    assert.deepEqual([outcome.kind, outcome.kind === 'retry' && outcome.name], ['retry', 'NotFound'])
    assert.equal((await verify(schema)).kind, 'refused')
  })
}
