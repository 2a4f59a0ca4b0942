import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent } from '../testing/events.ts'
import { openDestination } from '../testing/open-destination.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'

const never = new AbortController().signal
const entra = {
  azureActiveDirectoryTenantId: 'contoso.example.org',
  azureActiveDirectoryApplicationIdOrUri: 'api://orders',
}
const tokenFor = (tenantId: string, application: string) =>
  Promise.resolve(`token-of-${tenantId}-for-${application}`)
const bearer = 'Bearer token-of-contoso.example.org-for-api://orders'

for (const schema of ['EventGridSchema', 'CloudEventSchemaV1_0'] as const)
  test(`a protected webhook gets a token with everything that it is sent in ${schema}`, async (t) => {
    const hook = await startRecordingWebhook(t)
    const { to, verify } = openDestination(t, 'WebHook', { endpointUrl: hook.url, ...entra }, { tokenFor })
    assert.deepEqual(await verify(schema), { kind: 'verified' })
    await to(schema).deliver([deliveryOf(testEvent('1'))], never)
    await to(schema).announceDeletion(never)
    for (const requests of [hook.handshakes, hook.received, hook.deletions]) {
      assert.equal(requests.length, 1)
      assert.equal(requests[0]?.headers.authorization, bearer)
    }
  })

test('a token that cannot be had is a reason to try again, and to refuse the webhook', async (t) => {
  const hook = await startRecordingWebhook(t)
  const { to, verify } = openDestination(
    t,
    'WebHook',
    { endpointUrl: hook.url, ...entra },
    { tokenFor: () => Promise.reject(new Error('the tenant is away')) },
  )
  assert.deepEqual(await verify('EventGridSchema'), {
    kind: 'refused',
    message: 'No token could be had: the tenant is away',
  })
  const destination = to('EventGridSchema')
  assert.deepEqual(await destination.deliver([deliveryOf(testEvent('1'))], never), {
    ...{ kind: 'retry', name: 'Unauthorized', status: undefined, minimumDelayMs: 10_000 },
    error: 'No token could be had: the tenant is away',
  })
  await destination.announceDeletion(never)
  assert.equal(hook.connections, 0)
})

test('a token that the webhook repeats is shown to nobody', async (t) => {
  const hook = await startRecordingWebhook(t, ({ headers }, response) => {
    response.statusCode = 500
    response.end(`got ${headers.authorization}`)
  })
  const { to } = openDestination(t, 'WebHook', { endpointUrl: hook.url, ...entra }, { tokenFor })
  const outcome = await to('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never)
  assert.equal(outcome.kind !== 'delivered' && outcome.error, 'HTTP 500: got Bearer Hidden')
})
