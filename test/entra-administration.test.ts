import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { AuthorizationManagementClient } from '@azure/arm-authorization'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { EventGridPublisherClient } from '@azure/eventgrid'
import { ClientSecretCredential } from '@azure/identity'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'
import { startTokenIssuer } from '../src/testing/token-issuer.ts'

/*
 * A server that only those may manage whom its configuration names: principals that sign in as administrators, and
 * publishers whose tokens another issuer has made.
 */

const administratorKey = 'a-key-of-an-administrator'
const principal = (digit: string, administrator: boolean) => ({
  name: `principal ${digit}`,
  clientId: `${digit}0000000-0000-4000-8000-000000000000`,
  objectId: `${digit}1111111-0000-4000-8000-000000000000`,
  clientSecret: `the-long-secret-of-${digit}`,
  administrator,
})
const administrator = principal('a', true)
const publisher = principal('b', false)
const outside = await startTokenIssuer({ after })
const server = await startTestServer(
  { after },
  {
    administratorKey,
    file: {
      auth: {
        administrators: [{ name: 'ada', key: administratorKey }],
        principals: [administrator, publisher],
        issuers: [{ issuer: outside.url }],
      },
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

const signIn = ({ clientId, clientSecret }: typeof publisher) =>
  new ClientSecretCredential(defaultSubscriptionId, clientId, clientSecret, {
    authorityHost: server.https,
    disableInstanceDiscovery: true,
  })
const sender = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/d5a91429-5739-47e2-a06b-3470a27159e7`
const event = { eventType: 'Order.Placed', subject: '/orders/1', dataVersion: '1.0', data: {} }

for (const credentialScopes of [undefined, 'https://management.azure.com/.default'])
  test(`an administrator that signs in manages, with a token for ${credentialScopes ?? 'the endpoint'}`, async () => {
    const settings = { endpoint: server.https, ...(credentialScopes !== undefined && { credentialScopes }) }
    const client = (as: typeof publisher) =>
      new EventGridManagementClient(signIn(as), defaultSubscriptionId, settings)
    const topic = await client(administrator).topics.get('rg', 'orders')
    assert.equal(topic.name, 'orders')
    await assert.rejects(client(publisher).topics.get('rg', 'orders'), {
      statusCode: 403,
      code: 'AuthorizationFailed',
    })
  })

test('what a principal does is written down in its name', async () => {
  const client = new EventGridManagementClient(signIn(administrator), defaultSubscriptionId, {
    endpoint: server.https,
  })
  const topic = await client.topics.beginCreateOrUpdateAndWait('rg', 'by-principal', { location: 'westus2' })
  assert.equal(topic.systemData?.createdBy, 'principal a')
})

test('a publisher of another issuer sends once a role is assigned to it, or to a group of its', async () => {
  const roles = new AuthorizationManagementClient(signIn(administrator), defaultSubscriptionId, {
    endpoint: server.https,
  })
  const topic = await server.createTopic('from-outside')
  const oid = randomUUID()
  const group = randomUUID()
  const soon = Date.now() + 600_000
  const send = async (claims: Record<string, unknown>, expiresAt = soon) => {
    const token = await outside.token({ aud: 'https://eventgrid.azure.net', ...claims }, expiresAt)
    const credential = { getToken: () => Promise.resolve({ token, expiresOnTimestamp: soon }) }
    await new EventGridPublisherClient(topic.endpoint, 'EventGrid', credential).send([event])
  }
  await assert.rejects(send({ oid }), { statusCode: 401 })
  const byId = randomUUID()
  await roles.roleAssignments.create(topic.id, byId, { roleDefinitionId: sender, principalId: oid })
  await send({ oid })
  await assert.rejects(send({ oid, aud: 'api://else' }), (error: { statusCode: number; message: string }) => {
    assert.equal(error.statusCode, 401)
    assert.match(error.message, /audience "api:\/\/else"; expected https:\/\/eventgrid\.azure\.net/)
    return true
  })
  await assert.rejects(send({ oid }, Date.now() - 120_000), /expired at/)
  await roles.roleAssignments.delete(topic.id, byId)
  await assert.rejects(send({ oid, groups: [group] }), { statusCode: 401 })
  await roles.roleAssignments.create(topic.id, randomUUID(), {
    roleDefinitionId: sender,
    principalId: group,
    principalType: 'Group',
  })
  await send({ oid, groups: [group] })
})

test('while another issuer is out of reach its tokens are an outage, and keys go on', async () => {
  const stranger = await startTokenIssuer({ after })
  stranger.down = true
  const second = await startTestServer({ after }, { file: { auth: { issuers: [{ issuer: stranger.url }] } } })
  const token = await stranger.token({ aud: 'https://eventgrid.azure.net' }, Date.now() + 600_000)
  const topic = await second.createTopic('unreachable')
  const answer = await fetch(second.http + new URL(topic.endpoint).pathname, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: '[]',
  })
  assert.equal(answer.status, 503)
  assert.ok(answer.headers.has('retry-after'))
  await second.publish({ id: '1' }, { topic: 'unreachable' })
})
