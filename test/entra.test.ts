import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { AuthorizationManagementClient } from '@azure/arm-authorization'
import { EventGridPublisherClient } from '@azure/eventgrid'
import { ClientSecretCredential } from '@azure/identity'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { type Received, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Publishing with Microsoft Entra tokens, seen from outside: the official identity client signs in at Busbar, the
 * official management client assigns roles, and the official publisher sends, over HTTPS and as they are.
 */

const tenantId = defaultSubscriptionId
const publisher = {
  name: 'publisher',
  clientId: '7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c',
  clientSecret: 'a-secret-that-nobody-guesses',
  objectId: '0f9e8d7c-6b5a-4a39-8271-605f4e3d2c1b',
}
const sender = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/d5a91429-5739-47e2-a06b-3470a27159e7`
const owner = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635`

const server = await startTestServer({ after }, { file: { auth: { principals: [publisher] } } })
// What NODE_EXTRA_CA_CERTS does for a process that is started with it.
setDefaultCACertificates([...getCACertificates(), server.ca])

const signIn = (clientSecret = publisher.clientSecret, clientId = publisher.clientId, tenant = tenantId) =>
  new ClientSecretCredential(tenant, clientId, clientSecret, {
    authorityHost: server.https,
    disableInstanceDiscovery: true,
  })

const roles = new AuthorizationManagementClient(
  { getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }) },
  defaultSubscriptionId,
  { endpoint: server.https },
)

const event = () => ({ eventType: 'Order.Placed', subject: '/orders/1', dataVersion: '1.0', data: {} })

const publisherTo = (endpoint: string) => new EventGridPublisherClient(endpoint, 'EventGrid', signIn())

test('a principal publishes once a role assignment lets it, and no longer once that is removed', async () => {
  const topic = await server.createTopic('by-token')
  const client = publisherTo(topic.endpoint)
  await assert.rejects(client.send([event()]), (error: { statusCode: number; message: string }) => {
    assert.equal(error.statusCode, 401)
    assert.match(error.message, new RegExp(`events/send/action.*${topic.id}`))
    return true
  })
  const name = randomUUID()
  const made = await roles.roleAssignments.create(topic.id, name, {
    roleDefinitionId: sender,
    principalId: publisher.objectId,
    principalType: 'ServicePrincipal',
  })
  assert.equal(made.scope, topic.id)
  await client.send([event()])
  await roles.roleAssignments.delete(topic.id, name)
  await assert.rejects(client.send([event()]), { statusCode: 401 })
})

for (const [level, scope] of [
  ['resource group', `${subscription}/resourceGroups/rg`],
  ['subscription', subscription],
] as const)
  test(`a role that is assigned at the ${level} counts for its topics`, async () => {
    const topic = await server.createTopic(`below-${level.replace(' ', '-')}`)
    const client = publisherTo(topic.endpoint)
    const name = randomUUID()
    await assert.rejects(client.send([event()]), { statusCode: 401 })
    await roles.roleAssignments.create(scope, name, {
      roleDefinitionId: sender,
      principalId: publisher.objectId,
    })
    await client.send([event()])
    await roles.roleAssignments.delete(scope, name)
    await assert.rejects(client.send([event()]), { statusCode: 401 })
  })

test('an owner may not publish, and neither may the sender of another topic', async () => {
  const topic = await server.createTopic('owned')
  const other = await server.createTopic('owned-2')
  await roles.roleAssignments.create(topic.id, randomUUID(), {
    roleDefinitionId: owner,
    principalId: publisher.objectId,
  })
  await roles.roleAssignments.create(other.id, randomUUID(), {
    roleDefinitionId: sender,
    principalId: publisher.objectId,
  })
  await assert.rejects(publisherTo(topic.endpoint).send([event()]), { statusCode: 401 })
  await publisherTo(other.endpoint).send([event()])
})

test('a role assignment on a topic goes with it, and does not come back with another of its name', async () => {
  const topic = await server.createTopic('short-lived')
  const assign = () =>
    roles.roleAssignments.create(topic.id, randomUUID(), {
      roleDefinitionId: sender,
      principalId: publisher.objectId,
    })
  await assign()
  await publisherTo(topic.endpoint).send([event()])
  await server.call('DELETE', topic.id)
  await server.createTopic('short-lived')
  await assert.rejects(publisherTo(topic.endpoint).send([event()]), { statusCode: 401 })
})

test('with disableLocalAuth a token is the only way in', async () => {
  const topic = await server.createTopic('tokens-only', { disableLocalAuth: true })
  await roles.roleAssignments.create(topic.id, randomUUID(), {
    roleDefinitionId: sender,
    principalId: publisher.objectId,
  })
  const byKey = await server.publishRaw('[]', { topic: 'tokens-only' })
  assert.equal(byKey.status, 401)
  assert.match(await byKey.text(), /disableLocalAuth/)
  await publisherTo(topic.endpoint).send([event()])
})

