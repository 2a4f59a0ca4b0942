import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Compile } from 'typebox/schema'
import { createLog } from '../base/log.ts'
import { listen } from '../http/http.ts'
import { createDataSchemas } from '../sources/data-schemas.ts'
import { createSchemaStoreDoor } from './schemastore.ts'

const publicUrl = 'https://busbar.example'

test('the index lists every event type by its topic type, with a link that answers', async (t) => {
  const url = await start(t)
  const { value } = (await (await fetch(`${url}/schemas`)).json()) as {
    readonly value: readonly {
      readonly topicType: string | null
      readonly eventTypes: readonly { readonly name: string; readonly schemaUrl: string }[]
    }[]
  }
  assert.ok(value.some(({ topicType }) => topicType === 'Microsoft.KeyVault.vaults'))
  const names = new Set<string>()
  for (const { eventTypes } of value)
    for (const { name, schemaUrl } of eventTypes) {
      names.add(name)
      const response = await fetch(schemaUrl.replace(publicUrl, url))
      assert.equal(response.status, 200, schemaUrl)
      assert.equal(((await response.json()) as { title: string }).title, name)
    }
  assert.equal(names.size, 230)
})

test('a schema is whole in itself: its examples are valid, and its id is where it is', async (t) => {
  const url = await start(t)
  const response = await fetch(`${url}/schemas/microsoft.devices.DEVICECREATED.json`)
  assert.equal(response.headers.get('content-type'), 'application/schema+json')
  const schema = (await response.json()) as Record<string, unknown>
  const { $schema, $id, title, description, examples } = schema
  assert.deepEqual(
    { $schema, $id, title, description },
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: `${publicUrl}/schemas/Microsoft.Devices.DeviceCreated.json`,
      title: 'Microsoft.Devices.DeviceCreated',
      description: 'Published when a device is registered to an IoT hub.',
    },
  )
  const [example] = examples as readonly [{ twin: { properties: { desired: unknown } } }]
  assert.deepEqual(example.twin.properties.desired, {
    $metadata: { $lastUpdated: '2018-01-02T19:17:44.4383997Z' },
    $version: 1,
  })
  assert.ok(Compile(schema).Check(example))
  assert.equal(Compile(schema).Check({ twin: {} }), false)
})

test('what is not there is 404 with the nearest name, and nothing can be written', async (t) => {
  const url = await start(t)
  const unknown = await fetch(`${url}/schemas/Microsoft.Storage.BlobCrated.json`)
  assert.equal(unknown.status, 404)
  assert.match(await unknown.text(), /SchemaNotFound.*Did you mean 'Microsoft\.Storage\.BlobCreated'\?/)
  assert.equal((await fetch(`${url}/schemas/a/b.json`)).status, 404)
  assert.equal((await fetch(`${url}/schemas/%zz.json`)).status, 400)
  const put = await fetch(`${url}/schemas/Microsoft.Storage.BlobCreated.json`, { method: 'PUT' })
  assert.equal(put.status, 405)
  assert.equal((await fetch(`${url}/schemas`, { method: 'POST' })).status, 405)
  assert.equal((await fetch(`${url}/schemas`, { method: 'HEAD' })).status, 200)
  assert.equal((await fetch(`${url}/schemasand`)).status, 418)
})

async function start(t: TestContext): Promise<string> {
  const door = createSchemaStoreDoor({ schemas: createDataSchemas(), publicUrl: () => publicUrl })
  const next = () => ({ status: 418 })
  const log = createLog('silent')
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [door, next], log })
  t.after(() => listener.close(0))
  return listener.url
}
