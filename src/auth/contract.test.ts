import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSystemClock } from '../base/clock.ts'
import { newAccessKey } from '../base/ids.ts'
import type { Guarded } from './credential.ts'
import { credentials } from './index.ts'

const guarded: Guarded = {
  keys: [newAccessKey(), newAccessKey()],
  path: '/api/events',
  isOwnHost: () => true,
  isOwnEndpoint: () => true,
}

for (const [name, create] of Object.entries(credentials)) {
  test(`${name} refuses whatever is no credential, saying why`, () => {
    const credential = create({ clock: createSystemClock() })
    for (const presented of ['', ' ', 'x', '\0', 'ä'.repeat(1000), newAccessKey(), 'r=a&e=b&s=c'])
      assert.match(credential.refusal(presented, guarded) ?? '', /\w+.*\.$/, presented)
  })
}

test('either access key is good; with one character more, less or changed it is not', () => {
  const { refusal } = credentials.accessKey()
  for (const key of guarded.keys) {
    assert.equal(refusal(key, guarded), undefined)
    for (const wrong of [
      key.slice(1),
      key.slice(0, -1),
      `${key}=`,
      ` ${key}`,
      `${key[0] === 'A' ? 'B' : 'A'}${key.slice(1)}`,
    ])
      assert.equal(typeof refusal(wrong, guarded), 'string')
  }
})
