import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { createSystemClock } from '../base/clock.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { type Grant, openIssuer } from './issuer.ts'

const clock = createSystemClock()
const grant: Grant = {
  base: 'https://localhost:4843',
  tenantId: '00000000-0000-0000-0000-000000000000',
  audience: 'api://orders',
  clientId: 'a0000000-0000-4000-8000-000000000000',
  objectId: 'a1111111-0000-4000-8000-000000000000',
  version: '2.0',
}

test('a token is verified with the published keys, and says what Entra’s tokens say', async (t) => {
  const manual = new ManualClock(1_800_000_000_000)
  const issuer = await openIssuer({ keyFile: join(await temporaryDirectory(t), 'key'), clock: manual })
  const { token, expiresAt } = await issuer.sign({ ...grant, roles: ['Reader'] })
  const { payload, protectedHeader } = await jwtVerify(
    token,
    createLocalJWKSet((await issuer.keySet()) as JSONWebKeySet),
    {
      currentDate: new Date(manual.now()),
    },
  )
  assert.equal(protectedHeader.alg, 'RS256')
  assert.equal(expiresAt, 1_800_003_600_000)
  const { uti, ...claims } = payload
  assert.equal(typeof uti, 'string')
  assert.deepEqual(claims, {
    aud: 'api://orders',
    iss: `https://localhost:4843/${grant.tenantId}/v2.0`,
    iat: 1_799_999_700,
    nbf: 1_799_999_700,
    exp: 1_800_003_600,
    appid: grant.clientId,
    azp: grant.clientId,
    azpacr: '1',
    idp: `https://localhost:4843/${grant.tenantId}/`,
    idtyp: 'app',
    oid: grant.objectId,
    sub: grant.objectId,
    tid: grant.tenantId,
    roles: ['Reader'],
    ver: '2.0',
  })
})

test('a token of the first version has that version’s issuer and claims', async (t) => {
  const issuer = await openIssuer({ keyFile: join(await temporaryDirectory(t), 'key'), clock })
  const claims = decodeJwt((await issuer.sign({ ...grant, version: '1.0' })).token)
  assert.equal(claims.iss, `https://localhost:4843/${grant.tenantId}/`)
  assert.deepEqual(
    [claims.ver, claims.appid, claims.appidacr, claims.azp],
    ['1.0', grant.clientId, '1', undefined],
  )
})

test('the key is made once, for its owner alone, and outlives the process', async (t) => {
  const keyFile = join(await temporaryDirectory(t), 'key')
  const first = await openIssuer({ keyFile, clock })
  const [one, two] = await Promise.all([first.sign(grant), first.sign(grant)])
  assert.equal(statSync(keyFile).mode & 0o777, 0o600)
  const second = await openIssuer({ keyFile, clock })
  assert.deepEqual(await second.keySet(), await first.keySet())
  for (const { token } of [one, two])
    assert.equal((await second.verify(token, ['api://orders'])).oid, grant.objectId)
})

test('two keys do not verify each other’s tokens', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await openIssuer({ keyFile: join(directory, 'one'), clock })
  const second = await openIssuer({ keyFile: join(directory, 'two'), clock })
  const { token } = await first.sign(grant)
  await second.keySet()
  await assert.rejects(second.verify(token, ['api://orders']), { name: 'TokenRefused' })
})

test('a key file that is no key is for the operator to put right', async (t) => {
  const keyFile = join(await temporaryDirectory(t), 'key')
  writeFileSync(keyFile, 'no key')
  await assert.rejects(openIssuer({ keyFile, clock }), {
    name: 'OperatorError',
    message: /key.*cannot be used/,
  })
})
