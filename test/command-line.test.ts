import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { closeAfter } from '../src/testing/close-after.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { type Ended, runBusbar, startBusbar } from './busbar-process.ts'

/** A running server and a way to call commands beside it, each in a process of its own. */
async function start(t: TestContext, more: readonly string[] = []) {
  const cwd = await temporaryDirectory(t)
  const server = await startBusbar(t, cwd, more)
  const busbar = (line: string, input?: string): Promise<Ended> => {
    const child = runBusbar(t, wordsOf(line), { cwd })
    child.write(input ?? '')
    return child.ended
  }
  const ok = async (line: string, input?: string): Promise<string> => {
    const { code, stdout, stderr } = await busbar(line, input)
    assert.equal(code, 0, `${line}: ${stderr}`)
    return stdout
  }
  return { cwd, server, busbar, ok }
}

/** Words between blanks; single quotes hold a word together. */
const wordsOf = (line: string) =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? (plain as string))

test('a topic, an event subscription and an event take three commands on a fresh server', async (t) => {
  const { ok, busbar } = await start(t)
  const hook = await startRecordingWebhook(t)
  const made = await busbar('topic create orders')
  assert.equal(made.stderr, "busbar: made resource group 'default'\n")
  assert.match(made.stdout, /^name {6}orders\ngroup {5}default\nlocation {2}westus2\n/)
  const subscribed = await ok(`subscription create to-hook --topic orders --endpoint ${hook.url}`)
  assert.match(subscribed, /^state +Succeeded$/m)
  const published = await ok(
    `publish --topic orders --type Order.Placed --subject /orders/1 --id e1 --data '{"total":12345678901234567890}'`,
  )
  assert.match(published, /^1 event accepted in 1 request, \d\.\d\d s\n$/)
  await hook.until(1)
  assert.match(String(hook.received[0]?.raw), /"data":\{"total":12345678901234567890\}/)
  assert.match(await ok('trace e1'), /^to-hook +delivered +1 +/m)
})

test('resources are listed, shown, and deleted, as tables for people and as JSON for programs', async (t) => {
  const { ok, busbar } = await start(t)
  await ok('group create shop --location eastus')
  await ok('topic create first -g shop --input-schema cloudeventschemav1_0 --tags team=x')
  await ok('topic create second')
  const table = (await ok('topic list')).split('\n')
  assert.match(table[0] as string, /^NAME +GROUP +LOCATION +SCHEMA +STATE +ENDPOINT$/)
  assert.match(table[1] as string, /^first +shop +westus2 +CloudEventSchemaV1_0 +Succeeded +https:/)
  assert.deepEqual(
    JSON.parse(await ok('topic list --json')).map(({ name }: { name: string }) => name),
    ['first', 'second'],
  )
  const shown = JSON.parse(await ok('topic show --name first --json'))
  assert.deepEqual(shown.tags, { team: 'x' })
  assert.equal(await ok('topic delete first'), 'deleted topic first\n')
  const gone = await busbar('topic show first')
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, /^busbar: There is no topic 'first': "busbar topic list" shows .*\n$/)
  assert.equal(await ok('group delete shop'), 'deleted group shop\n')
})

test('a key that was made anew replaces the old one', async (t) => {
  const { ok } = await start(t)
  await ok('topic create orders')
  const before = JSON.parse(await ok('topic keys orders --json'))
  const after = JSON.parse(await ok('topic keys orders --regenerate key1 --json'))
  assert.notEqual(after.key1, before.key1)
  assert.equal(after.key2, before.key2)
  assert.equal(await ok('topic keys orders'), `key1  ${after.key1}\nkey2  ${after.key2}\n`)
})

