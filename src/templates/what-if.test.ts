import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectValue, Value } from './language/value.ts'
import { type Comparison, compareResource } from './what-if.ts'

const readOnly = new Set([
  'id',
  'properties.provisioningState',
  'properties.endpoint',
  'properties.hooks[*].state',
])
const defaults: Readonly<Record<string, Value>> = {
  'properties.publicNetworkAccess': 'Enabled',
  'properties.hooks[*].batch': 1,
  'properties.retry.attempts': 30,
}

const comparison: Comparison = {
  isReadOnly: (path) => readOnly.has(path),
  defaultOf: (path) => defaults[path],
  deletesOmitted: false,
  isIdsOnly: false,
}

const compare = (
  before: ObjectValue | undefined,
  after: ObjectValue | undefined,
  more: Partial<Comparison> = {},
) => compareResource(before, after, { ...comparison, ...more })

const delta = (before: ObjectValue, after: ObjectValue) =>
  compare({ properties: before }, { properties: after }).delta

test('a resource that is not there yet is created', () => {
  const after = { name: 'a' }
  assert.deepEqual(compare(undefined, after), { changeType: 'Create', after })
})

test('a resource that the template omits is left alone, and deleted in complete mode', () => {
  const before = { name: 'a' }
  assert.deepEqual(compare(before, undefined), { changeType: 'Ignore', before })
  assert.deepEqual(compare(before, undefined, { deletesOmitted: true }), { changeType: 'Delete', before })
})

test('when only ids are asked for, nothing is compared or shown', () => {
  const isIdsOnly = true
  assert.deepEqual(compare({ a: 1 }, { a: 2 }, { isIdsOnly }), { changeType: 'Deploy' })
  assert.deepEqual(compare({ a: 1 }, undefined, { isIdsOnly }), { changeType: 'Ignore' })
})

test('what only the server writes and what it fills in by default is no change', () => {
  const before = {
    id: '/x',
    name: 'a',
    properties: { provisioningState: 'Succeeded', publicNetworkAccess: 'Enabled', retry: { attempts: 30 } },
  }
  const after = { name: 'a', properties: {} }
  assert.deepEqual(compare(before, after), { changeType: 'NoChange', before, after, delta: [] })
  assert.equal(
    compare(after, { name: 'a', properties: { publicNetworkAccess: 'Enabled' } }).changeType,
    'NoChange',
  )
})

test('null is the same as absent, and names of properties match in any letter case', () => {
  assert.deepEqual(delta({ a: null, B: 1 }, { b: 1, c: null }), [])
})

test('setting what only the server writes has no effect', () => {
  const change = compare({ properties: { endpoint: 'a' } }, { properties: { endpoint: 'b' } })
  assert.equal(change.changeType, 'NoChange')
  assert.deepEqual(change.delta, [
    { path: 'properties.endpoint', propertyChangeType: 'NoEffect', before: 'a', after: 'b' },
  ])
})

test('properties of objects are reported by their whole path', () => {
  assert.deepEqual(delta({ a: { b: 1, c: 2 }, gone: 'x' }, { a: { b: 2, c: 2 }, made: { d: 1 } }), [
    { path: 'properties.a.b', propertyChangeType: 'Modify', before: 1, after: 2 },
    { path: 'properties.gone', propertyChangeType: 'Delete', before: 'x', after: null },
    { path: 'properties.made', propertyChangeType: 'Create', before: null, after: { d: 1 } },
  ])
})

test('a default that is set to something else has changed, also where only one side has the object', () => {
  assert.deepEqual(delta({ retry: { attempts: 30, ttl: 5 } }, {}), [
    { path: 'properties.retry.ttl', propertyChangeType: 'Delete', before: 5, after: null },
  ])
  assert.deepEqual(delta({}, { publicNetworkAccess: 'Disabled' }), [
    { path: 'properties.publicNetworkAccess', propertyChangeType: 'Create', before: null, after: 'Disabled' },
  ])
})

test('an array has its changed items as children, by their index', () => {
  const [before, after] = [
    ['10.0.0.0/16', '10.1.0.0/16'],
    ['10.1.0.0/16', '10.2.0.0/16'],
  ]
  assert.deepEqual(delta({ ranges: before }, { ranges: after }), [
    {
      path: 'properties.ranges',
      propertyChangeType: 'Array',
      before,
      after,
      children: [
        { path: '0', propertyChangeType: 'Delete', before: '10.0.0.0/16', after: null },
        { path: '1', propertyChangeType: 'Create', before: null, after: '10.2.0.0/16' },
      ],
    },
  ])
})

test('items of an array that have changed places only are no change', () => {
  assert.deepEqual(delta({ a: [1, { x: 1 }, 2] }, { a: [{ x: 1 }, 2, 1] }), [])
})

test('objects in an array are compared with those of their name, by the rules of their members', () => {
  const before = [
    { name: 'one', url: 'a', batch: 1, state: 'Up' },
    { name: 'two', url: 'b' },
  ]
  const after = [
    { name: 'TWO', url: 'c' },
    { name: 'one', url: 'a' },
  ]
  const [change] = delta({ hooks: before }, { hooks: after }) ?? []
  assert.deepEqual(change?.children, [
    {
      path: '0',
      propertyChangeType: 'Modify',
      before: null,
      after: null,
      children: [
        { path: 'name', propertyChangeType: 'Modify', before: 'two', after: 'TWO' },
        { path: 'url', propertyChangeType: 'Modify', before: 'b', after: 'c' },
      ],
    },
  ])
})

test('a value that changes its kind is modified', () => {
  assert.deepEqual(delta({ a: [1] }, { a: { b: 1 } }), [
    { path: 'properties.a', propertyChangeType: 'Modify', before: [1], after: { b: 1 } },
  ])
})
