import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isResourceId } from './arm-id.ts'

const type = 'Microsoft.Relay/namespaces/hybridConnections'
const idOf = (name: string) =>
  `/subscriptions/s/resourceGroups/g/providers/Microsoft.Relay/namespaces/n/hybridConnections/${name}`

test('an ARM id is of its type in any letter case, and has every part of it', () => {
  assert.ok(isResourceId(idOf('orders'), type))
  assert.ok(isResourceId(idOf('orders').toUpperCase(), type))
  assert.ok(isResourceId(idOf('a.b_c-d(1)'), type))
  for (const wrong of ['', '/', idOf(''), `${idOf('orders')}/`, idOf('a/b'), idOf('orders').slice(1)])
    assert.ok(!isResourceId(wrong, type), wrong)
  assert.ok(!isResourceId(idOf('orders'), 'Microsoft.Relay/namespaces'))
})

test('a name that would mean something else in a URL is in no ARM id', () => {
  for (const name of ['a?b', 'a#b', '.', '..', 'a%2Fb', 'a&b', 'a<b', 'a>b', 'a\\b', 'a\nb', 'a'.repeat(261)])
    assert.ok(!isResourceId(idOf(name), type), name)
  assert.ok(isResourceId(idOf('a'.repeat(260)), type))
  assert.ok(!isResourceId(idOf('orders').replace('/g/', '/../'), type))
})
