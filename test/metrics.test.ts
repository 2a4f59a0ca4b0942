import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

test('every metric of Azure Monitor is counted, with its dimensions', async (t) => {
  const clock = new ManualClock()
  const server = await startTestServer(t, { clock })
  const good = await startRecordingWebhook(t)
  const busy = await startRecordingWebhook(t, [503])
  const refusing = await startRecordingWebhook(t, [400])
  const id = {
    good: await server.subscribe({
      ...{ to: good.url, name: 'good' },
      properties: {
        filter: {
          includedEventTypes: ['Order.Placed'],
          advancedFilters: [
            { operatorType: 'NumberGreaterThan', key: 'data.n', value: 1 },
            { operatorType: 'StringIn', key: 'data.s', values: ['x'] },
          ],
        },
      },
    }),
    busy: await server.subscribe({
      ...{ to: busy.url, name: 'busy' },
      properties: { filter: { subjectBeginsWith: '/busy' } },
    }),
    refusing: await server.subscribe({
      ...{ to: refusing.url, name: 'refusing' },
      properties: { filter: { subjectBeginsWith: '/refused' } },
    }),
  }
  await server.publish([
    { id: '1', data: { n: 2, s: 'x' } },
    { id: '2', data: { n: 0, s: 'x' } },
    { id: '3', eventType: 'Other' },
    { id: '4', subject: '/busy', eventType: 'Other' },
    { id: '5', subject: '/refused', eventType: 'Other' },
  ])
  await server.publishRaw('{}')
  await server.publishRaw('[]', { headers: { 'aeg-sas-key': 'wrong' } })
  await server.settle()

  const topic = id.good.replace(/\/providers\/Microsoft.EventGrid\/eventSubscriptions.*/, '')
  const { metric } = server
  const of = (name: keyof typeof id) => ({ topic, event_subscription: id[name] })
  assert.equal(await metric('busbar_publish_success_total', { topic }), 5)
  const badRequest = { topic, error_type: 'BadRequest', error: 'InputJsonInvalid' }
  assert.equal(await metric('busbar_publish_fail_total', badRequest), 1)
  const unauthorized = { topic, error_type: 'Unauthorized', error: 'Unauthorized' }
  assert.equal(await metric('busbar_publish_fail_total', unauthorized), 1)
  assert.equal(await metric('busbar_publish_latency_ms_count', { topic }), 1)
  assert.equal(await metric('busbar_unmatched_events_total', { topic }), 2)
  for (const name of ['good', 'busy', 'refusing'] as const)
    assert.equal(await metric('busbar_matched_events_total', of(name)), 1)
  assert.equal(await metric('busbar_delivery_success_total', of('good')), 1)
  const failed = (labels: Readonly<Record<string, string>>) =>
    metric('busbar_delivery_attempt_fail_total', labels)
  assert.equal(await failed({ ...of('busy'), error_type: 'ServerError', error: 'Busy' }), 1)
  assert.equal(await failed({ ...of('refusing'), error_type: 'ClientError', error: 'BadRequest' }), 1)
  assert.equal(await metric('busbar_destination_duration_ms_count', of('busy')), 1)
  assert.equal(await metric('busbar_dropped_events_total', of('refusing')), 1)
  // Both filters of event 1, the first one of event 2, none of those of another type.
  assert.equal(await metric('busbar_advanced_filter_evaluations_total', of('good')), 3)
  assert.equal(await metric('busbar_advanced_filter_evaluations_total'), 3)

  await t.test('a change of the event subscription does not set its counters back', async () => {
    await server.subscribe({
      ...{ to: good.url, name: 'good' },
      properties: {
        filter: { advancedFilters: [{ operatorType: 'NumberGreaterThan', key: 'data.n', value: 1 }] },
      },
    })
    await server.publish({ id: '6', data: { n: 2 } })
    assert.equal(await metric('busbar_advanced_filter_evaluations_total', of('good')), 4)
  })

  await t.test('what is deleted has no series', async () => {
    await server.call('DELETE', id.busy)
    assert.equal(await metric('busbar_matched_events_total', of('busy')), 0)
    assert.equal((await (await fetch(`${server.http}/metrics`)).text()).includes(id.busy), false)
  })
})

test('of the topics of a domain, only those with event subscriptions have series', async (t) => {
  const server = await startTestServer(t)
  const hook = await startRecordingWebhook(t)
  const path = '/resourceGroups/rg/providers/Microsoft.EventGrid/domains/shop'
  const { body: domain } = await server.call('PUT', path, { location: 'westus2' })
  const { body: keys } = await server.call('POST', `${path}/listKeys`)
  const destination = { endpointType: 'WebHook', properties: { endpointUrl: hook.url } }
  const asia = `${path}/topics/asia/providers/Microsoft.EventGrid/eventSubscriptions/es1`
  const made = await server.call('PUT', asia, { properties: { destination } })
  assert.equal(made.body.properties.provisioningState, 'Succeeded')
  const events = ['asia', 'europe', 'africa', 'asia'].map((topic, index) => ({
    ...{ id: String(index), topic, subject: '/', eventType: 't', eventTime: '2026-01-02T03:04:05Z' },
    ...{ data: {}, dataVersion: '1' },
  }))
  const { status } = await fetch(server.http + new URL(domain.properties.endpoint).pathname, {
    method: 'POST',
    headers: { 'aeg-sas-key': keys.key1 },
    body: JSON.stringify(events),
  })
  assert.equal(status, 200)
  await server.settle()
  const topic = `${domain.id}/topics/asia`
  assert.equal(await server.metric('busbar_publish_success_total', { topic: domain.id }), 4)
  assert.equal(await server.metric('busbar_topic_received_events_total', { topic }), 2)
  assert.equal(await server.metric('busbar_matched_events_total', { topic }), 2)
  assert.equal(await server.metric('busbar_unmatched_events_total', { topic: domain.id }), 2)
  const series = async () => (await (await fetch(`${server.http}/metrics`)).text()).split('\n')
  assert.deepEqual(
    (await series()).filter((line) => /europe|africa/.test(line)),
    [],
  )
  await server.call('DELETE', asia)
  await server.settle()
  assert.deepEqual(
    (await series()).filter((line) => line.includes('asia')),
    [],
  )
})
