import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane, subscription, toWebhook } from '../testing/control-plane.ts'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'

const provider = 'providers/Microsoft.EventGrid'
const group = '/resourceGroups/rg'
const storage = `${group}/providers/Microsoft.Storage/storageAccounts/uploads`
const onStorage = `${storage}/${provider}/eventSubscriptions/es1`

async function start(t: Parameters<typeof startControlPlane>[0], ...options: [object?]) {
  const server = await startControlPlane(t, ...options)
  await server.call('PUT', group, { location: 'westus2' })
  const put = async (path: string, body: unknown) => {
    const answer = await server.call('PUT', path, body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }
  const names = async (path: string) => {
    const { status, body } = await server.call('GET', path)
    assert.equal(status, 200, JSON.stringify(body))
    return body.value.map(({ name }: { name: string }) => name)
  }
  return { ...server, put, names }
}

test('an event subscription stands on a subscription, a group and any resource of another provider', async (t) => {
  const { call, put } = await start(t)
  for (const [scope, printed] of [
    ['', subscription],
    [group, subscription + group],
    [storage, `${subscription}${group}/providers/microsoft.storage/storageaccounts/uploads`],
    [
      `${storage}/blobServices/default`,
      `${subscription}${group}/providers/microsoft.storage/storageaccounts/uploads/blobServices/default`,
    ],
  ] as const) {
    const path = `${scope}/${provider}/eventSubscriptions/es1`
    const made = await put(path, toWebhook())
    assert.equal(made.id, subscription + path)
    assert.equal(made.type, 'Microsoft.EventGrid/eventSubscriptions')
    assert.equal(made.properties.topic, printed)
    assert.deepEqual((await call('GET', path.toUpperCase())).body, made)
    assert.equal((await call('PATCH', path, { labels: ['x'] })).status, 201)
    assert.equal((await call('DELETE', path)).status, 202)
    assert.equal((await call('GET', path)).status, 404)
  }
})

test('a resource of another provider need not exist, but its group must', async (t) => {
  const { call } = await start(t)
  const answer = await call('PUT', onStorage.replace('/rg/', '/none/'), toWebhook())
  assert.equal(answer.body.error.code, 'ResourceGroupNotFound')
})

test('lists of one scope hold what stands on it and nothing deeper', async (t) => {
  const { put, names } = await start(t)
  await put(onStorage, toWebhook())
  await put(`${storage}/blobServices/default/${provider}/eventSubscriptions/es2`, toWebhook())
  await put(`${group}/${provider}/eventSubscriptions/es3`, toWebhook())
  await put(`/${provider}/eventSubscriptions/es4`, toWebhook())
  await put(`${group}/${provider}/domains/dom`, { location: 'eastus' })
  await put(`${group}/${provider}/domains/dom/eventSubscriptions/es5`, toWebhook())
  await put(`${group}/${provider}/domains/dom/topics/one/eventSubscriptions/es6`, toWebhook())
  assert.deepEqual(await names(`${storage}/${provider}/eventSubscriptions`), ['es1'])
  assert.deepEqual(await names(`${group}/${provider}/domains/dom/eventSubscriptions`), ['es5'])
  for (const path of ['topics/one/eventSubscriptions', `topics/one/${provider}/eventSubscriptions`])
    assert.deepEqual(await names(`${group}/${provider}/domains/dom/${path}`), ['es6'])
  // Global: what has no region. Regional: what lies in it, by the group's where nothing else is known.
  assert.deepEqual(await names(`/${provider}/eventSubscriptions`), ['es4', 'es3'])
  assert.deepEqual(await names(`${group}/${provider}/eventSubscriptions`), ['es3'])
  assert.deepEqual(await names(`/${provider}/locations/westus2/eventSubscriptions`), ['es2', 'es1'])
  const inEast = `${group}/${provider}/locations/East US`
  assert.deepEqual(await names(`${inEast}/eventSubscriptions`), ['es5', 'es6'])
  assert.deepEqual(await names(`${inEast}/topicTypes/microsoft.eventgrid.domains/eventSubscriptions`), [
    'es5',
    'es6',
  ])
  assert.deepEqual(await names(`${inEast}/topicTypes/Microsoft.EventGrid.Topics/eventSubscriptions`), [])
  assert.deepEqual(
    await names(`/${provider}/topicTypes/Microsoft.Resources.ResourceGroups/eventSubscriptions`),
    ['es3'],
  )
  assert.deepEqual(
    await names(
      `/${provider}/locations/westus2/topicTypes/Microsoft.Storage.StorageAccounts/eventSubscriptions`,
    ),
    ['es1'],
  )
})

test('deleting a group takes along what stands on it and on resources of other providers in it', async (t) => {
  const { call, put, catalog } = await start(t)
  await put(onStorage, toWebhook())
  await put(`${group}/${provider}/eventSubscriptions/es2`, toWebhook())
  await put(`/${provider}/eventSubscriptions/es3`, toWebhook())
  assert.equal((await call('DELETE', group)).status, 202)
  assert.deepEqual(
    [...catalog.eventSubscriptions()].map(({ name }) => name),
    ['es3'],
  )
  await call('PUT', group, { location: 'westus2' })
  assert.equal((await call('GET', onStorage)).status, 404)
})

test('the first event subscription on an Azure source brings a system topic, and the last takes it away', async (t) => {
  const { call, put, names } = await start(t)
  const topics = `${group}/${provider}/systemTopics`
  const extensionTopic = `${storage}/${provider}/extensionTopics/default`
  assert.equal((await call('GET', extensionTopic)).status, 404)
  await put(onStorage, toWebhook())
  await put(onStorage.replace('es1', 'es2'), toWebhook())
  const [name] = await names(topics)
  assert.match(name, /^uploads-[0-9a-f-]{36}$/)
  const { body } = await call('GET', `${topics}/${name}`)
  assert.equal(body.location, 'westus2')
  assert.equal(body.properties.source, subscription + storage)
  assert.equal(body.properties.topicType, 'Microsoft.Storage.storageAccounts')
  assert.equal(
    (await call('GET', extensionTopic)).body.properties.systemTopic,
    `${subscription}${topics}/${name}`,
  )
  await call('DELETE', onStorage)
  assert.deepEqual(await names(topics), [name])
  await call('DELETE', onStorage.replace('es1', 'es2'))
  assert.deepEqual(await names(topics), [])
  assert.equal((await call('GET', extensionTopic)).status, 404)
})

test('a system topic that was made by hand stays, and no other is made beside it', async (t) => {
  const { call, put, names } = await start(t)
  const topics = `${group}/${provider}/systemTopics`
  const body = {
    location: 'westus2',
    properties: { source: subscription + storage, topicType: 'Microsoft.Storage.StorageAccounts' },
  }
  await put(`${topics}/mine`, body)
  await put(onStorage, toWebhook())
  const other = await call('PUT', `${topics}/other`, body)
  assert.deepEqual([other.status, other.body.error.code], [409, 'Conflict'])
  await call('DELETE', onStorage)
  assert.deepEqual(await names(topics), ['mine'])
})

test('the system topic of a subscription lives in the group Default-EventGrid', async (t) => {
  const { call, put, names, raw } = await start(t)
  const path = `/${provider}/eventSubscriptions/es1`
  await put(path, toWebhook())
  const topics = `/resourceGroups/Default-EventGrid/${provider}/systemTopics`
  const [name] = await names(topics)
  assert.equal((await call('GET', `${topics}/${name}`)).body.location, 'global')
  const scope = encodeURIComponent(subscription)
  const told = await raw('GET', `/${scope}/${provider}/extensionTopics/default?api-version=2025-02-15`)
  assert.equal(told.body.properties.systemTopic, `${subscription}${topics}/${name}`)
  await call('DELETE', path)
  assert.deepEqual(await names(topics), [])
})

test('a domain topic comes with its first event subscription and goes with its last, as the domain says', async (t) => {
  const { call, put, names } = await start(t)
  const domain = `${group}/${provider}/domains/dom`
  const es = `${domain}/topics/Tenant-1/${provider}/eventSubscriptions/es1`
  await put(domain, { location: 'westus2' })
  await put(es, toWebhook())
  assert.deepEqual(await names(`${domain}/topics`), ['Tenant-1'])
  assert.equal((await call('GET', es)).body.id, subscription + es)
  await call('DELETE', es)
  assert.deepEqual(await names(`${domain}/topics`), [])

  const manual = {
    location: 'westus2',
    properties: { autoCreateTopicWithFirstSubscription: false, autoDeleteTopicWithLastSubscription: false },
  }
  await put(domain, manual)
  const refused = await call('PUT', es, toWebhook())
  assert.deepEqual([refused.status, refused.body.error.code], [404, 'ParentResourceNotFound'])
  assert.deepEqual(await names(`${domain}/topics`), [])
  await put(`${domain}/topics/Tenant-1`, undefined)
  await put(es, toWebhook())
  await call('DELETE', es)
  assert.deepEqual(await names(`${domain}/topics`), ['Tenant-1'])
})

test('an event subscription that is refused leaves no companion behind', async (t) => {
  const { call, put, names } = await start(t)
  const domain = `${group}/${provider}/domains/dom`
  await put(domain, { location: 'westus2' })
  const refused = await call('PUT', `${domain}/topics/one/eventSubscriptions/es1`, { properties: {} })
  assert.equal(refused.status, 400)
  for (const name of ['ab', 'a'.repeat(129), 'System-1', 'a.b']) {
    const misnamed = await call('PUT', `${domain}/topics/${name}/eventSubscriptions/es1`, toWebhook())
    assert.deepEqual([misnamed.status, misnamed.body.error.code], [400, 'InvalidRequest'], name)
  }
  assert.deepEqual(await names(`${domain}/topics`), [])
})

test('a domain topic goes with its last event subscription also when that expires', async (t) => {
  const clock = new ManualClock()
  const { put, names } = await start(t, { clock })
  const domain = `${group}/${provider}/domains/dom`
  await put(domain, { location: 'westus2' })
  const expirationTimeUtc = new Date(clock.now() + 60_000).toISOString()
  await put(`${domain}/topics/one/eventSubscriptions/es1`, toWebhook({ expirationTimeUtc }))
  assert.deepEqual(await names(`${domain}/topics`), ['one'])
  await clock.advance(60_000)
  while ((await names(`${domain}/topics`)).length > 0) await turnOfTheLoop()
})

test('two first event subscriptions at the same moment bring one companion', async (t) => {
  const { call, put, names } = await start(t)
  const domain = `${group}/${provider}/domains/dom`
  await put(domain, { location: 'westus2' })
  const scopes = [storage, `${domain}/topics/one`]
  await Promise.all(
    scopes.flatMap((scope) =>
      ['es1', 'es2', 'es3'].map((name) =>
        put(`${scope}/${provider}/eventSubscriptions/${name}`, toWebhook()),
      ),
    ),
  )
  assert.equal((await names(`${group}/${provider}/systemTopics`)).length, 1)
  assert.equal((await names(`${domain}/topics`)).length, 1)
  await Promise.all(
    scopes.flatMap((scope) =>
      ['es1', 'es2', 'es3'].map((name) => call('DELETE', `${scope}/${provider}/eventSubscriptions/${name}`)),
    ),
  )
  assert.deepEqual(await names(`${group}/${provider}/systemTopics`), [])
  assert.deepEqual(await names(`${domain}/topics`), [])
})

test('deleting a domain deletes its topics and every event subscription below it', async (t) => {
  const { call, put, names, catalog } = await start(t)
  const domain = `${group}/${provider}/domains/dom`
  await put(domain, { location: 'westus2' })
  await put(`${domain}/eventSubscriptions/es1`, toWebhook())
  await put(`${domain}/topics/one/eventSubscriptions/es2`, toWebhook())
  await put(`${domain}/topics/two`, {})
  assert.equal((await call('DELETE', domain)).status, 202)
  assert.deepEqual([...catalog.eventSubscriptions()], [])
  await put(domain, { location: 'westus2' })
  assert.deepEqual(await names(`${domain}/topics`), [])
})

test('a topic, a domain and a partner namespace of one location cannot have one name', async (t) => {
  const { call, put } = await start(t)
  await put(`${group}/${provider}/topics/one`, { location: 'westus2' })
  const refused = await call('PUT', `${group}/${provider}/domains/ONE`, { location: 'westus2' })
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'Conflict'])
  await put(`${group}/${provider}/domains/one`, { location: 'eastus' })
})

