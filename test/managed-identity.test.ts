import assert from 'node:assert/strict'
import { request } from 'node:http'
import { networkInterfaces } from 'node:os'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import { ManagedIdentityCredential } from '@azure/identity'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Managed identities, as the official client looks for them on a virtual machine: by an environment variable alone, and
 * otherwise as it is.
 */

const administratorKey = 'a-key-of-an-administrator'
const machine = {
  name: 'machine',
  clientId: 'c0000000-0000-4000-8000-000000000000',
  objectId: 'c1111111-0000-4000-8000-000000000000',
  clientSecret: 'the-long-secret-of-the-machine',
  administrator: true,
}
const server = await startTestServer(
  { after },
  {
    administratorKey,
    file: {
      auth: {
        administrators: [{ name: 'ada', key: administratorKey }],
        principals: [machine],
        managedIdentity: { principal: 'machine', userAssigned: true },
      },
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

const identityId = (name: string) =>
  `${subscription}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
const management = 'https://management.azure.com/.default'

/** Sets environment variables until the test has ended. */
function setEnvironment(t: TestContext, variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) process.env[name] = value
  t.after(() => {
    for (const name of Object.keys(variables)) delete process.env[name]
  })
}

const asVm = (t: TestContext, url = server.http) =>
  setEnvironment(t, { AZURE_POD_IDENTITY_AUTHORITY_HOST: url })

async function makeIdentity(name: string) {
  const made = await server.call('PUT', identityId(name), { location: 'westus2' })
  assert.ok(made.status < 300, JSON.stringify(made.body))
  const { body } = await get({ msi_res_id: identityId(name) })
  return { clientId: body.client_id as string, objectId: String(decodeJwt(body.access_token).oid) }
}

/** A token, asked for as on a virtual machine. */
async function get(
  query: Readonly<Record<string, string>>,
  {
    headers = { metadata: 'true' },
    resource = 'https://eventgrid.azure.net',
    url = server.http,
    method = 'GET',
  }: {
    readonly headers?: Record<string, string>
    readonly resource?: string
    readonly url?: string
    readonly method?: string
  } = {},
) {
  const search = new URLSearchParams({
    'api-version': '2018-02-01',
    ...(resource !== '' && { resource }),
    ...query,
  })
  const response = await fetch(`${url}/metadata/identity/oauth2/token?${search.toString()}`, {
    headers,
    method,
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

test('the official client gets the default identity of this machine, and manages with it', async (t) => {
  asVm(t)
  const credential = new ManagedIdentityCredential()
  const client = new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })
  assert.equal((await client.topics.get('rg', 'orders')).name, 'orders')
  const { token } = await credential.getToken(management)
  const keys = createRemoteJWKSet(new URL(`${server.https}/${defaultSubscriptionId}/discovery/keys`))
  const { payload } = await jwtVerify(token, keys, { audience: 'https://management.azure.com' })
  assert.deepEqual(
    [payload.oid, payload.appid, payload.tid],
    [machine.objectId, machine.clientId, defaultSubscriptionId],
  )
})

test('the official client gets an identity that is a resource, by each of its names, and what its roles permit', async (t) => {
  asVm(t)
  const { clientId, objectId } = await makeIdentity('worker')
  await server.call(
    'PUT',
    `/providers/Microsoft.Authorization/roleAssignments/2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d`,
    {
      properties: {
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`,
        principalId: objectId,
      },
    },
  )
  for (const by of [{ clientId }, { objectId }, { resourceId: identityId('worker') }]) {
    const credential = new ManagedIdentityCredential(by)
    const resources = new ResourceManagementClient(credential, defaultSubscriptionId, {
      endpoint: server.https,
    })
    assert.equal((await resources.resourceGroups.get('rg')).name, 'rg')
    await assert.rejects(resources.resourceGroups.createOrUpdate('more', { location: 'westus2' }), {
      statusCode: 403,
      message: new RegExp(`'${clientId}' with object id '${objectId}'`),
    })
  }
  const { token } = await new ManagedIdentityCredential({ clientId }).getToken(management)
  await server.call('DELETE', identityId('worker'))
  const answer = await fetch(`${server.http}/subscriptions?api-version=2022-12-01`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(answer.status, 401, 'an identity that is gone')
  const gone = await get({ client_id: clientId })
  assert.deepEqual([gone.status, gone.body.error_description], [400, 'Identity not found'])
})

