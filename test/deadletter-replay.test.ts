import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { ContainerClient } from '@azure/storage-blob'
import { startAzurite } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { type SubscribeOptions, startTestServer, type TestServer } from '../src/testing/test-server.ts'
import { runBusbar } from './busbar-process.ts'

/*
 * There and back again: a receiver that is broken, its events in a container of Azure's own emulator, the receiver
 * mended, and the same events delivered to it, once.
 */

const minuteMs = 60_000
const hourMs = 60 * minuteMs

const storageAccount = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/letters`

const azurite = startAzurite({ after })
// A run of other tests alone may end before it listens.
azurite.catch(() => {})
let containers = 0

/** A server that knows a storage account, with a new container in it, and a receiver that refuses everything. */
async function start(t: TestContext) {
  const { connectionString, container } = await azurite
  const containerName = `letters-${++containers}`
  const letters = container(containerName)
  await letters.create()
  const clock = new ManualClock()
  const server = await startTestServer(t, {
    clock,
    file: { connections: { [storageAccount]: { connectionString } } },
    flags: { httpsPort: 'off' },
  })
  const receiver = { status: 400 }
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = receiver.status
    response.end()
  })
  const deadLetterDestination = {
    endpointType: 'StorageBlob',
    properties: { resourceId: storageAccount, blobContainerName: containerName },
  }
  const subscribe = (options: Partial<SubscribeOptions> = {}) =>
    server.subscribe({
      to: hook.url,
      ...options,
      properties: { deadLetterDestination, ...options.properties },
    })
  return { clock, server, letters, containerName, receiver, hook, subscribe, deadLetterDestination }
}

async function namesOf(container: ContainerClient): Promise<readonly string[]> {
  const names: string[] = []
  for await (const { name } of container.listBlobsFlat()) names.push(name)
  return names
}

const read = async (container: ContainerClient, name: string) =>
  JSON.parse((await container.getBlobClient(name).downloadToBuffer()).toString()) as Record<string, unknown>[]

async function get(server: TestServer, path: string, query: Readonly<Record<string, string>>) {
  const response = await fetch(`${server.http}${path}?${new URLSearchParams(query).toString()}`)
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
  return { status: response.status, body: (await response.json()) as any }
}

async function replay(server: TestServer, body: Readonly<Record<string, unknown>>) {
  const response = await fetch(`${server.http}/deadletters/replay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
  return { status: response.status, body: (await response.json()) as any }
}

const iso = (moment: number) => new Date(moment).toISOString()
const sevenDigits = (moment: number) => iso(moment).replace('Z', '0000Z')

