import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparable, containerOf, idUnder, namesOf, scopeIdOf } from './resource-id.ts'
import { groupScope } from './surroundings.ts'

test('what contains a resource is its parent, what it stands on, its group, or nothing', () => {
  const above = (id: string) => {
    const found: string[] = []
    for (let each = containerOf(id); each !== undefined; each = containerOf(each)) found.push(each)
    return found
  }
  const topic = '/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/domains/d/topics/t'
  const domain = '/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/domains/d'
  assert.deepEqual(above(`${topic}/providers/Microsoft.EventGrid/eventSubscriptions/e`), [
    topic,
    domain,
    '/subscriptions/s/resourceGroups/g',
    '/subscriptions/s',
  ])
  assert.deepEqual(above('/subscriptions/s/providers/Microsoft.Authorization/locks/l'), ['/subscriptions/s'])
  const management = '/providers/Microsoft.Management/managementGroups/m'
  assert.deepEqual(above(`${management}/providers/A.B/c/d/e/f`), [
    `${management}/providers/A.B/c/d`,
    management,
  ])
  assert.deepEqual(above('/providers/A.B/c/d'), [])
  assert.deepEqual(above(''), [])
  assert.deepEqual(above('nonsense'), [])
})

test('a type goes with one name for each of its words', () => {
  assert.equal(namesOf('Microsoft.EventGrid/topics'), 1)
  assert.equal(namesOf('Microsoft.EventGrid/domains/topics'), 2)
  assert.equal(namesOf('Microsoft.Resources/resourceGroups/'), 1)
  for (const wrong of ['topics', '', '/', 'a//b']) assert.equal(namesOf(wrong), 0)
})

test('the id of a group has no namespace, and is the same with it', () => {
  const id = idUnder('/subscriptions/s', 'Microsoft.Resources/resourceGroups/', ['g'])
  assert.equal(id, '/subscriptions/s/resourceGroups/g')
  assert.equal(comparable('/subscriptions/S/providers/Microsoft.Resources/resourceGroups/G'), comparable(id))
})

test('a scope is an id, the tenant, or a resource beside the deployment', () => {
  const beside = groupScope('s', 'g')
  assert.equal(scopeIdOf('/', beside), '')
  assert.equal(scopeIdOf('/subscriptions/s', beside), '/subscriptions/s')
  assert.equal(scopeIdOf('A.B/c/d', beside), '/subscriptions/s/resourceGroups/g/providers/A.B/c/d')
  assert.equal(
    scopeIdOf('Microsoft.Management/managementGroups/m', beside),
    '/providers/Microsoft.Management/managementGroups/m',
  )
  for (const wrong of ['a', 'A.B/c', 'A.B/c/d/e']) assert.equal(scopeIdOf(wrong, beside), undefined)
})
