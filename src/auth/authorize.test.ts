import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Clock, createSystemClock } from '../base/clock.ts'
import type { HttpRequest } from '../http/http.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { startTokenIssuer } from '../testing/token-issuer.ts'
import { createAuthorize } from './authorize.ts'
import { openIssuer } from './issuer.ts'
import { ownHosts } from './own-hosts.ts'
import { createPrincipals } from './principals.ts'

const systemClock = createSystemClock()
const key = 'a-key-of-thirty-two-characters-!'

test('in development mode everyone is the owner, with any token or none', async () => {
  const authorize = createAuthorize(undefined, systemClock)
  assert.equal((await authorize(asking())).name, 'development')
  assert.equal((await authorize(asking('Bearer whatever'))).name, 'development')
})

test('in development mode a page of another site cannot use the server through its visitor', async () => {
  const authorize = createAuthorize(undefined, systemClock, ownHosts(['busbar.internal']))
  const from = (origin: string) => authorize({ headers: { origin } } as unknown as HttpRequest)
  for (const origin of [
    'https://example.org',
    'http://localhost.example.org',
    'http://127.evil.example',
    'null',
  ])
    await assert.rejects(from(origin), { status: 403, code: 'AuthorizationFailed' })
  for (const origin of [
    'http://127.0.0.1:4800',
    'http://localhost:3000',
    'http://[::1]:1',
    'http://busbar.internal',
  ])
    assert.equal((await from(origin)).name, 'development')
})