test('a domain takes tokens and goes by its rules as a topic does', async () => {
  const id = `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/domains/shops`
  const body = (properties: Record<string, unknown>) => ({ location: 'westus2', properties })
  const made = await server.call('PUT', id, body({ disableLocalAuth: true }))
  const client = publisherTo(made.body.properties.endpoint)
  const events = [{ ...event(), topic: 'toys' }]
  await assert.rejects(client.send(events), { statusCode: 401 })
  await roles.roleAssignments.create(id, randomUUID(), {
    roleDefinitionId: sender,
    principalId: publisher.objectId,
  })
  await client.send(events)
  const inboundIpRules = [{ ipMask: '192.0.2.0/24', action: 'Allow' }]
  await server.call('PUT', id, body({ disableLocalAuth: true, inboundIpRules }))
  await assert.rejects(client.send(events), { statusCode: 403 })
})

test('role definitions and assignments are listed as the official client asks for them', async () => {
  const topic = await server.createTopic('listed')
  const name = randomUUID()
  await roles.roleAssignments.create(topic.id, name, {
    roleDefinitionId: sender,
    principalId: publisher.objectId,
    description: 'why',
  })
  const definitions = []
  for await (const one of roles.roleDefinitions.list(topic.id, {
    filter: "roleName eq 'EventGrid Data Sender'",
  }))
    definitions.push(one)
  assert.deepEqual(
    definitions.map(({ id, permissions }) => [id, permissions?.[0]?.dataActions]),
    [[sender, ['Microsoft.EventGrid/events/send/action']]],
  )
  assert.equal((await roles.roleDefinitions.getById(owner)).roleName, 'Owner')
  const namesOf = async (scope: string, filter?: string) => {
    const names = []
    for await (const one of roles.roleAssignments.listForScope(scope, filter === undefined ? {} : { filter }))
      names.push(one.name)
    return names
  }
  assert.deepEqual(await namesOf(topic.id), [name])
  assert.deepEqual(await namesOf(topic.id, 'atScope()'), [name])
  assert.deepEqual(await namesOf(topic.id, `principalId eq '${publisher.objectId}'`), [name])
  assert.deepEqual(await namesOf(topic.id, `assignedTo('${randomUUID()}')`), [])
  assert.ok((await namesOf(`${subscription}/resourceGroups/rg`)).includes(name))
  assert.deepEqual(await namesOf(`${subscription}/resourceGroups/rg`, 'atScope()'), [])
  await assert.rejects(namesOf(topic.id, "roleName eq 'x'"), { code: 'InvalidFilterInQueryString' })
  const read = await roles.roleAssignments.get(topic.id, name)
  assert.deepEqual([read.description, read.principalType, read.scope], ['why', 'User', topic.id])
})

test('a webhook that Entra ID protects is sent a token that it can verify, at its handshake too', async (t) => {
  const tenant = '11111111-2222-4333-8444-555555555555'
  const hook = await startRecordingWebhook(t)
  await server.createTopic('protected')
  await server.subscribe({
    to: hook.url,
    topic: 'protected',
    webhook: {
      azureActiveDirectoryTenantId: tenant,
      azureActiveDirectoryApplicationIdOrUri: 'api://orders',
    },
  })
  await server.publish({ id: 'p1' }, { topic: 'protected' })
  await hook.until(1)
  const discovery = await fetch(`${server.https}/${tenant}/v2.0/.well-known/openid-configuration`)
  const { issuer, jwks_uri: keys } = (await discovery.json()) as { issuer: string; jwks_uri: string }
  for (const { headers } of [hook.handshakes[0], hook.received[0]] as Received[]) {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(keys)), {
      issuer,
      audience: 'api://orders',
    })
    assert.equal(payload.tid, tenant)
    assert.equal(payload.appid, '4962773b-9cdb-44cf-a8bf-237846a00ab7')
    assert.deepEqual(payload.roles, ['AzureEventGridSecureWebhookSubscriber'])
  }
})

test('what is wrong with signing in is said as Microsoft Entra ID says it', async () => {
  const scope = 'https://eventgrid.azure.net/.default'
  const cases = [
    [signIn('a-secret-that-is-not-the-one'), /AADSTS7000215/],
    [signIn(undefined, randomUUID()), /AADSTS700016/],
    [signIn(undefined, undefined, randomUUID()), /AADSTS90002/],
  ] as const
  for (const [credential, message] of cases) await assert.rejects(credential.getToken(scope), message)
  await assert.rejects(signIn().getToken('https://eventgrid.azure.net'), /AADSTS1002012/)
})

test('a token and the roles of its principal outlive a restart', async () => {
  const topic = await server.createTopic('kept')
  await roles.roleAssignments.create(topic.id, randomUUID(), {
    roleDefinitionId: sender,
    principalId: publisher.objectId,
  })
  const { token } = await signIn().getToken('https://eventgrid.azure.net/.default')
  await server.restart()
  const byToken = await fetch(server.http + new URL(topic.endpoint).pathname, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify([{ ...event(), id: '1', eventTime: '2026-01-02T03:04:05Z' }]),
  })
  assert.equal(byToken.status, 200, await byToken.text())
})
