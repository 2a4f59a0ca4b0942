import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ManagedIdentityCredential } from '@azure/identity'
import { decodeJwt } from 'jose'
import { subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Managed identities in App Service's form. The official client decides once in a process which form there is: so
 * these tests have a file of their own.
 */

const machine = {
  name: 'machine',
  clientId: 'c0000000-0000-4000-8000-000000000000',
  objectId: 'c1111111-0000-4000-8000-000000000000',
  clientSecret: 'the-long-secret-of-the-machine',
}
const server = await startTestServer(
  { after },
  { file: { auth: { principals: [machine], managedIdentity: { principal: machine.clientId } } } },
)
const headerFile = join(server.dataDir, 'identity-header')
const header = readFileSync(headerFile, 'utf8').trim()
const management = 'https://management.azure.com/.default'

test('the official client gets an identity in the form of App Service, by the header that the data directory holds', async (t) => {
  process.env.IDENTITY_ENDPOINT = `${server.http}/msi/token`
  process.env.IDENTITY_HEADER = header
  t.after(() => {
    delete process.env.IDENTITY_ENDPOINT
    delete process.env.IDENTITY_HEADER
  })
  const { token } = await new ManagedIdentityCredential().getToken(management)
  assert.equal(decodeJwt(token).oid, machine.objectId)
  const id = `${subscription}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app`
  await server.call('PUT', id, { location: 'westus2' })
  const own = decodeJwt((await new ManagedIdentityCredential({ resourceId: id }).getToken(management)).token)
  for (const by of [{ clientId: String(own.appid) }, { objectId: String(own.oid) }]) {
    const again = await new ManagedIdentityCredential(by).getToken(management)
    assert.equal(decodeJwt(again.token).oid, own.oid)
  }
})

test('without that header, or with another, there is no token', async () => {
  const ask = (headers: Record<string, string>, version = '2019-08-01') =>
    fetch(`${server.http}/msi/token?api-version=${version}&resource=https://vault.azure.net`, { headers })
  assert.equal((await ask({ 'x-identity-header': header })).status, 200)
  assert.equal((await ask({ secret: header }, '2017-09-01')).status, 200)
  const others: Record<string, string>[] = [{}, { 'x-identity-header': `${header}x` }, { metadata: 'true' }]
  for (const headers of others) {
    const answer = await ask(headers)
    assert.equal(answer.status, 401)
    assert.match(await answer.text(), /X-IDENTITY-HEADER does not hold/)
  }
})

test('the header is for the eyes of its owner alone, and the same after a restart', async () => {
  assert.equal(statSync(headerFile).mode & 0o777, 0o600)
  await server.restart()
  assert.equal(readFileSync(headerFile, 'utf8').trim(), header)
})
