import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VersionedResource } from '../catalog/stored-catalog.ts'
import { startControlPlane, subscription } from '../testing/control-plane.ts'

const resources = 10_000

test('the first page of ten thousand resources in a group looks at no more than it shows', async (t) => {
  const { call, raw, catalog } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const parentId = `${subscription}/resourceGroups/rg`
  const types = ['Microsoft.Web/sites', 'Microsoft.Storage/storageAccounts']
  await Promise.all(
    Array.from({ length: resources }, (_, index) => {
      const type = types[index % types.length] as string
      const name = `thing-${String(index).padStart(5, '0')}`
      return catalog.put({
        id: `${parentId}/providers/${type}/${name}`,
        ...{ type, name, parentId, uid: name, location: 'westus2' },
        ...{ properties: {}, provisioningState: 'Succeeded' },
        ...{ createdAt: 0, createdBy: 'tester', changedAt: 0, changedBy: 'tester' },
      })
    }),
  )
  const below = catalog.below.bind(catalog)
  let visited = 0
  t.mock.method(
    catalog,
    'below',
    function* (...scope: Parameters<typeof below>): Iterable<VersionedResource> {
      for (const found of below(...scope)) {
        visited++
        yield found
      }
    },
  )
  let page = await call('GET', '/resourceGroups/rg/resources?$top=100')
  assert.equal(page.body.value.length, 100)
  assert.ok(visited <= 101, `${visited} were looked at`)
  const seen = new Set<string>()
  for (let pages = 0; pages <= 10; pages++) {
    const from: string = pages === 0 ? `${parentId}/resources?api-version=2021-04-01` : page.body.nextLink
    if (from === undefined) break
    page = await raw('GET', from)
    for (const { id } of page.body.value) seen.add(id)
  }
  assert.equal(seen.size, resources)
  assert.equal(page.body.nextLink, undefined)
})
