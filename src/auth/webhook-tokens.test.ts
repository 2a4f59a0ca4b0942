import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decodeJwt } from 'jose'
import { closeAfter } from '../testing/close-after.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { openIssuer } from './issuer.ts'
import { createWebhookTokens, eventGridApplicationId, type WebhookTokenSettings } from './webhook-tokens.ts'

const tenantId = '11111111-2222-4333-8444-555555555555'

async function start(t: TestContext, outside: readonly WebhookTokenSettings[] = []) {
  const clock = new ManualClock(Math.floor(Date.now() / 1000) * 1000)
  const issuer = await openIssuer({ keyFile: join(await temporaryDirectory(t), 'key'), clock })
  const tokenFor = createWebhookTokens({ issuer, base: () => 'https://busbar.example.org', outside, clock })
  return { clock, issuer, tokenFor }
}

/** A token endpoint that answers with `answer`, and records the forms that it is sent. */
async function startTokenEndpoint(t: TestContext) {
  const endpoint = { url: '', forms: [] as URLSearchParams[], answer: { status: 200, body: '' } }
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => (text += String(chunk)))
    request.on('end', () => {
      endpoint.forms.push(new URLSearchParams(text))
      response.statusCode = endpoint.answer.status
      response.end(endpoint.answer.body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeAfter(t, () => {
    server.closeAllConnections()
    server.close()
  })
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  return endpoint
}

test('a webhook’s token is in the name of Event Grid, for that application and in that tenant', async (t) => {
  const { issuer, tokenFor } = await start(t)
  const token = await tokenFor(tenantId.toUpperCase(), 'api://orders')
  const claims = await issuer.verify(token, ['api://orders'])
  assert.equal(claims.iss, `https://busbar.example.org/${tenantId}/v2.0`)
  assert.equal(claims.tid, tenantId)
  assert.equal(claims.appid, eventGridApplicationId)
  assert.equal(claims.azp, eventGridApplicationId)
  assert.deepEqual(claims.roles, ['AzureEventGridSecureWebhookSubscriber'])
})

test('a token is kept until five minutes before it expires, apart for each application and tenant', async (t) => {
  const { clock, tokenFor } = await start(t)
  const [first, atTheSameTime] = await Promise.all([tokenFor(tenantId, 'a'), tokenFor(tenantId, 'a')])
  assert.equal(first, atTheSameTime)
  assert.notEqual(await tokenFor(tenantId, 'b'), first)
  assert.notEqual(await tokenFor(tenantId.replace('1', '9'), 'a'), first)
  await clock.advance(3_299_999)
  assert.equal(await tokenFor(tenantId, 'a'), first)
  await clock.advance(1)
  const second = await tokenFor(tenantId, 'a')
  assert.notEqual(second, first)
  assert.ok((decodeJwt(second).exp as number) > (decodeJwt(first).exp as number))
})

test('what is no tenant gets no token', async (t) => {
  const { tokenFor } = await start(t)
  for (const tenant of ['', '../x', 'a/b', 'a?b', `x${'x'.repeat(100)}`])
    await assert.rejects(tokenFor(tenant, 'a'), /neither the id nor a domain/)
  assert.equal(decodeJwt(await tokenFor('Contoso.example', 'a')).tid, 'contoso.example')
})

test('a token is asked of the issuer that the configuration names for the tenant', async (t) => {
  const endpoint = await startTokenEndpoint(t)
  endpoint.answer.body = JSON.stringify({ access_token: 'from-outside', expires_in: 3600 })
  const settings = { tenantId, tokenEndpoint: endpoint.url, clientId: 'id', clientSecret: 'secret' }
  const { clock, tokenFor } = await start(t, [settings])
  assert.equal(await tokenFor(tenantId, 'api://orders'), 'from-outside')
  assert.equal(await tokenFor(tenantId, 'api://orders'), 'from-outside')
  assert.deepEqual(
    endpoint.forms.map((form) => Object.fromEntries(form)),
    [
      {
        grant_type: 'client_credentials',
        client_id: 'id',
        client_secret: 'secret',
        scope: 'api://orders/.default',
      },
    ],
  )
  await clock.advance(3_300_000)
  await tokenFor(tenantId, 'api://orders')
  assert.equal(endpoint.forms.length, 2)
})

test('an issuer that gives none is an error that says why and holds no secret, and is asked again', async (t) => {
  const endpoint = await startTokenEndpoint(t)
  const settings = { tenantId, tokenEndpoint: endpoint.url, clientId: 'id', clientSecret: 'hush' }
  const { tokenFor } = await start(t, [settings])
  for (const [status, body, message] of [
    [401, '{"error":"invalid_client"}', /'api:\/\/orders'.*it answered 401 'invalid_client'/],
    [200, '{}', /no access_token/],
    [200, '{"access_token":"x","expires_in":"soon"}', /no access_token with an expires_in/],
    [200, 'null', /not a JSON object/],
    [200, 'x'.repeat(300_000), /longer than/],
  ] as const) {
    endpoint.answer = { status, body }
    await assert.rejects(tokenFor(tenantId, 'api://orders'), (error: Error) => {
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /hush/)
      return true
    })
  }
  endpoint.answer = { status: 200, body: '{"access_token":"at last","expires_in":60}' }
  assert.equal(await tokenFor(tenantId, 'api://orders'), 'at last')
})