test('dead-lettered events are listed, shown, and delivered once when they are replayed to a mended receiver', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe()
  const other = await startRecordingWebhook(t)
  await server.subscribe({ to: other.url, name: 'other' })
  const startedAt = clock.now()
  const published = Array.from({ length: 3 }, (_, n) => ({ id: `e${n}`, data: { n } }))
  await server.publish(published)
  // White space, escapes and numbers beyond 2^53 come back as they were published.
  const odd =
    '[ { "id" : "odd", "subject":"\\u00e9", "eventType":"T", "eventTime":"2026-01-02T03:04:05Z", "data":{"big":12345678901234567890} } ]'
  assert.equal((await server.publishRaw(odd)).status, 200)
  await clock.advance(6 * minuteMs)
  const refused = hook.received.map(({ raw }) => raw.toString())
  assert.equal(refused.length, 4)

  const [name = '', ...more] = await namesOf(letters)
  assert.deepEqual(more, [])
  assert.match(name, /^ES1\/2026\/1\/2\/3\/[0-9a-f-]{36}\.json$/)
  const listed = await get(server, '/deadletters', { eventSubscription: id.toUpperCase() })
  assert.equal(listed.status, 200, JSON.stringify(listed.body))
  const { bytes, time, ...facts } = listed.body.value[0]
  assert.deepEqual(facts, { name, records: 4, reasons: ['UndeliverableDueToClientError'] })
  assert.ok(bytes > 0 && Date.parse(time) > 0)
  const shown = await get(server, '/deadletters/records', { eventSubscription: id, blob: name })
  assert.deepEqual(shown.body, { blob: name, value: await read(letters, name) })
  const isFirst = (record: Readonly<Record<string, unknown>>) => record.id === 'e0'
  assert.deepEqual(shown.body.value.find(isFirst), {
    ...{ id: 'e0', subject: '/orders/e0', eventType: 'Order.Placed' },
    ...{ eventTime: '2026-01-02T03:04:05.0000000Z', data: { n: 0 }, dataVersion: '1.0' },
    ...{ topic: id.slice(0, id.indexOf('/providers/Microsoft.EventGrid/eventSubscriptions')) },
    metadataVersion: '1',
    deadLetterReason: 'UndeliverableDueToClientError',
    deliveryAttempts: 1,
    lastDeliveryOutcome: 'BadRequest',
    lastHttpStatusCode: 400,
    publishTime: sevenDigits(startedAt),
    lastDeliveryAttemptTime: sevenDigits(startedAt),
  })

  receiver.status = 200
  // Long after the time to live of the events as they were published.
  await clock.advance(48 * hourMs)
  assert.deepEqual(await replay(server, { eventSubscription: id }), {
    status: 200,
    body: { replayed: 4, blobs: 1, continuationToken: null },
  })
  assert.deepEqual(await namesOf(letters), [])
  await server.settle()
  const delivered = hook.received.slice(4)
  assert.deepEqual(
    delivered.map(({ raw }) => raw.toString()).toSorted(),
    refused.toSorted(),
    'byte for byte what was to be delivered at first',
  )
  for (const { headers } of delivered) assert.equal(headers['aeg-delivery-count'], '0')
  await clock.advance(24 * hourMs)
  assert.equal(hook.received.length, 8)
  assert.equal(other.received.length, 4)

  const traced = (await server.trace('e1')).eventSubscriptions.find((one) => one.name === 'es1')
  assert.equal(traced?.replayedAt, iso(startedAt + 6 * minuteMs + 48 * hourMs))
  assert.equal(traced.matched, true)
  assert.equal(traced.end?.kind, 'delivered')
  assert.equal(await server.metric('busbar_replayed_events_total', { event_subscription: id }), 4)
  assert.deepEqual(await replay(server, { eventSubscription: id }), {
    status: 200,
    body: { replayed: 0, blobs: 0, continuationToken: null },
  })
})

test('CloudEvents come back with their extension attributes and without those of the record', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  await server.createTopic('clouds', { inputSchema: 'CloudEventSchemaV1_0' })
  const id = await subscribe({ topic: 'clouds', webhook: { maxEventsPerBatch: 10 } })
  const event =
    '{"specversion":"1.0", "id":"c1","source":"/shop","type":"T","traceparent":"00-1","data_base64":"AAEC"}'
  const options = { topic: 'clouds', contentType: 'application/cloudevents+json' }
  assert.equal((await server.publishRaw(event, options)).status, 200)
  await clock.advance(6 * minuteMs)
  const [record] = await read(letters, (await namesOf(letters))[0] as string)
  assert.equal(record?.deadletterreason, 'UndeliverableDueToClientError')
  receiver.status = 200
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 1)
  await server.settle()
  assert.equal(hook.received.at(-1)?.raw.toString(), `[${event}]`)
  assert.deepEqual(await namesOf(letters), [])
})

test('an attribute of a CloudEvent that is called as one of the record gives way to it, and stands there once', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  await server.createTopic('clouds', { inputSchema: 'CloudEventSchemaV1_0' })
  const id = await subscribe({ topic: 'clouds' })
  const event =
    '{"deadletterreason":"own","specversion":"1.0","id":"c1","source":"/shop","lasthttpstatuscode":7,"type":"T", "publishtime" : "own", "data":{"deadletterreason":1}}'
  const options = { topic: 'clouds', contentType: 'application/cloudevents+json' }
  assert.equal((await server.publishRaw(event, options)).status, 200)
  await clock.advance(6 * minuteMs)
  const [name = ''] = await namesOf(letters)
  const text = (await letters.getBlobClient(name).downloadToBuffer()).toString()
  for (const member of ['deadletterreason', 'lasthttpstatuscode', 'publishtime'])
    assert.equal(text.split(`"${member}":`).length, member === 'deadletterreason' ? 3 : 2, text)
  const [record] = await read(letters, name)
  assert.equal(record?.deadletterreason, 'UndeliverableDueToClientError')
  assert.equal(record?.lasthttpstatuscode, 400)
  assert.deepEqual(record?.data, { deadletterreason: 1 })
  receiver.status = 200
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 1)
  await server.settle()
  assert.deepEqual(hook.received.at(-1)?.body, {
    ...{ specversion: '1.0', id: 'c1', source: '/shop', type: 'T', data: { deadletterreason: 1 } },
  })
})