test('in development mode the server is used under its own names alone', async () => {
  const isServed = (name: string) => name === 'orders.westus2-1.eventgrid.azure.net'
  const authorize = createAuthorize(
    undefined,
    systemClock,
    ownHosts(['Busbar.internal', '*.shop.example'], isServed),
  )
  const as = (host: string | undefined) => authorize({ headers: { host } } as unknown as HttpRequest)
  for (const host of [
    ...['evil.example', 'evil.example:4800', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1'],
    ...['shop.example', 'xshop.example', 'a b', '', '[::2]:1'],
  ])
    await assert.rejects(as(host), { status: 403, code: 'AuthorizationFailed' }, host)
  for (const host of [
    ...[
      undefined,
      'localhost',
      'LOCALHOST:4800',
      'a.localhost:1',
      '127.0.0.1:4800',
      '127.9.9.9',
      '[::1]:4800',
    ],
    ...['busbar.internal:4800', 'a.shop.example', 'orders.westus2-1.eventgrid.azure.net'],
  ])
    assert.equal((await as(host)).name, 'development', String(host))
})

test('an administrator is known by the key, sent as a bearer token', async () => {
  const administrators = [
    { name: 'ada', key },
    { name: 'grace', key: `${key}2` },
  ]
  const authorize = createAuthorize({ administrators, oidc: undefined }, systemClock)
  assert.equal((await authorize(asking(`Bearer ${key}`))).name, 'ada')
  assert.equal((await authorize(asking(`bearer ${key}2`))).name, 'grace')
  await assert.rejects(authorize(asking(`Bearer ${key}3`)), {
    status: 401,
    code: 'InvalidAuthenticationToken',
  })
  await assert.rejects(authorize(asking(`Basic ${key}`)), {
    status: 401,
    code: 'AuthenticationFailedInvalidHeader',
  })
  await assert.rejects(authorize(asking()), { status: 401, code: 'AuthenticationFailed' })
})

test('a token of the configured issuer is good until it expires', async (t) => {
  const issuer = await startTokenIssuer(t)
  let now = Date.now()
  const clock: Clock = { ...systemClock, now: () => now }
  const authorize = createAuthorize(settingsFor(issuer.url), clock)
  const token = await issuer.token({ preferred_username: 'ada@example.org' }, now + 600_000)
  assert.equal((await authorize(asking(`Bearer ${token}`))).name, 'ada@example.org')
  now += 599_000
  assert.equal((await authorize(asking(`Bearer ${token}`))).name, 'ada@example.org')
  now += 62_000 // beyond the tolerance of a minute
  await assert.rejects(authorize(asking(`Bearer ${token}`)), {
    status: 401,
    code: 'ExpiredAuthenticationToken',
  })
})

test('a token for another audience, of another issuer, or signed by another key is refused', async (t) => {
  const issuer = await startTokenIssuer(t)
  const stranger = await startTokenIssuer(t)
  const authorize = createAuthorize(settingsFor(issuer.url), systemClock)
  const soon = Date.now() + 60_000
  const refused = { status: 401, code: 'InvalidAuthenticationToken' }
  const tokens = [
    await issuer.token({ aud: 'https://other.example.org' }, soon),
    await issuer.token({ iss: stranger.url }, soon),
    await stranger.token({ iss: issuer.url }, soon),
    await stranger.token({}, soon),
    'not-a-token',
    'a.b.c',
  ]
  for (const token of tokens) await assert.rejects(authorize(asking(`Bearer ${token}`)), refused)
})

test('an issuer that cannot be reached is an outage, not a refusal, and is asked again', async (t) => {
  const issuer = await startTokenIssuer(t)
  const authorize = createAuthorize(settingsFor(issuer.url), systemClock)
  const token = await issuer.token({}, Date.now() + 60_000)
  issuer.down = true
  await assert.rejects(authorize(asking(`Bearer ${token}`)), { status: 503, code: 'ServiceUnavailable' })
  issuer.down = false
  assert.equal((await authorize(asking(`Bearer ${token}`))).name, 'someone')
})

test('a principal is known by its token, and owns everything where it is an administrator', async (t) => {
  const issuer = await openIssuer({ keyFile: join(await temporaryDirectory(t), 'key'), clock: systemClock })
  const principal = (digit: string, administrator: boolean) => ({
    name: `principal ${digit}`,
    clientId: `${digit}0000000-0000-4000-8000-000000000000`,
    objectId: `${digit}1111111-0000-4000-8000-000000000000`,
    clientSecret: 'secret',
    certificate: undefined,
    administrator,
  })
  const [ada, grace, stranger] = [principal('a', true), principal('b', false), principal('c', true)] as const
  const trust = { issuer, principals: createPrincipals([ada, grace]), tenantId: 'tenant', issuers: [] }
  const audiences = () => ['https://management.azure.com/']
  const settings = { administrators: [], oidc: undefined }
  const authorize = createAuthorize(settings, systemClock, ownHosts([]), { trust, audiences })
  const ask = async (
    { clientId, objectId }: typeof ada,
    { audience = 'https://management.azure.com/', tenantId = 'tenant' } = {},
  ) => {
    const grant = {
      base: 'https://localhost',
      tenantId,
      audience,
      clientId,
      objectId,
      version: '2.0',
    } as const
    return authorize(asking(`Bearer ${(await issuer.sign(grant)).token}`))
  }
  assert.equal((await ask(ada)).name, 'principal a')
  assert.equal((await ask(ada)).isOwner, true)
  assert.partialDeepStrictEqual(await ask(grace), { objectId: grace.objectId, isOwner: false })
  const refused = { status: 401, code: 'InvalidAuthenticationToken' }
  await assert.rejects(ask(stranger), refused)
  await assert.rejects(ask(ada, { audience: 'https://eventgrid.azure.net' }), refused)
  await assert.rejects(ask(ada, { tenantId: 'other' }), refused)
})

test('of an outside issuer those are owners who are named, by object id or group, and all where nobody is', async (t) => {
  const outside = await startTokenIssuer(t)
  const [ada, group, grace] = ['a', 'b', 'c'].map((digit) => `${digit}1111111-0000-4000-8000-000000000000`)
  const named = {
    ...settingsFor(outside.url),
    oidc: { ...settingsFor(outside.url).oidc, owners: [ada, group] as string[] },
  }
  const soon = Date.now() + 600_000
  const isOwner = async (
    settings: typeof named | ReturnType<typeof settingsFor>,
    claims: Record<string, unknown>,
  ) => {
    const authorize = createAuthorize(settings, systemClock)
    return (await authorize(asking(`Bearer ${await outside.token(claims, soon)}`))).isOwner
  }
  assert.equal(await isOwner(named, { oid: ada?.toUpperCase() }), true)
  assert.equal(await isOwner(named, { oid: grace, groups: ['x', group] }), true)
  assert.equal(await isOwner(named, { oid: grace }), false)
  assert.equal(await isOwner(settingsFor(outside.url), { oid: grace }), true)
})

const settingsFor = (issuer: string) => ({
  administrators: [],
  oidc: { issuer, audiences: ['https://busbar.example.org'] },
})

const asking = (authorization?: string) =>
  ({ headers: authorization === undefined ? {} : { authorization } }) as unknown as HttpRequest
