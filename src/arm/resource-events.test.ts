import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Verification } from '../destinations/destination.ts'
import { resourceTypes } from '../resources/index.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { createCheckData } from '../sources/check-data.ts'
import { createDataSchemas } from '../sources/data-schemas.ts'
import { MemoryDisk } from '../store/engines/memory.ts'
import { StoreUnavailable } from '../store/store.ts'
import {
  type ControlPlaneOptions,
  eventSubscriptionPath,
  startControlPlane,
  subscription,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'
import { examplePath } from '../testing/example-path.ts'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'

/*
 * What the control plane tells of each operation, as it is handed to fan-out.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-subscriptions, event-schema-resource-groups
 */

const checkData = createCheckData(createDataSchemas())

interface Told {
  readonly id: string
  readonly topic: string
  readonly subject: string
  readonly eventType: string
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the event says, and asserts it
  readonly data: any
}

/** Records what is raised for a scope that somebody listens to. */
class Listener {
  readonly told: Told[] = []
  isListening = true
  failure: Error | undefined

  readonly fanout: NonNullable<ControlPlaneOptions['fanout']> = {
    isHeard: () => this.isListening,
    raise: async (sourceId, topicType, events) => {
      const isSubscription = sourceId === subscription
      assert.equal(
        topicType,
        isSubscription ? 'Microsoft.Resources.Subscriptions' : 'Microsoft.Resources.ResourceGroups',
      )
      if (this.failure) throw this.failure
      for (const { envelope } of events) {
        assert.equal(envelope.topic, sourceId)
        assert.equal(envelope.dataVersion, '2')
        this.told.push(envelope as unknown as Told)
      }
    },
  }

  /** What was told since it was last asked. */
  take(): Told[] {
    return this.told.splice(0)
  }

  /** The same on the subscription alone, each in a few words. */
  takeWords(): string[] {
    return this.take()
      .filter(({ topic }) => topic === subscription)
      .map(
        ({ eventType, subject }) =>
          `${eventType.replace('Microsoft.Resources.Resource', '')} ${short(subject)}`,
      )
  }
}

const short = (id: string) => id.replace(subscription, '').replaceAll('/providers/Microsoft.EventGrid', '')

async function start(t: TestContext, options: ControlPlaneOptions = {}) {
  const listener = new Listener()
  const server = await startControlPlane(t, { ...options, fanout: listener.fanout })
  return { listener, server }
}

/** What was told of one resource is one event on the subscription and one on its group, which differ in nothing else. */
async function assertOne(
  listener: Listener,
  subject: string,
  end: string,
  operationName: string,
): Promise<Told> {
  const told = listener.take()
  const own = told.filter((each) => each.subject === subject)
  const group = /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+/.exec(subject)?.[0]
  assert.deepEqual(
    own.map(({ topic, eventType }) => [topic, eventType]),
    [subscription, ...(group === undefined ? [] : [group])].map((topic) => [
      topic,
      `Microsoft.Resources.Resource${end}`,
    ]),
    JSON.stringify(told),
  )
  const [first, second] = own as [Told, Told | undefined]
  if (second) {
    assert.notEqual(second.id, first.id)
    assert.deepEqual(second.data, first.data)
  }
  assert.deepEqual(await checkData(first.eventType, first.data), [])
  const status = { Success: 'Succeeded', Failure: 'Failed', Cancel: 'Canceled' }
  assert.partialDeepStrictEqual(first.data, {
    authorization: { scope: subject, action: operationName, evidence: { role: 'Subscription Admin' } },
    resourceProvider: operationName.slice(0, operationName.indexOf('/')),
    resourceUri: subject,
    operationName,
    status: status[end.replace(/Write|Delete|Action/, '') as keyof typeof status],
    subscriptionId: subscription.slice('/subscriptions/'.length),
    tenantId: subscription.slice('/subscriptions/'.length),
  })
  return first
}

const bodies: Readonly<Record<string, unknown>> = {
  regenerateKey: { keyName: 'key1' },
  authorizePartner: { partnerName: 'Contoso' },
  unauthorizePartner: { partnerName: 'Contoso' },
}

const nameOfOperations = ({ type }: ResourceType) =>
  type === 'Microsoft.Resources/resourceGroups' ? 'Microsoft.Resources/subscriptions/resourceGroups' : type

for (const type of resourceTypes) {
  const path = examplePath(type)
  const id = subscription + path
  const { body } = type.example

  test(`${type.type}: each write, action and delete is told of once, and reading is not`, async (t) => {
    const { listener, server } = await start(t)
    for (const before of resourceTypes.slice(0, resourceTypes.indexOf(type)))
      await server.call('PUT', examplePath(before), before.example.body)
    listener.take()
    const name = nameOfOperations(type)

    assert.ok((await server.call('PUT', path, body)).status < 300)
    const created = await assertOne(listener, id, 'WriteSuccess', `${name}/write`)
    assert.equal(created.data.httpRequest, undefined)

    assert.ok((await server.call('PUT', path, body)).status < 300)
    const replaced = await assertOne(listener, id, 'WriteSuccess', `${name}/write`)
    assert.equal(replaced.data.httpRequest.method, 'PUT')

    if (type.patch) {
      assert.ok((await server.call('PATCH', path, {})).status < 300)
      const patched = await assertOne(listener, id, 'WriteSuccess', `${name}/write`)
      assert.equal(patched.data.httpRequest.method, 'PATCH')
    }

    for (const action of Object.keys(type.actions)) {
      const { status } = await server.call('POST', `${path}/${action.toUpperCase()}`, bodies[action])
      const end = status < 300 ? 'ActionSuccess' : 'ActionFailure'
      const acted = await assertOne(listener, id, end, `${name}/${action}/action`)
      assert.ok(acted.data.httpRequest.url.includes(`${path}/${action.toUpperCase()}?api-version=`))
    }

    assert.equal((await server.raw('PUT', `${id}?api-version=2025-02-15`, '{')).status, 400)
    await assertOne(listener, id, 'WriteFailure', `${name}/write`)

    await server.call('GET', path)
    await server.call('HEAD', path)
    await server.call('GET', path.slice(0, path.lastIndexOf('/')))
    assert.deepEqual(listener.take(), [])

    assert.ok((await server.call('DELETE', path)).status < 300)
    const deleted = await assertOne(listener, id, 'DeleteSuccess', `${name}/delete`)
    assert.equal(deleted.data.httpRequest.method, 'DELETE')
  })

  test(`${type.type}: a listener knows what there is from what it is told alone`, async (t) => {
    const { listener, server } = await start(t)
    const known = new Set<string>()
    const learn = () => {
      for (const { eventType, subject, topic } of listener.take()) {
        if (topic !== subscription) continue
        if (eventType.endsWith('ResourceWriteSuccess')) known.add(subject)
        if (eventType.endsWith('ResourceDeleteSuccess')) known.delete(subject)
      }
      const stored = resourceTypes.flatMap((each) =>
        [...server.catalog.below(each.type, '')].flatMap(({ resource }) =>
          resource.builtIn ? [] : resource.id,
        ),
      )
      assert.deepEqual([...known].toSorted(), stored.toSorted())
    }
    for (const each of resourceTypes) {
      await server.call('PUT', examplePath(each), each.example.body)
      learn()
    }
    await server.call('DELETE', path)
    learn()
    // A lock keeps the group that it is on.
    for (const kind of [
      'Microsoft.Authorization/locks',
      'Microsoft.Authorization/roleDefinitions',
      'Microsoft.Resources/resourceGroups',
    ])
      for (const { resource } of [...server.catalog.below(kind, '')])
        await server.call('DELETE', short(resource.id))
    learn()
    assert.equal(known.size, 0)
  })
}

test('an event says who asked, by which request, under the correlation id of its answer', async (t) => {
  const { listener, server } = await start(t, {
    authorize: () =>
      Promise.resolve({
        name: 'ops',
        isOwner: true,
        objectId: 'o',
        claims: { aud: 'a', 'http://schemas.microsoft.com/identity/claims/objectidentifier': 'o' },
      }),
  })
  await server.makeTopic()
  listener.take()
  const headers = {
    'x-ms-correlation-request-id': '11111111-2222-3333-4444-555555555555',
    'x-ms-client-request-id': 'mine',
  }
  await server.call('POST', `${topicPath}/listKeys`, undefined, headers)
  const { data } = listener.take()[0] as Told
  assert.equal(data.correlationId, headers['x-ms-correlation-request-id'])
  assert.deepEqual(data.claims, {
    aud: 'a',
    'http://schemas.microsoft.com/identity/claims/objectidentifier': 'o',
  })
  assert.deepEqual(data.httpRequest, {
    clientRequestId: 'mine',
    clientIpAddress: '127.0.0.1',
    method: 'POST',
    url: `${server.url}${subscription}${topicPath}/listKeys?api-version=2025-02-15`,
  })
  const answer = await server.call('DELETE', topicPath)
  assert.equal(
    (listener.take()[0] as Told).data.correlationId,
    answer.headers.get('x-ms-correlation-request-id'),
  )
})

test('no key and no secret is in an event', async (t) => {
  const { listener, server } = await start(t)
  await server.makeTopic()
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  const keys = (await server.call('POST', `${topicPath}/listKeys`)).body
  await server.call('POST', `${eventSubscriptionPath}/getFullUrl`)
  await server.raw('GET', `${subscription}${topicPath}?api-version=2025-02-15`, undefined, {
    authorization: 'Bearer tell-no-one',
  })
  const all = JSON.stringify(listener.take())
  for (const secret of [keys.key1, keys.key2, 'code=s', 'tell-no-one']) assert.ok(!all.includes(secret))
})

test('a resource has one spelling in its events, whatever the letter case or form of the request', async (t) => {
  const { listener, server } = await start(t)
  await server.makeTopic()
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  listener.take()
  await server.call('PUT', `${topicPath}/eventSubscriptions/es1`, toWebhook())
  await server.call(
    'DELETE',
    `${topicPath}/eventSubscriptions/ES1`.replace('resourceGroups/rg', 'RESOURCEGROUPS/RG'),
  )
  assert.deepEqual(listener.takeWords(), [
    'WriteSuccess /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
    'DeleteSuccess /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
  ])
})

test('a refusal is told of where it is the resource provider that refuses, and not where nothing was found to ask', async (t) => {
  const { listener, server } = await start(t)
  await server.makeTopic()
  listener.take()
  const { call, raw } = server
  const provider = '/resourceGroups/rg/providers/Microsoft.EventGrid'
  await call('PUT', topicPath, { location: 'eastus' }) // 409: it is elsewhere
  await call('PUT', `${provider}/topics/${'x'.repeat(60)}`, { location: 'westus2' })
  await call('PATCH', `${provider}/topics/none`, {})
  await call('POST', `${provider}/topics/none/listKeys`)
  await call('DELETE', '/resourceGroups/none')
  await call('DELETE', topicPath, undefined, { 'if-match': '"none"' })
  await call('PUT', `${topicPath}/privateEndpointConnections/p`, {})
  assert.deepEqual(listener.takeWords(), [
    'WriteFailure /resourceGroups/rg/topics/orders',
    `WriteFailure /resourceGroups/rg/topics/${'x'.repeat(60)}`,
    'WriteFailure /resourceGroups/rg/topics/none',
    'ActionFailure /resourceGroups/rg/topics/none',
    'DeleteFailure /resourceGroups/none',
    'DeleteFailure /resourceGroups/rg/topics/orders',
    'WriteFailure /resourceGroups/rg/topics/orders/privateEndpointConnections/p',
  ])
  await raw('PUT', `${subscription}${topicPath}`, '{}') // no api-version
  await raw('PUT', '/subscriptions/other/resourceGroups/x?api-version=2025-02-15', '{}')
  await call('PUT', '/resourceGroups/rg/providers/Microsoft.Nothing/at/all', {})
  await call('PUT', `${provider}/nothings/x`, {})
  await call('POST', `${topicPath}/doNothing`)
  await call('POST', topicPath)
  assert.deepEqual(listener.takeWords(), [])
})

test('a caller whom nobody knows leaves no event', async (t) => {
  const { listener, server } = await start(t, { authorize: () => Promise.reject(new Error('nobody')) })
  await server.call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  assert.deepEqual(listener.take(), [])
})

test('deleting what is not there is a delete that succeeds', async (t) => {
  const { listener, server } = await start(t)
  await server.makeTopic()
  listener.take()
  assert.equal((await server.call('DELETE', topicPath.replace('orders', 'none'))).status, 204)
  assert.deepEqual(listener.takeWords(), ['DeleteSuccess /resourceGroups/rg/topics/none'])
})

test('registering a provider is an action on it', async (t) => {
  const { listener, server } = await start(t)
  await server.call('POST', '/providers/microsoft.eventgrid/register')
  const told = await assertOne(
    listener,
    `${subscription}/providers/Microsoft.EventGrid`,
    'ActionSuccess',
    'Microsoft.EventGrid/register/action',
  )
  assert.equal(told.data.httpRequest.method, 'POST')
})

test('what is deleted with a resource or a group is told of before it, under the same correlation id', async (t) => {
  const { listener, server } = await start(t)
  await server.makeTopic()
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  listener.take()
  await server.call('DELETE', topicPath)
  const [first, , second] = listener.told as [Told, Told, Told]
  assert.equal(second.data.correlationId, first.data.correlationId)
  assert.deepEqual([first.data.httpRequest, second.data.httpRequest?.method], [undefined, 'DELETE'])
  assert.deepEqual(listener.takeWords(), [
    'DeleteSuccess /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
    'DeleteSuccess /resourceGroups/rg/topics/orders',
  ])
  await server.makeTopic()
  listener.take()
  await server.call('DELETE', '/resourceGroups/rg')
  const correlationIds = new Set(listener.told.map(({ data }) => data.correlationId))
  assert.equal(correlationIds.size, 1)
  assert.deepEqual(listener.takeWords(), [
    'DeleteSuccess /resourceGroups/rg/topics/orders',
    'DeleteSuccess /resourceGroups/rg',
  ])
})

test('what comes and goes with an event subscription is told of too', async (t) => {
  const { listener, server } = await start(t)
  const vault =
    '/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v/providers/Microsoft.EventGrid/eventSubscriptions/es1'
  await server.call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  listener.take()
  await server.call('PUT', vault, toWebhook())
  const made = listener.takeWords()
  assert.equal(made.length, 2)
  assert.match(made[0] ?? '', /^WriteSuccess \/resourceGroups\/rg\/systemTopics\//)
  assert.match(made[1] ?? '', /^WriteSuccess .*\/eventSubscriptions\/es1$/)
  await server.call('DELETE', vault)
  assert.deepEqual(
    listener.takeWords(),
    made.toReversed().map((each) => each.replace('Write', 'Delete')),
  )
})

test('an event subscription that expires is deleted by Event Grid itself', async (t) => {
  const clock = new ManualClock()
  const { listener, server } = await start(t, { clock })
  await server.makeTopic()
  const expirationTimeUtc = new Date(clock.now() + 3_600_000).toISOString()
  await server.call('PUT', eventSubscriptionPath, toWebhook({ expirationTimeUtc }))
  listener.take()
  await clock.advance(3_600_000)
  while (listener.told.length < 2) await turnOfTheLoop()
  const [{ data }] = listener.told as [Told]
  assert.equal(data.claims.name, 'Microsoft.EventGrid')
  assert.equal(data.httpRequest, undefined)
  assert.deepEqual(listener.takeWords(), [
    'DeleteSuccess /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
  ])
})

// ------------------------------------------------------------ operations that take a while

/** A control plane on whose endpoints nobody has decided yet. */
async function startUndecided(t: TestContext, disk = new MemoryDisk()) {
  const waiting: ((verification: Verification) => void)[] = []
  const clock = new ManualClock()
  const { listener, server } = await start(t, {
    ...{ disk, clock },
    verify: (_request, signal) =>
      new Promise((decide) => {
        waiting.push(decide)
        signal.addEventListener('abort', () => decide({ kind: 'refused', message: 'aborted' }))
      }),
  })
  const asked = async (times: number) => {
    while (waiting.length < times) await turnOfTheLoop()
  }
  return { listener, server, clock, waiting, asked }
}

const ended = async ({ told }: Listener) => {
  while (told.length < 2) await turnOfTheLoop()
}

const headers = { 'x-ms-correlation-request-id': '11111111-2222-3333-4444-555555555555' }

for (const [verification, end] of [
  [{ kind: 'verified' }, 'Success'],
  [{ kind: 'manual' }, 'Success'],
  [{ kind: 'refused', message: 'no' }, 'Failure'],
] as const)
  test(`a write that waits for a handshake is told of when that has ended: ${verification.kind} is ${end}`, async (t) => {
    const { listener, server, clock, waiting, asked } = await startUndecided(t)
    await server.makeTopic()
    listener.take()
    const answering = server.call('PUT', eventSubscriptionPath, toWebhook(), headers)
    await asked(1)
    await clock.advance(20_000)
    const answer = await answering
    assert.equal(answer.body.properties.provisioningState, 'Creating')
    assert.equal(listener.told.length, 0)
    waiting[0]?.(verification)
    await ended(listener)
    const [{ data }] = listener.told as [Told]
    assert.equal(data.correlationId, headers['x-ms-correlation-request-id'])
    assert.equal(data.httpRequest, undefined)
    while ((await server.poll(answer)).body.status === 'InProgress') await turnOfTheLoop()
    assert.deepEqual(listener.takeWords(), [
      `Write${end} /resourceGroups/rg/topics/orders/eventSubscriptions/es1`,
    ])
    // Nor is anybody told when nobody follows the validation URL: the write had ended.
    await clock.advance(11 * 60_000)
    assert.deepEqual(listener.take(), [])
  })

test('a write that a later one overtakes has failed', async (t) => {
  const { listener, server, clock, waiting, asked } = await startUndecided(t)
  await server.makeTopic()
  listener.take()
  const first = server.call('PUT', eventSubscriptionPath, toWebhook())
  await asked(1)
  const second = server.call('PUT', eventSubscriptionPath, toWebhook())
  await asked(2)
  waiting[1]?.({ kind: 'verified' })
  await second
  await clock.advance(20_000)
  await first
  assert.deepEqual(listener.takeWords(), [
    'WriteFailure /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
    'WriteSuccess /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
  ])
})

test('a restart in the middle of a handshake ends with one event, of whoever asked before it', async (t) => {
  const disk = new MemoryDisk()
  const before = await startUndecided(t, disk)
  await before.server.makeTopic()
  before.listener.take()
  const answering = before.server.call('PUT', eventSubscriptionPath, toWebhook(), headers)
  await before.asked(1)
  await before.clock.advance(20_000)
  await answering
  await before.server.close()
  assert.deepEqual(before.listener.take(), [])

  const { listener, waiting, asked } = await startUndecided(t, disk)
  await asked(1)
  waiting[0]?.({ kind: 'verified' })
  await ended(listener)
  assert.equal(listener.told[0]?.data.correlationId, headers['x-ms-correlation-request-id'])
  assert.deepEqual(listener.takeWords(), [
    'WriteSuccess /resourceGroups/rg/topics/orders/eventSubscriptions/es1',
  ])
})

test('an event that a killed process still owed is told by the next one, with the id that it had', async (t) => {
  const disk = new MemoryDisk()
  const before = await start(t, { disk })
  await before.server.makeTopic()
  before.listener.take()
  // What is on disk at the moment when the event is raised, and not a moment later.
  let killed: MemoryDisk | undefined
  const { raise } = before.listener.fanout
  Object.assign(before.listener.fanout, {
    raise: (...all: Parameters<typeof raise>) => {
      killed ??= Object.assign(new MemoryDisk(), {
        records: new Map(structuredClone([...disk.records])),
        version: disk.version,
      })
      return raise(...all)
    },
  })
  await before.server.call('PUT', eventSubscriptionPath, toWebhook())
  const ids = before.listener.take().map(({ id }) => id)

  const { listener, server } = await start(t, { disk: killed as MemoryDisk })
  await ended(listener)
  assert.deepEqual(
    listener.take().map(({ id }) => id),
    ids,
  )
  assert.equal(
    (await server.call('GET', eventSubscriptionPath)).body.properties.provisioningState,
    'Succeeded',
  )
  await server.close()
  const third = await start(t, { disk: killed as MemoryDisk })
  assert.deepEqual(third.listener.take(), [])
})

test('a deletion that a restart goes on with tells nothing under two ids, and forgets nothing', async (t) => {
  const clock = new ManualClock()
  const goOn = Promise.withResolvers<void>()
  t.after(() => goOn.resolve())
  const before = await start(t, { clock })
  await before.server.makeTopic()
  before.listener.take()
  const reached = Promise.withResolvers<void>()
  before.server.catalog.onChange(({ topics }) => {
    if (topics.length === 0) return undefined
    reached.resolve()
    return goOn.promise
  })
  const answering = before.server.call('DELETE', '/resourceGroups/rg', undefined, headers)
  await reached.promise
  await clock.advance(20_000)
  await answering
  // As the process leaves it that is killed before the topic is gone for good.
  const disk = Object.assign(new MemoryDisk(), { records: new Map(before.server.disk.records) })
  const told = before.listener.take()

  const { listener } = await start(t, { disk, clock })
  await ended(listener)
  const all = [...told, ...listener.take()]
  const idsBySubject = Map.groupBy(all, ({ topic, subject }) => `${topic} ${subject}`)
  assert.deepEqual(
    [...idsBySubject.values()].map((each) => new Set(each.map(({ id }) => id)).size),
    [1, 1, 1, 1],
  )
  assert.ok(all.every(({ data }) => data.correlationId === headers['x-ms-correlation-request-id']))
})

test('an operation succeeds though its event cannot be stored, and the loss is counted', async (t) => {
  const { listener, server } = await start(t)
  await server.makeTopic()
  listener.take()
  listener.failure = new StoreUnavailable('the disk is full', true)
  assert.equal((await server.call('DELETE', topicPath)).status, 202)
  assert.equal((await server.call('GET', topicPath)).status, 404)
  assert.match(server.metrics.encode(), /^busbar_resource_events_lost_total 2$/m)
})

test('where nobody listens nothing is built', async (t) => {
  const { listener, server } = await start(t)
  listener.isListening = false
  listener.failure = new Error('raised')
  await server.makeTopic()
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  assert.deepEqual(listener.told, [])
  assert.match(server.metrics.encode(), /^busbar_resource_events_lost_total 0$/m)
})