test('an Event Grid event that is delivered as a CloudEvent is dead-lettered and replayed as one', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe({ properties: { eventDeliverySchema: 'CloudEventSchemaV1_0' } })
  await server.publish({ id: '1', data: { n: 1 } })
  await clock.advance(6 * minuteMs)
  const [record] = await read(letters, (await namesOf(letters))[0] as string)
  assert.equal(record?.specversion, '1.0')
  receiver.status = 200
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 1)
  await server.settle()
  const [first, second] = hook.received
  assert.deepEqual(second?.raw, first?.raw)
  assert.equal(second?.headers['content-type'], 'application/cloudevents+json; charset=utf-8')
})

test('custom events are dead-lettered in the envelope that their mapping makes, and replayed as they were published', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  await server.createTopic('custom', {
    inputSchema: 'CustomEventSchema',
    inputSchemaMapping: {
      inputSchemaMappingType: 'Json',
      properties: {
        id: { sourceField: 'no' },
        eventType: { defaultValue: 'Thing' },
        subject: { sourceField: 'what' },
        dataVersion: { defaultValue: '2' },
      },
    },
  })
  const id = await subscribe({
    topic: 'custom',
    properties: { eventDeliverySchema: 'CustomInputSchema' },
  })
  const event = '{ "no":"7", "what":"kettle", "size":1.50 }'
  assert.equal((await server.publishRaw(`[${event}]`, { topic: 'custom' })).status, 200)
  await clock.advance(6 * minuteMs)
  const [record] = await read(letters, (await namesOf(letters))[0] as string)
  const { topic, eventTime, publishTime, lastDeliveryAttemptTime, ...rest } = record ?? {}
  assert.ok(topic && eventTime && publishTime && lastDeliveryAttemptTime)
  assert.deepEqual(rest, {
    ...{ id: '7', subject: 'kettle', eventType: 'Thing', dataVersion: '2', metadataVersion: '1' },
    data: { no: '7', what: 'kettle', size: 1.5 },
    ...{ deadLetterReason: 'UndeliverableDueToClientError', deliveryAttempts: 1 },
    ...{ lastDeliveryOutcome: 'BadRequest', lastHttpStatusCode: 400 },
  })
  receiver.status = 200
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 1)
  await server.settle()
  assert.equal(hook.received.length, 2)
  assert.equal(hook.received[1]?.raw.toString(), `[${event}]`)
  assert.deepEqual(await namesOf(letters), [])
})

test('single events and single blobs are replayed, and the others stay', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe()
  await server.publish([{ id: '1' }, { id: '2' }, { id: '3' }])
  // Names of blobs begin with the hour.
  await clock.advance(hourMs)
  await server.publish([{ id: '4' }])
  await clock.advance(hourMs)
  const [first = '', second = ''] = await namesOf(letters)
  receiver.status = 200
  const one = await replay(server, { eventSubscription: id, eventIds: ['2', 'unknown'] })
  assert.deepEqual(one.body, { replayed: 1, blobs: 1, continuationToken: null })
  // Records stand in the order in which their attempts, which go side by side, were answered.
  assert.deepEqual((await read(letters, first)).map((record) => record.id).toSorted(), ['1', '3'])
  const listed = await get(server, '/deadletters', { eventSubscription: id })
  assert.deepEqual(
    listed.body.value.map(({ name, records }: Record<string, unknown>) => [name, records]),
    [
      [first, 2],
      [second, 1],
    ],
  )
  const two = await replay(server, { eventSubscription: id, blobs: [second] })
  assert.deepEqual(two.body, { replayed: 1, blobs: 1, continuationToken: null })
  assert.deepEqual(await namesOf(letters), [first])
  await server.settle()
  assert.deepEqual(
    hook.received
      .slice(4)
      .map(({ body }) => (body as { id: string }[])[0]?.id)
      .toSorted(),
    ['2', '4'],
  )
})

