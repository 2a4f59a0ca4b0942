import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane } from '../testing/control-plane.ts'
import { examplePath } from '../testing/example-path.ts'
import { resourceTypes } from './index.ts'

/** The path under which a nested form is reached, on its parent's example. */
function nestedPath(form: string, name: string): string | undefined {
  const end = form.lastIndexOf('/')
  const parent = resourceTypes.find((each) => each.type === form.slice(0, end))
  return parent && `${examplePath(parent)}${form.slice(end)}/${name}`
}

for (const type of resourceTypes) {
  const { example } = type
  const path = examplePath(type)
  const index = resourceTypes.indexOf(type)

  const started = async (t: Parameters<typeof startControlPlane>[0]) => {
    const server = await startControlPlane(t)
    for (const before of resourceTypes.slice(0, index))
      await server.call('PUT', examplePath(before), before.example.body)
    return server
  }

  test(`${type.type}: the example is made, read, listed, repeated, updated and deleted`, async (t) => {
    const { call } = await started(t)
    const made = await call('PUT', path, example.body)
    assert.equal(made.status, type.statuses.create, JSON.stringify(made.body))
    assert.equal(made.body.name, example.name)
    assert.equal(made.body.type, type.type)
    // Role assignments and locks have no such state: they are there or not.
    if (!type.type.startsWith('Microsoft.Authorization/'))
      assert.equal(made.body.properties.provisioningState, 'Succeeded')
    const read = await call('GET', path)
    assert.deepEqual(read.body, made.body)
    assert.deepEqual((await call('GET', path.toUpperCase())).body, read.body)
    assert.equal((await call('HEAD', path)).status, 204)
    const list = await call('GET', path.slice(0, path.lastIndexOf('/')))
    // Roles that Azure knows from the start, and what comes with a namespace, are in that list too.
    const builtIns = new Set(type.builtIns?.map(({ name }) => name))
    const own = list.body.value.filter(
      (each: typeof read.body) => each.properties.type !== 'BuiltInRole' && !builtIns.has(each.name),
    )
    assert.deepEqual(own, [read.body])
    assert.equal((await call('PUT', path, example.body)).status, type.statuses.replace)
    const updated = await call('PATCH', path, {})
    assert.equal(updated.status, type.patch ? type.statuses.update : 405)
    if (type.updatesSilently) assert.equal(updated.body, undefined)
    else if (type.patch) assert.deepEqual(updated.body.properties, read.body.properties)
    assert.equal((await call('DELETE', path)).status, type.statuses.delete ?? 202)
    assert.equal((await call('GET', path)).status, 404)
  })

  test(`${type.type}: every long-running write says where to poll, and the operation has succeeded`, async (t) => {
    const { call, poll } = await started(t)
    const put = await call('PUT', path, example.body)
    assert.equal(put.headers.has('azure-asyncoperation'), type.longRunning)
    if (type.longRunning) {
      assert.equal((await poll(put)).body.status, 'Succeeded')
      if (type.patch) assert.equal((await poll(await call('PATCH', path, {}))).body.status, 'Succeeded')
    }
    const deleted = await call('DELETE', path)
    if (type.statuses.delete !== undefined) return
    assert.ok(deleted.headers.has('location'))
    assert.equal(deleted.headers.get('retry-after'), '1')
    assert.equal((await poll(deleted)).status, 200)
  })

  test(`${type.type}: a whole resource that is read may be sent back, read-only members and all`, async (t) => {
    const { call } = await started(t)
    await call('PUT', path, example.body)
    const read = (await call('GET', path)).body
    const method = type.patch ? 'PATCH' : 'PUT'
    const echoed = await call(method, path, { ...read, properties: { ...read.properties } })
    const { update, replace } = type.statuses
    assert.equal(echoed.status, type.patch ? update : replace, JSON.stringify(echoed.body))
    assert.deepEqual((await call('GET', path)).body.properties, read.properties)
  })

  test(`${type.type}: a resource outlives the process, secrets included`, async (t) => {
    const server = await started(t)
    await server.call('PUT', path, example.body)
    const read = await server.call('GET', path)
    const answers = async ({ call }: typeof server) =>
      Promise.all(
        Object.keys(type.actions)
          .filter((action) => /^(list|get)/.test(action))
          .map(async (action) => (await call('POST', `${path}/${action}`)).body as unknown),
      )
    const before = await answers(server)
    await server.close()
    const next = await startControlPlane(t, { disk: server.disk })
    const after = await next.call('GET', path)
    const without = (body: unknown, url: string) => JSON.stringify(body).replaceAll(new URL(url).host, '')
    assert.deepEqual(without(after.body, next.url), without(read.body, server.url))
    assert.deepEqual(await answers(next), before)
  })

  for (const child of type.childForms) {
    const nested = nestedPath(child, example.name)
    if (nested === undefined) continue
    test(`${type.type}: is reached as ${child} too`, async (t) => {
      const { call } = await started(t)
      const made = await call('PUT', nested, example.body)
      assert.equal(made.status, type.statuses.create, JSON.stringify(made.body))
      assert.equal(made.body.type, child)
      assert.ok(made.body.id.endsWith(nested))
      const list = await call('GET', nested.slice(0, nested.lastIndexOf('/')))
      assert.deepEqual(list.body.value, [(await call('GET', nested)).body])
      const own = nested.replace(/\/(\w+)\/([^/]+)$/, `/providers/${type.type}/$2`)
      const read = await call('GET', own)
      if (type.extension?.childOnlyOf.some((parent) => child.startsWith(`${parent}/`)))
        assert.equal(read.status, 400)
      else assert.equal(read.body.type, type.type)
      assert.equal((await call('DELETE', nested)).status, 202)
      assert.equal((await call('GET', nested)).status, 404)
    })
  }
}
