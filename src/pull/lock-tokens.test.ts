import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { LockTokens, tokenCharacters } from './lock-tokens.ts'

const secret = randomBytes(32)
const names = [
  { sequence: 1, attempts: 1 },
  { sequence: 2 ** 48 - 1, attempts: 2 ** 32 - 1 },
  { sequence: 123_456_789, attempts: 10 },
]
const split = (text: string) =>
  Array.from({ length: text.length / tokenCharacters }, (_, n) =>
    text.slice(n * tokenCharacters, (n + 1) * tokenCharacters),
  )

test('a token says the name of its lock, also to a server that was started since', () => {
  const tokens = split(new LockTokens(secret, 'queue').encode(names))
  assert.equal(tokens.length, 3)
  assert.deepEqual(new LockTokens(secret, 'queue').decode(tokens), names)
})

test('each of many tokens is the same as if it had been made alone', () => {
  const queue = new LockTokens(secret, 'queue')
  assert.deepEqual(
    split(queue.encode(names)),
    names.map((name) => queue.encode([name])),
  )
})

test('a token of another queue or another server is forged', () => {
  const [token = ''] = split(new LockTokens(secret, 'queue').encode(names))
  assert.deepEqual(new LockTokens(secret, 'other').decode([token]), ['forged'])
  assert.deepEqual(new LockTokens(randomBytes(32), 'queue').decode([token]), ['forged'])
})

test('a token with any bit changed is no token', () => {
  const queue = new LockTokens(secret, 'queue')
  const bytes = Buffer.from(queue.encode([{ sequence: 77, attempts: 3 }]), 'base64')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    const [read] = queue.decode([changed.toString('base64')])
    assert.ok(read === 'forged' || read === 'malformed', `bit ${bit}`)
  }
})

test('bad tokens between good ones spoil none of them', () => {
  const queue = new LockTokens(secret, 'queue')
  const [one = '', two = '', three = ''] = split(queue.encode(names))
  const older = Buffer.from(one, 'base64').fill(0, 0, 1).toString('base64')
  const forged = `${one.slice(0, -4)}AAAA`
  const read = queue.decode(['', one, 'no base64!', two, older, forged, `${one} `, one.slice(1), three, one])
  const [first, second, third] = names
  assert.deepEqual(read, [
    'malformed',
    first,
    'malformed',
    second,
    'malformed',
    'forged',
    'malformed',
    'malformed',
    third,
    first,
  ])
})