test('an event subscription is made with the options of az', async (t) => {
  const { ok } = await start(t)
  const hook = await startRecordingWebhook(t)
  await ok('topic create orders')
  const made = JSON.parse(
    await ok(
      `subscription create es1 --topic orders --endpoint ${hook.url} --endpoint-type webhook --json
       --included-event-types Order.Placed Order.Shipped --subject-begins-with /orders/ --subject-ends-with .json
       --advanced-filter data.color stringin Blue Red --advanced-filter data.total NumberInRange 1,2 5,9
       --event-delivery-schema cloudeventschemav1_0 --max-delivery-attempts 5 --event-ttl 60
       --delivery-attribute-mapping x-tenant static contoso false --delivery-attribute-mapping x-color dynamic data.color
       --max-events-per-batch 10 --labels l1 l2 --expiration-date 2099-01-31T00:00:00Z`,
    ),
  ).properties
  assert.deepEqual(made.filter.includedEventTypes, ['Order.Placed', 'Order.Shipped'])
  assert.equal(made.filter.subjectBeginsWith, '/orders/')
  assert.equal(made.filter.subjectEndsWith, '.json')
  assert.deepEqual(made.filter.advancedFilters, [
    { operatorType: 'StringIn', key: 'data.color', values: ['Blue', 'Red'] },
    {
      operatorType: 'NumberInRange',
      key: 'data.total',
      values: [
        [1, 2],
        [5, 9],
      ],
    },
  ])
  assert.equal(made.eventDeliverySchema, 'CloudEventSchemaV1_0')
  assert.deepEqual(made.retryPolicy, { maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 })
  assert.equal(made.destination.properties.maxEventsPerBatch, 10)
  assert.deepEqual(made.destination.properties.deliveryAttributeMappings, [
    { name: 'x-tenant', type: 'Static', properties: { value: 'contoso', isSecret: false } },
    { name: 'x-color', type: 'Dynamic', properties: { sourceField: 'data.color' } },
  ])
  assert.deepEqual(made.labels, ['l1', 'l2'])
  assert.match(
    await ok('subscription list'),
    /^es1 +topics\/orders +WebHook +http.* Order\.Placed,Order\.Shipped +Succeeded$/m,
  )
  assert.match(await ok('subscription show es1'), /^event types +Order\.Placed, Order\.Shipped$/m)
  assert.equal(await ok('subscription delete es1'), 'deleted event subscription es1\n')
  assert.equal(await ok('subscription list --topic orders --json'), '[]\n')
})

test('an endpoint that refuses its handshake fails the command, with what was wrong', async (t) => {
  const { ok, busbar } = await start(t)
  await ok('topic create orders')
  const { code, stdout, stderr } = await busbar(
    'subscription create es1 --topic orders --endpoint http://127.0.0.1:9/',
  )
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(
    stderr,
    /^busbar: Webhook validation handshake failed for http:\/\/127\.0\.0\.1:9\/.*ECONNREFUSED.*\n$/,
  )
})

test('events are published from files and from stdin: arrays, lone objects, one a line', async (t) => {
  const { cwd, ok } = await start(t)
  await ok('topic create orders')
  const event = (id: string) => ({ id, subject: 's', eventType: 't', data: { big: 1 } })
  writeFileSync(join(cwd, 'array.json'), JSON.stringify([event('1'), event('2')], undefined, 2))
  writeFileSync(join(cwd, 'one.json'), JSON.stringify(event('3')))
  assert.match(await ok('publish --topic orders array.json one.json'), /^3 events accepted in 1 request/)
  const lines = ['4', '5', '6'].map((id) => JSON.stringify(event(id))).join('\n')
  assert.match(await ok('publish --topic orders --batch 2 -', lines), /^3 events accepted in 2 requests/)
  for (const id of ['1', '3', '6']) assert.match(await ok(`trace ${id} --json`), /"id": "\d"/)
})

test('a refused request is told of with the events that were in it, the others are published, and the exit code is 1', async (t) => {
  const { ok, busbar } = await start(t)
  await ok('topic create orders')
  const lines = '{"subject":"a","eventType":"t"}\n{"subject":"b"}\n{"subject":"c","eventType":"t"}'
  const { code, stdout, stderr } = await busbar('publish --topic orders --batch 1 -', lines)
  assert.equal(code, 1)
  assert.match(stdout, /^2 events accepted in 3 requests, .* s; 1 event refused\n$/)
  assert.match(stderr, /^busbar: event 2 refused: .*'eventType'\. \(400 BadRequest\)\n$/)
})