test('the event types of an Azure source are its default set unless named, and unknown ones are refused', async (t) => {
  const { call, put } = await start(t, {
    topicType: (name: string) =>
      name.toLowerCase() === 'microsoft.storage.storageaccounts'
        ? {
            name: 'Microsoft.Storage.StorageAccounts',
            isGlobal: false,
            eventTypes: [
              { name: 'Microsoft.Storage.BlobCreated', isInDefaultSet: true },
              { name: 'Microsoft.Storage.BlobRenamed', isInDefaultSet: false },
            ],
            isSource: () => true,
            sourceFormat: '',
          }
        : undefined,
  })
  const typesOf = (body: { properties: { filter: { includedEventTypes: unknown } } }) =>
    body.properties.filter.includedEventTypes
  assert.deepEqual(typesOf(await put(onStorage, toWebhook())), ['Microsoft.Storage.BlobCreated'])
  const given = { filter: { includedEventTypes: ['microsoft.storage.blobRenamed'] } }
  assert.deepEqual(typesOf(await put(onStorage, toWebhook(given))), ['microsoft.storage.blobRenamed'])
  const refused = await call(
    'PUT',
    onStorage,
    toWebhook({ filter: { includedEventTypes: ['Microsoft.Storage.BlobCreate'] } }),
  )
  assert.equal(refused.status, 400)
  assert.match(refused.body.error.message, /'Microsoft\.Storage\.StorageAccounts': .*BlobRenamed/)
})

