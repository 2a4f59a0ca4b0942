import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../testing/manual-clock.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { startTokenIssuer } from '../testing/token-issuer.ts'
import { createBearerTokens, dataPlaneAudiences } from './bearer-token.ts'
import { type Grant, openIssuer } from './issuer.ts'
import { createPrincipals } from './principals.ts'
import { eventGridApplicationId } from './webhook-tokens.ts'

const tenantId = '00000000-0000-0000-0000-000000000000'
const ada = {
  name: 'ada',
  clientId: 'a0000000-0000-4000-8000-000000000000',
  objectId: 'a1111111-0000-4000-8000-000000000000',
  clientSecret: 'secret',
  certificate: undefined,
  administrator: false,
}
const grant: Grant = {
  base: 'https://localhost:4843',
  tenantId,
  audience: 'https://eventgrid.azure.net',
  clientId: ada.clientId,
  objectId: ada.objectId,
  version: '2.0',
}

/** The reader of bearer tokens, with our own issuer and one outside. */
async function start(t: TestContext) {
  // jose counts whole seconds.
  const clock = new ManualClock(Math.floor(Date.now() / 1000) * 1000)
  const outside = await startTokenIssuer(t)
  const issuer = await openIssuer({ keyFile: join(await temporaryDirectory(t), 'key'), clock })
  const issuers = [{ issuer: outside.url, audiences: dataPlaneAudiences }]
  const trust = { issuer, principals: createPrincipals([ada]), tenantId, issuers }
  const read = createBearerTokens({ clock, trust })
  const sign = async (changes: Partial<Grant> = {}) => (await issuer.sign({ ...grant, ...changes })).token
  const outsider = (claims: Record<string, unknown>, expiresAt = clock.now() + 600_000) =>
    outside.token({ aud: 'https://eventgrid.azure.net', ...claims }, expiresAt)
  return { clock, outside, issuer, read, sign, outsider }
}

const refused = (message: RegExp) => ({ name: 'TokenRefused', message })

test('a token of a principal is read, of either version and with either spelling of the audience', async (t) => {
  const { clock, read, sign } = await start(t)
  for (const audience of dataPlaneAudiences)
    for (const version of ['1.0', '2.0'] as const)
      assert.deepEqual(await read(await sign({ audience, version })), {
        expiresAt: clock.now() + 3_600_000,
        isUser: false,
        objectId: ada.objectId,
        principalIds: [ada.objectId],
        isPrincipal: true,
      })
})

test('a token that is known is answered without a promise, until the millisecond in which it expires', async (t) => {
  const { clock, read, sign } = await start(t)
  const token = await sign()
  await read(token)
  assert.ok(!(read(token) instanceof Promise))
  await clock.advance(3_599_999)
  assert.ok(!(read(token) instanceof Promise))
  await clock.advance(1)
  await assert.rejects(async () => read(token), refused(/expired at \d{4}-.*Z\.$/))
})

test('a token that nobody has shown before is refused in the second in which it expires', async (t) => {
  const { clock, read, sign } = await start(t)
  const token = await sign()
  await clock.advance(3_599_999)
  const other = await sign()
  assert.ok(await read(token))
  await clock.advance(3_600_000)
  await assert.rejects(async () => read(other), refused(/expired/))
})

test('a token of ours for another audience, tenant or principal is refused', async (t) => {
  const { read, sign } = await start(t)
  const refuses = async (changes: Partial<Grant>, message: RegExp) =>
    assert.rejects(async () => read(await sign(changes)), refused(message))
  await refuses(
    { audience: 'https://management.azure.com' },
    /audience "https:\/\/management\.azure\.com"; expected/,
  )
  await refuses({ tenantId: '11111111-0000-4000-8000-000000000000' }, /a principal that is not known here/)
  await refuses({ objectId: ada.clientId }, /a principal that is not known here/)
  await refuses({ clientId: eventGridApplicationId }, /a principal that is not known here/)
})

test('a token that is altered anywhere is refused', async (t) => {
  const { read, sign } = await start(t)
  const token = await sign()
  const [head = '', body = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
  const forged = Buffer.from(JSON.stringify({ ...claims, oid: ada.clientId })).toString('base64url')
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  for (const [changed, message] of [
    [`${head}.${forged}.${signature}`, /not signed with a key of its issuer/],
    [`${head}.${body}.${signature.slice(4)}AAAA`, /not signed with a key of its issuer/],
    [`${none}.${body}.`, /issuer 'https:\/\/localhost:4843.*not trusted/],
    [`${head}.${body}`, /not a signed JSON Web Token/],
    ['', /not a signed JSON Web Token/],
    ['a.b.c', /not a signed JSON Web Token/],
  ] as const)
    await assert.rejects(async () => read(changed), refused(message), changed)
})

test('a token of an outside issuer names its object id and its groups', async (t) => {
  const { clock, outside, read, outsider } = await start(t)
  // A minute is granted, for the issuer's clock may be ahead.
  const expiresAt = clock.now() + 660_000
  const groups = ['B0000000-0000-4000-8000-000000000000']
  assert.deepEqual(await read(await outsider({ oid: ada.objectId.toUpperCase(), groups })), {
    objectId: ada.objectId.toUpperCase(),
    principalIds: [ada.objectId, 'b0000000-0000-4000-8000-000000000000'],
    isUser: false,
    expiresAt,
  })
  assert.deepEqual(await read(await outsider({ sub: 'someone' })), {
    objectId: 'someone',
    principalIds: ['someone'],
    isUser: false,
    expiresAt,
  })
  assert.equal(outside.discoveries, 1)
})

test('a token of an outside issuer that is late, early, for another or of a stranger is refused', async (t) => {
  const { clock, read, outsider } = await start(t)
  const stranger = await startTokenIssuer(t)
  const soon = clock.now() + 600_000
  await assert.rejects(
    async () => read(await outsider({ aud: 'api://else' })),
    refused(/audience "api:\/\/else"/),
  )
  await assert.rejects(
    async () => read(await outsider({ nbf: clock.now() / 1000 + 61 })),
    refused(/not valid yet/),
  )
  await assert.rejects(async () => read(await stranger.token({}, soon)), refused(/not trusted here/))
  const late = await outsider({}, clock.now() + 1_000)
  await clock.advance(60_999)
  assert.ok(await read(late), 'the issuer’s clock may be a minute off')
  await clock.advance(1)
  await assert.rejects(async () => read(late), refused(/expired/))
})

test('an outside issuer that cannot be reached is an outage, and is asked again', async (t) => {
  const { outside, read, outsider } = await start(t)
  const token = await outsider({})
  outside.down = true
  await assert.rejects(async () => read(token), { name: 'RequestError', status: 503 })
  outside.down = false
  assert.ok(await read(token))
})