test('a list comes in pages, and a long replay in parts', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe({ webhook: { maxEventsPerBatch: 100 } })
  for (let n = 0; n < 130; n++) {
    await server.publish({ id: String(n) })
    await clock.advance(1000)
  }
  await clock.advance(6 * minuteMs)
  assert.equal((await namesOf(letters)).length, 130)
  const first = await get(server, '/deadletters', { eventSubscription: id, top: '100' })
  assert.equal(first.body.value.length, 100)
  const { nextLink, continuationToken } = first.body
  const second = (await (await fetch(nextLink as string)).json()) as Record<string, unknown[]>
  assert.equal(second.value?.length, 30)
  assert.equal(second.nextLink, undefined)
  assert.ok(continuationToken)

  receiver.status = 200
  const refused = hook.received.length
  const some = await replay(server, { eventSubscription: id })
  assert.equal(some.body.replayed, 100)
  const rest = await replay(server, {
    eventSubscription: id,
    continuationToken: some.body.continuationToken,
  })
  assert.deepEqual(rest.body, { replayed: 30, blobs: 30, continuationToken: null })
  await server.settle()
  const ids = hook.received.slice(refused).flatMap(({ body }) => (body as { id: string }[]).map((e) => e.id))
  assert.equal(ids.length, 130)
  assert.equal(new Set(ids).size, 130)
  assert.deepEqual(await namesOf(letters), [])
})

test('event subscriptions of one name on two topics share a container, and each gets its own events back', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  await server.createTopic('bills')
  const orders = await subscribe()
  const bills = await subscribe({ topic: 'bills' })
  await server.publish({ id: 'order' })
  await server.publish({ id: 'bill' }, { topic: 'bills' })
  await clock.advance(6 * minuteMs)
  const names = await namesOf(letters)
  assert.equal(names.length, 2)
  receiver.status = 200
  assert.equal((await replay(server, { eventSubscription: orders })).body.replayed, 1)
  const [left = ''] = await namesOf(letters)
  assert.equal((await read(letters, left))[0]?.id, 'bill')
  assert.equal((await replay(server, { eventSubscription: orders, blobs: [left] })).status, 404)
  assert.equal((await get(server, '/deadletters', { eventSubscription: orders })).body.value.length, 0)
  assert.equal((await replay(server, { eventSubscription: bills })).body.replayed, 1)
  await server.settle()
  assert.equal(hook.received.length, 4)
})

test('records that another wrote are replayed, wherever their own members stand', async (t) => {
  const { server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe()
  const record = {
    ...{ id: 'azure', eventTime: '2019-08-08T05:00:00.1234567Z', eventType: 'T', dataVersion: '1' },
    ...{
      metadataVersion: '1',
      topic: '/another',
      subject: 's',
      deadLetterReason: 'MaxDeliveryAttemptsExceeded',
    },
    ...{ deliveryAttempts: 1, lastDeliveryOutcome: 'NotFound', publishTime: '2019-08-08T05:00:00.1234567Z' },
    ...{ lastDeliveryAttemptTime: '2019-08-08T05:00:00.1234567Z', data: { publishTime: 'kept' } },
  }
  const name = 'ES1/2019/8/8/5/1111.json'
  const text = JSON.stringify([record], null, 2)
  await letters.getBlockBlobClient(name).upload(text, Buffer.byteLength(text))
  const listed = await get(server, '/deadletters', { eventSubscription: id })
  assert.deepEqual(listed.body.value[0].reasons, ['MaxDeliveryAttemptsExceeded'])
  receiver.status = 200
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 1)
  await server.settle()
  assert.deepEqual(hook.received[0]?.body, [
    {
      ...{ id: 'azure', eventTime: '2019-08-08T05:00:00.1234567Z', eventType: 'T', dataVersion: '1' },
      ...{ metadataVersion: '1', topic: '/another', subject: 's', data: { publishTime: 'kept' } },
    },
  ])
})

