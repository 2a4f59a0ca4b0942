import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '../testing/random.ts'
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

test('a map of thousands, written in no order, reads, counts and deletes as a sorted list does', () => {
  const random = createRandom(7)
  const map = new SortedMap<string>()
  const model = new Map<string, string>()
  for (let n = 0; n < 20_000; n++) {
    const key = `${random.below(30)}/${random.below(300)}`
    if (random.chance(0.3)) {
      map.delete(key)
      model.delete(key)
    } else {
      map.set(key, `${key} ${n}`)
      model.set(key, `${key} ${n}`)
    }
    if (n % 1_000 !== 0) continue
    const keys = [...model.keys()].toSorted()
    assert.equal(map.size, keys.length)
    for (const prefix of ['', '1', '1/', '29/2', '3']) {
      const wanted = keys.filter((each) => each.startsWith(prefix))
      assert.equal(map.count(prefix), wanted.length)
      assert.deepEqual(
        [...map.below(prefix)],
        wanted.map((each) => model.get(each)),
      )
      const after = wanted[wanted.length >> 1] ?? ''
      assert.deepEqual(
        [...map.below(prefix, after)],
        wanted.filter((each) => each > after).map((each) => model.get(each)),
      )
    }
  }
})