test('what the endpoint of a virtual machine refuses, it refuses in its words', async () => {
  const refused = async (asked: ReturnType<typeof get>, status: number, error: string, why: RegExp) => {
    const { status: answered, body } = await asked
    assert.deepEqual([answered, body.error], [status, error])
    assert.match(body.error_description, why)
  }
  const bad = [400, 'invalid_request'] as const
  await refused(get({}, { headers: {} }), ...bad, /^Required metadata header not specified$/)
  await refused(get({}, { resource: '' }), ...bad, /^Required query variable 'resource' is missing$/)
  await refused(get({ 'api-version': '' }), ...bad, /'api-version' is missing$/)
  await refused(get({ client_id: 'c0000000-0000-4000-8000-00000000000f' }), ...bad, /^Identity not found$/)
  await refused(get({ client_id: machine.clientId, object_id: machine.objectId }), ...bad, /^Only one of/)
  await refused(get({}, { method: 'POST' }), 405, 'invalid_request', /GET/)
  const forwarded = { metadata: 'true', 'x-forwarded-for': '203.0.113.7' }
  await refused(get({}, { headers: forwarded }), 403, 'forbidden', /proxy/)
})

test('an older command line asks with a form, and finds the tenant in the token', async () => {
  const response = await fetch(`${server.http}/msi/token`, {
    method: 'POST',
    headers: { metadata: 'true' },
    body: new URLSearchParams({ resource: 'https://management.core.windows.net/' }),
  })
  const answer = (await response.json()) as Record<string, string>
  const { tid, exp } = decodeJwt(answer.access_token as string)
  assert.deepEqual(
    [tid, answer.expires_on, answer.token_type],
    [defaultSubscriptionId, String(exp), 'Bearer'],
  )
})

test('a page whose name leads to this machine gets no token', async () => {
  const status = await new Promise((resolve, reject) => {
    const { port } = new URL(server.http)
    const path = '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://eventgrid.azure.net'
    request({ port, host: '127.0.0.1', path, headers: { host: `evil.example:${port}`, metadata: 'true' } })
      .once('response', (response) => resolve(response.resume().statusCode))
      .once('error', reject)
      .end()
  })
  assert.equal(status, 403)
})

const outside = Object.values(networkInterfaces())
  .flat()
  .find((each) => each && !each.internal && each.family === 'IPv4')?.address

test('another machine gets no token', {
  skip: outside === undefined && 'there is no other address',
}, async (t) => {
  const open = await startTestServer(t, {
    administratorKey,
    flags: { host: '0.0.0.0', mqttPort: 'off' },
    file: {
      auth: {
        administrators: [{ name: 'ada', key: administratorKey }],
        principals: [machine],
        managedIdentity: { principal: 'machine' },
      },
      hostAliases: [outside as string],
    },
  }).catch((error: unknown) => error as Error)
  if (open instanceof Error) throw open
  const { port } = new URL(open.http)
  const { status } = await get({}, { url: `http://${outside}:${port}` })
  assert.equal(status, 403)
  assert.equal((await get({}, { url: `http://127.0.0.1:${port}` })).status, 200)
})

test('without a default identity a single one is meant, and of several none', async (t) => {
  const development = await startTestServer(t)
  const none = await get({}, { url: development.http })
  assert.deepEqual([none.status, none.body.error_description], [400, 'Identity not found'])
  await development.call('PUT', identityId('only'), { location: 'westus2' })
  assert.equal((await get({}, { url: development.http })).status, 200)
  await development.call('PUT', identityId('second'), { location: 'westus2' })
  const several = await get({}, { url: development.http })
  assert.match(several.body.error_description, /^Multiple user assigned identities exist/)
})
