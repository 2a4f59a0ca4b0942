import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Guarded } from './credential.ts'
import { createSasTokens } from './sas-token.ts'

const key = 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='
const otherKey = Buffer.alloc(32, 7).toString('base64')
const host = 'mytopic.westus2-1.eventgrid.azure.net'
const endpoint = `https://${host}/api/events`
const expiresAt = Date.UTC(2030, 0, 2, 3, 4, 5)

class SetClock implements Clock {
  moment: EpochMs = Date.UTC(2029, 0, 1)
  now() {
    return this.moment
  }
  after(policyMs: number, from: EpochMs = this.moment) {
    return from + policyMs
  }
  since(moment: EpochMs) {
    return this.moment - moment
  }
  at(): never {
    throw new Error('Nothing here waits.')
  }
}

const guarded: Guarded = {
  keys: [otherKey, key],
  path: '/api/events',
  isOwnHost: (given) => given === host,
  isOwnEndpoint: (given, path) => given === 'proxy.example' && path === '/topics/mytopic/api/events',
}

const sign = (resource: string, expiry: string, signingKey = key) => {
  const signed = `r=${encodeURIComponent(resource)}&e=${encodeURIComponent(expiry)}`
  const signature = createHmac('sha256', Buffer.from(signingKey, 'base64')).update(signed).digest('base64')
  return `${signed}&s=${encodeURIComponent(signature)}`
}

const published = {
  JavaScript:
    'r=https%3A%2F%2Fmytopic.westus2-1.eventgrid.azure.net%2Fapi%2Fevents%3FapiVersion%3D2018-01-01&e=1%2F2%2F2030%203%3A04%3A05%20AM&s=0f3ujbc%2F%2BHZ9NZDeDyXB1ndcUL48KbvnHgBJz8hGWY8%3D',
  '.NET':
    'r=https%3a%2f%2fmytopic.westus2-1.eventgrid.azure.net%2fapi%2fevents%3fapi-version%3d2018-01-01&e=1%2f2%2f2030+3%3a04%3a05+AM+%2b00%3a00&s=AAeVqlxjpEuCjs8Ds7CFb3Qz8aXU5WaYURgNfJ13NNk%3d',
  'documented C#':
    'r=https%3a%2f%2fmytopic.westus2-1.eventgrid.azure.net%2fapi%2fevents&e=1%2f2%2f2030+3%3a04%3a05+AM&s=5Qvof7DU0EfoRIPhoKH0IrjZN7N3iAhyOdo%2boNb8mDE%3d',
  Java: 'r=https%3A%2F%2Fmytopic.westus2-1.eventgrid.azure.net%2Fapi%2Fevents%3Fapi-version%3D2018-01-01&e=1%2F2%2F2030+3%3A4%3A5+AM&s=B81KBgxIhJOvoFI7r83c3oFoEZgSOOGDQQ8wxjTw1ig%3D',
  Python:
    'r=https%3A%2F%2Fmytopic.westus2-1.eventgrid.azure.net%2Fapi%2Fevents%3FapiVersion%3D2018-01-01&e=2030-01-02%2003%3A04%3A05&s=z0B%2FVr15%2F6SzD4FvFDxZvlcX2QM7%2BZcLvegFa0EIyZY%3D',
}

for (const [sdk, token] of Object.entries(published)) {
  test(`a token as ${sdk} makes it is good until the millisecond in which it expires`, () => {
    const clock = new SetClock()
    const tokens = createSasTokens({ clock })
    assert.equal(tokens.refusal(token, guarded), undefined)
    clock.moment = expiresAt - 1
    assert.equal(tokens.refusal(token, guarded), undefined)
    clock.moment = expiresAt
    assert.match(tokens.refusal(token, guarded) ?? '', /expired at 2030-01-02T03:04:05/)
    assert.match(createSasTokens({ clock }).refusal(token, guarded) ?? '', /expired/)
  })

  test(`a token as ${sdk} makes it is refused when any character of it is changed`, () => {
    const tokens = createSasTokens({ clock: new SetClock() })
    for (let at = 0; at < token.length; at++) {
      const changed = token[at] === 'x' ? 'y' : 'x'
      const forged = token.slice(0, at) + changed + token.slice(at + 1)
      assert.equal(typeof tokens.refusal(forged, guarded), 'string', forged)
    }
  })
}

