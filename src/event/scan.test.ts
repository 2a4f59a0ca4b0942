import assert from 'node:assert/strict'
import { test } from 'node:test'
import { membersOf } from './members.ts'
import { endOfString, ObjectScanner } from './scan.ts'

test('the end of a string is found whatever its length and wherever its escapes are', () => {
  for (let length = 0; length < 140; length++)
    for (const inserted of ['', '"', '\\', '\\"', '\\\\', '""', '\n', 'é', '\\\\\\"'])
      for (const at of [0, Math.floor(length / 2), length]) {
        const text = 'x'.repeat(at) + inserted + 'x'.repeat(length - at)
        const bytes = Buffer.from(`${JSON.stringify(text)},"more"`)
        const end = endOfString(bytes, 1)
        assert.equal(JSON.parse(bytes.toString('utf8', 0, end)), text)
      }
})

test('a megabyte of escapes is scanned in time proportional to its length', () => {
  for (const unit of ['\\', '"']) {
    const bytes = Buffer.from(JSON.stringify(unit.repeat(500_000)))
    assert.equal(endOfString(bytes, 1), bytes.length)
  }
})

test('the scanner finds each object of an array, its members and how deep it is nested', () => {
  const bytes = Buffer.from(' [ {"a":1,"b":{"c":[":"]}} ,{},{"a":"{","a":"}"}]')
  const scanner = new ObjectScanner(bytes)
  const found = Array.from({ length: 3 }, () => {
    scanner.next()
    const { start, end, members, nesting } = scanner
    return [bytes.toString('utf8', start, end + 1), members, nesting]
  })
  assert.deepEqual(found, [
    ['{"a":1,"b":{"c":[":"]}}', 2, 3],
    ['{}', 0, 1],
    ['{"a":"{","a":"}"}', 2, 1],
  ])
})

test('members are found with their decoded names and the bytes of their values', () => {
  const bytes = Buffer.from('{ "a" : 1.0 ,"\\u0062":[1, {"x":"]"}],"c":"\\"," , "d":null,"e":true}')
  assert.deepEqual(
    membersOf(bytes).map(({ name, start, end }) => [name, bytes.toString('utf8', start, end)]),
    [
      ['a', '1.0'],
      ['b', '[1, {"x":"]"}]'],
      ['c', '"\\","'],
      ['d', 'null'],
      ['e', 'true'],
    ],
  )
  assert.deepEqual(membersOf(Buffer.from('{ }')), [])
})

test('the scanner sees where the watched member of the object itself is', () => {
  const found = (text: string) => {
    const bytes = Buffer.from(`[${text},{}]`)
    const scanner = new ObjectScanner(bytes, 0, Buffer.from('"topic"'))
    scanner.next()
    const { watched } = scanner
    scanner.next()
    assert.equal(scanner.watched, -1)
    return watched < 0 ? undefined : bytes.toString('utf8', watched - 7, watched + 4)
  }
  assert.equal(found('{"topic":"x"}'), '"topic":"x"')
  assert.equal(found('{"a":{"topic":1},"topic":"x"}'), '"topic":"x"')
  assert.equal(found('{"topic":"x","topic":"y"}'), '"topic":"y"')
  for (const other of [
    '{}',
    '{"a":{"topic":"x"}}',
    '{"a":"\\"topic\\":"}',
    '{"\\"topic":"x"}',
    '{"topics":"x"}',
    '{"subtopic":"x"}',
    '{"\\u0074opic":"x"}',
    '{"Topic":"x"}',
  ])
    assert.equal(found(other), undefined, other)
  const unwatched = new ObjectScanner(Buffer.from('{"topic":"x"}'))
  unwatched.next()
  assert.equal(unwatched.watched, -1)
})
