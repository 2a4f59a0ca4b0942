import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent } from '../testing/events.ts'
import { openDestination } from '../testing/open-destination.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import type { PartnerDestinationFacts } from './destination.ts'

const never = new AbortController().signal
const resourceId =
  '/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/partnerDestinations/contoso'
const event = () => deliveryOf(testEvent('1', 'CloudEventSchemaV1_0'))

test('an event goes to the endpoint of an activated partner destination, with a token where it names one', async (t) => {
  const hook = await startRecordingWebhook(t)
  const { to } = openDestination(
    t,
    'PartnerDestination',
    { resourceId },
    {
      partnerDestination: (id) =>
        id === resourceId
          ? {
              ...{ endpointUrl: hook.url, activated: true },
              ...{ azureActiveDirectoryTenantId: 't', azureActiveDirectoryApplicationIdOrUri: 'a' },
            }
          : undefined,
      tokenFor: (tenantId, application) => Promise.resolve(`token-of-${tenantId}-for-${application}`),
    },
  )
  const outcome = await to('CloudEventSchemaV1_0').deliver([event()], never)
  assert.deepEqual(outcome, { kind: 'delivered', status: 200 })
  const [request] = hook.received
  assert.equal(request?.headers.authorization, 'Bearer token-of-t-for-a')
  assert.equal(request.headers['content-type'], 'application/cloudevents+json; charset=utf-8')
  assert.equal(request.headers.origin, 'eventgrid.azure.net')
  assert.equal(hook.handshakes.length, 0)
})

test('events wait until the partner destination is there, activated, and follow it where it goes', async (t) => {
  const first = await startRecordingWebhook(t)
  const second = await startRecordingWebhook(t)
  let facts: PartnerDestinationFacts | undefined
  const { to, verify } = openDestination(
    t,
    'PartnerDestination',
    { resourceId },
    { partnerDestination: () => facts },
  )
  const destination = to('CloudEventSchemaV1_0')
  const deliver = async () => {
    const outcome = await destination.deliver([event()], never)
    return outcome.kind === 'delivered' ? outcome.kind : `${outcome.kind} ${outcome.name}`
  }
  assert.equal(await deliver(), 'retry NotFound')
  const missing = await verify('CloudEventSchemaV1_0')
  assert.match(
    missing.kind === 'refused' ? missing.message : '',
    /contoso' cannot be used\. There is no such/,
  )
  facts = { endpointUrl: first.url, activated: false }
  assert.equal(await deliver(), 'retry Disabled')
  const idle = await verify('CloudEventSchemaV1_0')
  assert.match(idle.kind === 'refused' ? idle.message : '', /contoso' cannot be used\. It is not activated/)
  facts = { endpointUrl: first.url, activated: true }
  assert.equal(await deliver(), 'delivered')
  assert.deepEqual(await verify('CloudEventSchemaV1_0'), { kind: 'verified' })
  facts = { endpointUrl: second.url, activated: true }
  assert.equal(await deliver(), 'delivered')
  assert.deepEqual([first.received.length, second.received.length], [1, 1])
})
