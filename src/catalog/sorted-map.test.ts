import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SortedMap } from './sorted-map.ts'

const mapOf = (...keys: string[]) => {
  const map = new SortedMap<string>()
  for (const key of keys) map.set(key, key.toUpperCase())
  return map
}

test('values come in the order of their keys, whatever the order in which they were set', () => {
  assert.deepEqual([...mapOf('c', 'a', 'b', 'a').below('')], ['A', 'B', 'C'])
})

test('only keys with the prefix come, those after a key that may be there or not', () => {
  const map = mapOf('a/1', 'a/2', 'a/3', 'ab/1', 'b/1')
  assert.deepEqual([...map.below('a/')], ['A/1', 'A/2', 'A/3'])
  assert.deepEqual([...map.below('a/', 'a/1')], ['A/2', 'A/3'])
  assert.deepEqual([...map.below('a/', 'a/15')], ['A/2', 'A/3'])
  assert.deepEqual([...map.below('a/', 'z')], [])
  assert.deepEqual([...map.below('c')], [])
})

test('a deleted key is gone, and may be set again', () => {
  const map = mapOf('a', 'b')
  map.delete('a')
  map.delete('x')
  assert.equal(map.size, 1)
  assert.equal(map.get('a'), undefined)
  map.set('a', 'again')
  assert.deepEqual([...map.below('')], ['again', 'B'])
})