test('a raw plus sign in the signature stands for itself', () => {
  const tokens = createSasTokens({ clock: new SetClock() })
  assert.equal(tokens.refusal(published['documented C#'].replace('%2b', '+'), guarded), undefined)
})

test('a remembered token is refused once its key has been regenerated', () => {
  const tokens = createSasTokens({ clock: new SetClock() })
  const token = sign(endpoint, '1/2/2030 3:04:05 AM')
  assert.equal(tokens.refusal(token, guarded), undefined)
  const regenerated = { ...guarded, keys: [otherKey, otherKey] as const }
  assert.match(tokens.refusal(token, regenerated) ?? '', /not made with a key/)
})

test('a token for a leading part of the path is good, one for another path, host or half a segment is not', () => {
  const tokens = createSasTokens({ clock: new SetClock() })
  const refused = (resource: string) => tokens.refusal(sign(resource, '2030-01-02T03:04:05Z'), guarded)
  for (const resource of [
    `https://${host}`,
    `https://${host}/`,
    `https://${host}/api`,
    `https://${host}/API/Events/`,
    'https://proxy.example/topics/mytopic/api/events',
    `http://${host.toUpperCase()}/api/events?api-version=2018-01-01`,
  ])
    assert.equal(refused(resource), undefined, resource)
  for (const resource of [
    `https://other.westus2-1.eventgrid.azure.net/api/events`,
    'https://proxy.example/api/events',
    `https://${host}/api/even`,
    `https://${host}/api/events/more`,
    `https://${host}@evil.example/api/events`,
    '/api/events',
    host,
  ])
    assert.equal(typeof refused(resource), 'string', resource)
})

const atExpiry = [
  '1/2/2030 3:04:05 AM',
  '01/02/2030 03:04:05 AM',
  '1/2/2030 3:4:5 AM',
  '1/2/2030 3:04:05\u202fAM',
  '1/2/2030 3:04:05\u00a0am',
  '1/2/2030 5:04:05 AM +02:00',
  '1/1/2030 10:04:05 PM -05:00',
  '2030-01-02T03:04:05',
  '2030-01-02T03:04:05Z',
  '2030-01-02T03:04:05.0000000Z',
  '2030-01-02 03:04:05',
  '2030-01-02 03:04:05+00:00',
  '2030-01-02 03:04:05.000001+00:00',
  '2030-01-02T08:34:05+05:30',
]

for (const expiry of atExpiry) {
  test(`the expiry '${expiry}' is read to the millisecond`, () => {
    const clock = new SetClock()
    const tokens = createSasTokens({ clock })
    clock.moment = expiresAt - 1
    assert.equal(tokens.refusal(sign(endpoint, expiry), guarded), undefined)
    clock.moment = expiresAt
    assert.match(tokens.refusal(sign(endpoint, expiry), guarded) ?? '', /expired/)
  })
}

test('noon and midnight of the twelve-hour clock are told apart', () => {
  const clock = new SetClock()
  const tokens = createSasTokens({ clock })
  clock.moment = Date.UTC(2030, 0, 2, 6)
  assert.match(tokens.refusal(sign(endpoint, '1/2/2030 12:00:00 AM'), guarded) ?? '', /expired/)
  assert.equal(tokens.refusal(sign(endpoint, '1/2/2030 12:00:00 PM'), guarded), undefined)
})

for (const expiry of [
  '',
  'tomorrow',
  '13/1/2030 1:00:00 AM',
  '2/30/2030 1:00:00 AM',
  '1/2/2030 13:00:00 PM',
  '1893553445',
  '2030-02-30T00:00:00Z',
  '2030-01-02T24:00:00Z',
  '2030-01-02T03:04:05+99:00',
  'Infinity',
])
  test(`the expiry '${expiry}' is refused`, () => {
    const tokens = createSasTokens({ clock: new SetClock() })
    assert.equal(typeof tokens.refusal(sign(endpoint, expiry), guarded), 'string')
  })

test('a text that is no token is refused', () => {
  const tokens = createSasTokens({ clock: new SetClock() })
  const good = sign(endpoint, '2030-01-02T03:04:05Z')
  for (const text of [
    '',
    'r=&e=&s=',
    'r=a&e=b',
    '&s=',
    good.slice(2),
    `${good}&x=1`,
    `x=1&${good}`,
    good.replace('%3A', '%ZZ'),
    `${good}%`,
  ])
    assert.equal(typeof tokens.refusal(text, guarded), 'string', text)
})