test('what cannot be replayed is refused with what is wrong, and stays in the container', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe, deadLetterDestination } = await start(t)
  const id = await subscribe({ properties: { eventDeliverySchema: 'CloudEventSchemaV1_0' } })
  const refusal = async (body: Readonly<Record<string, unknown>>) => {
    const { status, body: answer } = await replay(server, body)
    return [status, answer.error.code, answer.error.message] as const
  }
  const put = (name: string, text: string) =>
    letters.getBlockBlobClient(name).upload(text, Buffer.byteLength(text))

  assert.deepEqual((await refusal({ eventSubscription: server.idOf('none') })).slice(0, 2), [
    404,
    'ResourceNotFound',
  ])
  assert.deepEqual((await refusal({})).slice(0, 2), [400, 'InvalidRequest'])
  assert.deepEqual((await refusal({ eventSubscription: id, blobs: [] })).slice(0, 2), [400, 'InvalidRequest'])
  assert.deepEqual((await refusal({ eventSubscription: id, blobs: ['ES1/none.json'] })).slice(0, 2), [
    404,
    'BlobNotFound',
  ])
  assert.equal((await refusal({ eventSubscription: id, blobs: ['OTHER/1.json'] }))[0], 404)
  await server.subscribe({ to: hook.url, name: 'bare' })
  assert.deepEqual((await refusal({ eventSubscription: server.idOf('bare') })).slice(0, 2), [
    409,
    'NoDeadLetterDestination',
  ])

  await put('ES1/broken.json', '[{]')
  assert.match((await refusal({ eventSubscription: id }))[2], /The blob 'ES1\/broken\.json' is no array/)
  await letters.deleteBlob('ES1/broken.json')
  await put('ES1/odd.json', '[{"id":"1","deadLetterReason":"x"}]')
  assert.match(
    (await refusal({ eventSubscription: id }))[2],
    /Record 0 of the blob 'ES1\/odd\.json' .*subject/,
  )
  await letters.deleteBlob('ES1/odd.json')

  await server.publish([{ id: '1' }])
  await clock.advance(6 * minuteMs)
  await server.call('PATCH', id, { eventDeliverySchema: 'EventGridSchema' })
  receiver.status = 200
  const [status, code, message] = await refusal({ eventSubscription: id })
  assert.deepEqual([status, code], [409, 'DeliverySchemaChanged'])
  assert.match(message, /'CloudEventSchemaV1_0', which cannot be delivered in 'EventGridSchema'/)
  assert.equal((await namesOf(letters)).length, 1)

  await letters.delete()
  assert.deepEqual((await refusal({ eventSubscription: id })).slice(0, 2), [404, 'ContainerNotFound'])
  assert.equal((await fetch(`${server.http}/deadletters/replay`)).status, 405)
  assert.ok(deadLetterDestination)
})

test('where a blob cannot be taken away after its events were replayed, the answer says that they would come again', async (t) => {
  const { clock, server, letters, receiver, subscribe } = await start(t)
  const id = await subscribe()
  await server.publish([{ id: '1' }, { id: '2' }])
  await clock.advance(6 * minuteMs)
  receiver.status = 200
  const [name = ''] = await namesOf(letters)
  // Someone holds the blob: it can be read, and not be deleted.
  const lease = letters.getBlobClient(name).getBlobLeaseClient()
  await lease.acquireLease(-1)
  const { status, body } = await replay(server, { eventSubscription: id })
  assert.ok(status >= 400, JSON.stringify(body))
  assert.match(body.error.message, /2 events of the blob '.*' are replayed and their records still there/)
  assert.match(body.error.message, /2 events of 1 blobs were replayed\.$/)
  await lease.releaseLease()
})

test('replaying is for those who may use the control plane', async (t) => {
  const administratorKey = 'of-at-least-sixteen-characters'
  const server = await startTestServer(t, {
    clock: new ManualClock(),
    file: { auth: { administrators: [{ name: 'ada', key: administratorKey }] } },
    flags: { httpsPort: 'off' },
    administratorKey,
  })
  assert.equal((await replay(server, { eventSubscription: server.idOf() })).status, 401)
  assert.equal((await get(server, '/deadletters', { eventSubscription: server.idOf() })).status, 401)
})

test('a restart between giving up, writing, replaying and delivering loses nothing and doubles nothing', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe()
  await server.publish([{ id: '1' }, { id: '2' }])
  await clock.advance(minuteMs)
  await server.restart()
  await clock.advance(6 * minuteMs)
  assert.equal((await read(letters, (await namesOf(letters))[0] as string)).length, 2)
  await server.restart()
  receiver.status = 503
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 2)
  assert.deepEqual(await namesOf(letters), [])
  await server.settle()
  await server.restart()
  receiver.status = 200
  const before = hook.received.length
  await clock.advance(hourMs)
  assert.deepEqual(
    hook.received
      .slice(before)
      .map(({ body }) => (body as { id: string }[])[0]?.id)
      .toSorted(),
    ['1', '2'],
  )
})