test('a page of a hundred thousand domain topics is read without a look at the others', async (t) => {
  const { call, put, catalog } = await start(t)
  const domain = `${group}/${provider}/domains/dom`
  await put(domain, { location: 'westus2' })
  await put(`${domain}/topics/t000000`, {})
  const found = catalog.find('Microsoft.EventGrid/domains/topics', `${subscription}${domain}/topics/t000000`)
  assert.ok(found)
  // As tenants come: in no order. 7,919 and 100,000 have no common divisor.
  for (let n = 1; n < 100_000; n++) {
    const name = `t${String((n * 7_919) % 100_000).padStart(6, '0')}`
    const id = found.resource.id.replace('t000000', name)
    await catalog.put({ ...found.resource, id, name, uid: `uid-${n}` })
  }
  let read = 0
  const below = catalog.below.bind(catalog)
  catalog.below = function* (...args) {
    for (const each of below(...args)) {
      read++
      yield each
    }
  }
  let page = (await call('GET', `${domain}/topics?$top=100`)).body
  for (let n = 1; n < 5; n++) {
    assert.equal(page.value.length, 100)
    page = (await call('GET', page.nextLink.slice(page.nextLink.indexOf('/resourceGroups')))).body
  }
  assert.equal(page.value.at(-1).name, 't000499')
  assert.ok(read <= 5 * 101, `${read} were read`)
  const more = await call('PUT', `${domain}/topics/one-more`, {})
  assert.equal(more.status, 409)
  assert.match(more.body.error.message, /limit of 100000 .* is reached/)
})

