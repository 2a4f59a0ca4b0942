import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent, testTopicId } from '../testing/events.ts'
import { openDestination } from '../testing/open-destination.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'

const never = new AbortController().signal
const groups = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Insights/actionGroups'
const machine = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm'

test('an alert is fired in the common schema, with the event as its context', async (t) => {
  const hook = await startRecordingWebhook(t)
  const wire = { severity: 'sev1', description: 'A machine is away.' }
  const { to, verify } = openDestination(t, 'MonitorAlert', wire, { monitorAlertsUrl: `${hook.url}?code=s` })
  assert.deepEqual(await verify('CloudEventSchemaV1_0'), { kind: 'verified' })
  const event = testEvent('1', 'CloudEventSchemaV1_0', { subject: machine })
  const delivery = deliveryOf(event)
  assert.deepEqual(await to('CloudEventSchemaV1_0').deliver([delivery], never), {
    kind: 'delivered',
    status: 200,
  })
  const [request] = hook.received
  assert.equal(request?.url, '/hook?code=s')
  assert.equal(request.headers['content-type'], 'application/json; charset=utf-8')
  assert.deepEqual(request.body, {
    schemaId: 'azureMonitorCommonAlertSchema',
    data: {
      essentials: {
        alertId: `/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.AlertsManagement/alerts/${delivery.outputEventId}`,
        alertRule: 'ThermostatAlert',
        alertRuleID: `${testTopicId}/providers/Microsoft.EventGrid/eventSubscriptions/ThermostatAlert`,
        severity: 'Sev1',
        signalType: 'Log',
        monitorCondition: 'Fired',
        monitoringService: 'Event Grid',
        alertTargetIDs: [machine],
        originAlertId: delivery.outputEventId,
        firedDateTime: '2026-01-02T03:04:05.0000000Z',
        description: 'A machine is away.',
        essentialsVersion: '1.0',
        alertContextVersion: '1.0',
      },
      alertContext: event.envelope,
    },
  })
})

test('an alert goes to each of its action groups, and to one that both share once', async (t) => {
  const own = await startRecordingWebhook(t)
  const shared = await startRecordingWebhook(t)
  const { to } = openDestination(
    t,
    'MonitorAlert',
    { severity: 'Sev4', actionGroups: ['a', 'b', 'c'].map((name) => `${groups}/${name}`) },
    { connections: { [`${groups}/a`]: { url: own.url } }, monitorAlertsUrl: shared.url },
  )
  await to('CloudEventSchemaV1_0').deliver([deliveryOf(testEvent('1', 'CloudEventSchemaV1_0'))], never)
  assert.equal(own.received.length, 1)
  assert.equal(shared.received.length, 1)
})

test('an alert that one action group may yet take is tried again, whatever the others answer', async (t) => {
  const statuses = { a: 200, b: 503, c: 400 }
  const connections = Object.fromEntries(
    await Promise.all(
      Object.entries(statuses).map(async ([name, status]) => {
        const { url } = await startRecordingWebhook(t, [status])
        return [`${groups}/${name}`, { url }] as const
      }),
    ),
  )
  const outcomeFor = (...names: readonly string[]) => {
    const wire = { severity: 'Sev0', actionGroups: names.map((name) => `${groups}/${name}`) }
    const { to } = openDestination(t, 'MonitorAlert', wire, { connections })
    return to('CloudEventSchemaV1_0').deliver([deliveryOf(testEvent('1', 'CloudEventSchemaV1_0'))], never)
  }
  assert.equal((await outcomeFor('a', 'b', 'c')).kind, 'retry')
  assert.equal((await outcomeFor('a', 'c')).kind, 'hopeless')
  assert.equal((await outcomeFor('a')).kind, 'delivered')
})