test('what came before a fault of the input is published, and nothing of a list with a file that is not there', async (t) => {
  const { cwd, busbar, ok } = await start(t)
  await ok('topic create orders')
  const event = '{"subject":"a","eventType":"t"}'
  for (const [input, message] of [
    [`${event}\n${event}\nnonsense`, /at byte 64 of the input stands 'n'/],
    [`${event}\n{"subject":`, /ends in the middle of an event/],
    [`${event}\n{"subject":}`, /Event 2 of the input is not JSON/],
  ] as const) {
    const { code, stdout, stderr } = await busbar('publish --topic orders -', input)
    assert.equal(code, 1)
    assert.match(stdout, /^[12] events? accepted/)
    assert.match(stderr, message)
  }
  writeFileSync(join(cwd, 'one.json'), event)
  const { code, stdout, stderr } = await busbar('publish --topic orders one.json none.json')
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^busbar: none\.json cannot be read: ENOENT/)
})

test('publishing waits as long as a busy server says, and tries again', async (t) => {
  const { url, requests } = await startBusyServer(t)
  const cwd = await temporaryDirectory(t)
  const line = `publish --endpoint ${url}/api/events --access-key k --type t --json`
  const { code, stdout, stderr } = await runBusbar(t, wordsOf(line), { cwd }).ended
  assert.equal(code, 0, stderr)
  const { accepted, requests: sent, retries } = JSON.parse(stdout)
  assert.deepEqual({ accepted, sent, retries }, { accepted: 1, sent: 3, retries: 2 })
  assert.equal(requests.length, 3)
  assert.equal(requests[0]?.key, 'k')
  assert.equal(requests[0]?.body, requests[2]?.body)
  const impatient = await runBusbar(t, [...wordsOf(line), '--retry-for', '0'], { cwd }).ended
  assert.equal(impatient.code, 1)
  assert.match(impatient.stderr, /\(429 TooManyRequests\)\n$/)
})

test('events go out at the rate that was asked for', async (t) => {
  const { ok } = await start(t)
  await ok('topic create orders')
  const { accepted, seconds } = JSON.parse(
    await ok('publish --topic orders --type t --count 30 --rate 60 --json'),
  )
  assert.equal(accepted, 30)
  assert.ok(seconds >= 0.4, `30 events at 60 a second took ${seconds} s`)
})