test('words are reserved at the beginning of names of topics and domains, and of no others', async (t) => {
  const { call, put } = await start(t)
  const systemTopic = {
    location: 'westus2',
    properties: { source: subscription + storage, topicType: 'Microsoft.Storage.StorageAccounts' },
  }
  await put(`${group}/${provider}/systemTopics/SystemUploads`, systemTopic)
  await put(`${group}/${provider}/systemTopics/SystemUploads/eventSubscriptions/EventGridHook`, toWebhook())
  for (const type of ['topics', 'domains'])
    for (const name of ['Microsoft-1', 'eventgrid1', 'System']) {
      const refused = await call('PUT', `${group}/${provider}/${type}/${name}`, { location: 'westus2' })
      assert.deepEqual([refused.status, refused.body.error.code], [400, 'InvalidRequest'], `${type}/${name}`)
      assert.match(refused.body.error.message, /reserved word/)
    }
})

test('a group that is being deleted gets no companion any more', async (t) => {
  const asked = Promise.withResolvers<void>()
  let isWatching = false
  const { call, put, catalog } = await start(t, {
    topicType: (name: string) => {
      if (isWatching) asked.resolve()
      return { name, isGlobal: true, eventTypes: [], isSource: () => true, sourceFormat: '' }
    },
  })
  const home = '/resourceGroups/Default-EventGrid'
  const path = `/${provider}/eventSubscriptions/es1`
  await put(path, toWebhook())
  await call('DELETE', path)
  const write = catalog.put.bind(catalog)
  catalog.put = async (resource) => {
    if (resource.deletion) {
      // The event subscription has found the group, and waits to put a system topic into it.
      await asked.promise
      await turnOfTheLoop()
    }
    return write(resource)
  }
  const deleted = call('DELETE', home)
  isWatching = true
  const refused = await call('PUT', path, toWebhook())
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'ResourceGroupBeingDeleted'])
  assert.equal((await deleted).status, 202)
  assert.deepEqual([...catalog.below('Microsoft.EventGrid/systemTopics', '')], [])
  await put(path, toWebhook())
  assert.equal((await call('GET', home)).status, 200)
})

test('what stands on a source goes with the system topic of the source, however that goes', async (t) => {
  const { call, put, names, catalog } = await start(t)
  const topics = `${group}/${provider}/systemTopics`
  const stands = () => [...catalog.eventSubscriptions()].map(({ name }) => name)
  await put(onStorage, toWebhook())
  await put(`${storage}/blobServices/default/${provider}/eventSubscriptions/es2`, toWebhook())
  const [name] = (await names(topics)).filter((each: string) => each.startsWith('uploads-'))
  assert.equal((await call('DELETE', `${topics}/${name}`)).status, 202)
  assert.equal((await call('GET', onStorage)).status, 404)
  assert.deepEqual(stands(), ['es2'])
  await call('PUT', '/resourceGroups/other', { location: 'westus2' })
  await put(`/resourceGroups/other/${provider}/systemTopics/mine`, {
    location: 'westus2',
    properties: { source: subscription + storage, topicType: 'Microsoft.Storage.StorageAccounts' },
  })
  await put(onStorage, toWebhook())
  await call('DELETE', '/resourceGroups/other')
  assert.deepEqual(stands(), ['es2'])
})