test('the command line lists, shows and replays what was dead-lettered', async (t) => {
  const { clock, server, letters, receiver, hook, subscribe } = await start(t)
  const id = await subscribe({ name: 'to-hook' })
  await server.publish([{ id: '1' }, { id: '2' }, { id: '3' }])
  await clock.advance(6 * minuteMs)
  const cwd = await temporaryDirectory(t)
  const busbar = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runBusbar(t, ['deadletter', ...args, '--url', server.http], {
      cwd,
    }).ended
    return { code, stdout, stderr }
  }
  const ok = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await busbar(...args)
    assert.equal(code, 0, stderr)
    return stdout
  }
  const [blob = ''] = await namesOf(letters)
  const list = (await ok('list', '--subscription', 'to-hook', '--topic', 'orders', '-g', 'rg')).split('\n')
  assert.match(list[0] ?? '', /^BLOB +EVENTS +WRITTEN +REASONS$/)
  const row = list[1] ?? ''
  assert.ok(row.startsWith(`${blob}  3 `) && row.endsWith('  UndeliverableDueToClientError'), row)
  const shown = await ok('show', blob, '--subscription', id)
  assert.match(
    shown,
    /^1 +Order\.Placed +\/orders\/1 +UndeliverableDueToClientError +1 +BadRequest +400 +2026-/m,
  )
  const records = JSON.parse(await ok('show', blob, '--subscription', id, '--json'))
  assert.deepEqual(records, await read(letters, blob))

  receiver.status = 200
  const one = await ok('replay', '--subscription', 'to-hook', '--event-id', '2')
  assert.equal(one, 'replayed 1 events of 1 blobs\n')
  const rest = JSON.parse(await ok('replay', '--subscription', id, '--json'))
  assert.deepEqual(rest, { replayed: 2, blobs: 1 })
  await server.settle()
  const [first, ...others] = hook.received.slice(3).map(({ body }) => (body as { id: string }[])[0]?.id)
  assert.equal(first, '2')
  assert.deepEqual(others.toSorted(), ['1', '3'])
  assert.deepEqual(await namesOf(letters), [])
  const unknown = await busbar('replay', '--subscription', server.idOf('none'))
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /^busbar: There is no event subscription '.*' that events go to\. \(404/)
})

test('records wait while storage is gone, and are written and replayed when it is back', async (t) => {
  const directory = await temporaryDirectory(t)
  const storage = await startAzurite(t, { directory })
  const { connectionString, port, container } = storage
  const letters = container('letters')
  await letters.create()
  const clock = new ManualClock()
  const server = await startTestServer(t, {
    clock,
    file: { connections: { [storageAccount]: { connectionString } } },
    flags: { httpsPort: 'off' },
  })
  let status = 400
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = status
    response.end()
  })
  const id = await server.subscribe({
    to: hook.url,
    properties: {
      deadLetterDestination: {
        endpointType: 'StorageBlob',
        properties: { resourceId: storageAccount, blobContainerName: 'letters' },
      },
    },
  })
  await storage.stop()
  await server.publish([{ id: '1' }, { id: '2' }])
  await clock.advance(8 * minuteMs)
  const { eventSubscriptions } = await server.trace('1')
  assert.match(eventSubscriptions[0]?.deadLetter?.error ?? '', /ECONNREFUSED/)
  assert.equal(await server.metric('busbar_dead_letters_waiting', { event_subscription: id }), 2)
  assert.equal((await replay(server, { eventSubscription: id })).status, 503)

  await startAzurite(t, { directory, port })
  await clock.advance(5 * minuteMs)
  assert.equal(await server.metric('busbar_dead_letters_waiting', { event_subscription: id }), 0)
  status = 200
  assert.equal((await replay(server, { eventSubscription: id })).body.replayed, 2)
  await server.settle()
  assert.equal(hook.received.length, 4)
  assert.deepEqual(await namesOf(letters), [])
})