test('a command that was called in a wrong way ends with code 2 and one line that says what was expected', async (t) => {
  const { busbar, ok } = await start(t)
  await ok('topic create orders')
  const cases: readonly (readonly [string, RegExp])[] = [
    ['topic create', /A name is missing/],
    ['topic create a --input-schema Grid', /must be one of EventGridSchema, CloudEventSchemaV1_0/],
    ['topic create a --tags x', /--tags takes NAME=VALUE: got 'x'/],
    ['publish --topic orders', /--type, --subject and --data, or files/],
    ['publish --type t', /one of --topic, --domain and --endpoint/],
    ['publish --topic orders --type t --data {', /--data must be JSON/],
    ['publish --topic orders --type t --id 1 --count 2', /--id with --count/],
    ['publish --topic orders --type t --source /a', /--source is a CloudEvent's/],
    ['trigger Microsoft.Storage.BlobCreated --data {', /--data must be JSON/],
    ['publish --topic orders --type t --rate 0', /whole number from 1 to 1000000/],
    ['subscription create es1 --topic orders', /Say where events go: --endpoint/],
    ['subscription create es1 --endpoint http://a/', /Say what it is on/],
    [
      'subscription create es1 --topic orders --endpoint a --endpoint-type storagequeue',
      /--endpoint of type storagequeue must be \/subscriptions\//,
    ],
    [
      'subscription create es1 --topic orders --endpoint http://a/ --advanced-filter data.x Like y',
      /after 'data.x' stands 'Like', and not one of/,
    ],
    [
      'subscription create es1 --topic orders --endpoint http://a/ --delivery-attribute-mapping x static y',
      /whether 'x' is secret must be true or false, got ''/,
    ],
    ['topic list --url ftp://a', /--url must be an http/],
    ['topic lst', /unknown command 'lst' \(Did you mean list\?\)/],
  ]
  await Promise.all(
    cases.map(async ([line, message]) => {
      const { code, stdout, stderr } = await busbar(line)
      assert.equal(stdout, '', line)
      assert.match(stderr, /^busbar: [^\n]*\n$/, line)
      assert.match(stderr, message)
      assert.equal(code, 2, line)
    }),
  )
})

test('a server that asks for a key is told the one of its own configuration, or the one that was given', async (t) => {
  const cwd = await temporaryDirectory(t)
  const key = 'a-long-key-of-ada-made-for-this-test'
  writeFileSync(join(cwd, 'busbar.yaml'), `auth: { administrators: [{ name: ada, key: '${key}' }] }\n`)
  const { http } = await startBusbar(t, cwd)
  const code = async (args: readonly string[], env = {}) =>
    (await runBusbar(t, args, { cwd, env }).ended).code
  assert.equal(await code(['group', 'list']), 0)
  assert.equal(await code(['group', 'list', '--url', http]), 1)
  assert.equal(await code(['group', 'list', '--url', http, '--key', key]), 0)
  assert.equal(await code(['group', 'list', '--url', http], { BUSBAR_KEY: key }), 0)
})

test('the group that the server makes for MQTT is no reason to ask for a group', async (t) => {
  const { ok } = await start(t)
  await ok('group create dev')
  await ok('group create demo')
  await ok('topic create orders')
  assert.match(await ok('topic show orders -g demo'), /orders/)
})

test('a name that is in two groups is asked for with its group', async (t) => {
  const { ok, busbar } = await start(t)
  await ok('group create one')
  await ok('group create two')
  const unsaid = await busbar('topic create first')
  assert.equal(unsaid.code, 2)
  assert.match(unsaid.stderr, /^busbar: Say which resource group with -g: one, two\.\n$/)
  await ok('topic create first -g one')
  await ok('topic create first -g two -l eastus')
  assert.match(
    (await busbar('topic show first')).stderr,
    /more than one resource group, say which with -g: one, two/,
  )
  assert.match(await ok('topic show first -g two'), /^location +eastus$/m)
  assert.match(
    (await busbar('topic create second -g three')).stderr,
    /There is no resource group 'three': make it with "busbar group create three"/,
  )
})

test('tail prints the events of a topic as they come, and whom they went to', async (t) => {
  const { cwd, ok } = await start(t)
  const hook = await startRecordingWebhook(t)
  await ok('topic create orders')
  await ok(`subscription create to-hook --topic orders --endpoint ${hook.url} --included-event-types a`)
  const tail = runBusbar(t, wordsOf('tail --topic orders --count 2'), { cwd })
  await tail.told(/following/)
  await ok(`publish --topic orders --type a --subject /1 --id e1 --data '{"n":1}'`)
  await ok('publish --topic orders --type b --subject /2 --id e2')
  const { code, stdout } = await tail.ended
  assert.equal(code, 0)
  const time = String.raw`\d\d:\d\d:\d\d\.\d{3}`
  assert.match(
    stdout,
    new RegExp(`^${time}  a  /1  e1  -> to-hook  \\{"n":1\\}\n${time}  b  /2  e2  -> nobody  \\{\\}\n$`),
  )
})

test('tail prints the attempts of an event subscription, as JSON too, until it is deleted', async (t) => {
  const { cwd, ok } = await start(t)
  const hook = await startRecordingWebhook(t, [503, 200])
  await ok('topic create orders')
  await ok(`subscription create to-hook --topic orders --endpoint ${hook.url}`)
  const people = runBusbar(t, wordsOf('tail --subscription to-hook'), { cwd })
  const programs = runBusbar(t, wordsOf('tail --subscription to-hook --topic orders --json'), { cwd })
  await Promise.all([people.told(/following/), programs.told(/following/)])
  await ok('publish --topic orders --type a --subject /1 --id e1')
  await Promise.all([people.printed(/retry/), programs.printed(/postponed/)])
  await ok('subscription delete to-hook')
  const lines = (await programs.ended).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ kind, id, outcome, status }) => ({ kind, id, outcome, status })),
    [
      { kind: 'attempt', id: 'e1', outcome: 'Busy', status: 503 },
      { kind: 'postponed', id: 'e1', outcome: undefined, status: undefined },
      { kind: 'deleted', id: undefined, outcome: undefined, status: undefined },
    ],
  )
  assert.match(
    (await people.ended).stdout,
    /^\S+ {2}Busy {2}503 {2}\d+ ms {2}a {2}\/1 {2}e1 {2}HTTP 503\n\S+ {2}retry {2}due /,
  )
})

test('a domain takes events for its topics, and is followed with all of them', async (t) => {
  const { cwd, ok } = await start(t)
  const hook = await startRecordingWebhook(t)
  await ok('domain create shop --input-schema CloudEventSchemaV1_0')
  assert.match(await ok('domain list'), /^shop +default +westus2 +CloudEventSchemaV1_0 +Succeeded +http/m)
  await ok(`subscription create to-hook --domain shop --domain-topic asia --endpoint ${hook.url}`)
  assert.match(await ok('subscription list --domain shop --domain-topic asia'), /^to-hook +topics\/asia /m)
  assert.match(await ok('subscription list'), /^to-hook +topics\/asia /m)
  const tail = runBusbar(t, wordsOf('tail --domain shop --count 2'), { cwd })
  await tail.told(/following .*\/domains\/shop/)
  await ok('publish --domain shop --domain-topic asia --type a --subject /1 --id e1')
  await ok('publish --domain shop --domain-topic europe --type a --subject /2 --id e2')
  assert.match((await tail.ended).stdout, /a {2}\/1 {2}e1 {2}-> to-hook\n.*a {2}\/2 {2}e2 {2}-> nobody\n$/)
  await hook.until(1)
  assert.match(await ok('trace e1'), /^to-hook +delivered +1 /m)
  assert.match(await ok('domain keys shop'), /^key1 +\S{40,}\nkey2 +\S{40,}\n$/)
  assert.equal(await ok('domain delete shop'), 'deleted domain shop\n')
})

test('every command has a help that ends with code 0', async (t) => {
  const cwd = await temporaryDirectory(t)
  const subcommands = ['create', 'list', 'show', 'delete']
  const commands = [
    ...['publish', 'tail', 'trace', 'group', 'group create', 'topic keys', 'domain keys'],
    ...['topic', 'domain', 'subscription'].flatMap((kind) => subcommands.map((name) => `${kind} ${name}`)),
  ]
  await Promise.all(
    commands.map(async (command) => {
      const { code, stdout } = await runBusbar(t, [...command.split(' '), '--help'], { cwd }).ended
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^Usage: busbar ${command} `))
      assert.match(stdout, /-h, --help +print this help/)
    }),
  )
})

/** Answers OPTIONS as a topic does; the first POSTs are answered 429. */
async function startBusyServer(t: TestContext) {
  const requests: { readonly key: unknown; readonly body: string }[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      if (request.method === 'OPTIONS') {
        response.writeHead(200, { 'aeg-input-event-schema': 'EventGridEvent' }).end()
        return
      }
      requests.push({ key: request.headers['aeg-sas-key'], body })
      const busy = requests.length !== 3
      const error = { code: 'TooManyRequests', message: 'Too much.' }
      response.writeHead(busy ? 429 : 200, busy ? { 'Retry-After': '1' } : {})
      response.end(busy ? JSON.stringify({ error }) : '')
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  closeAfter(t, () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}
