import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRouteCondition, type MessageView, memberOf } from './route-condition.ts'
import { QueryError } from './tokens.ts'

const system = { contentType: 'application/json', connectionDeviceId: 'dev-1', 'dt-subject': 'thermostat' }
const properties = {
  processingPath: 'hot',
  level: '3',
  'a.b': 'dotted',
  'iothub-message-schema': 's',
  $odd: 'x',
}
const body = {
  Weather: {
    Temperature: 50,
    IsEnabled: true,
    Location: { State: 'WA' },
    HistoricalData: [{ Month: 'Feb' }, { Month: 'Jan' }],
    nothing: null,
  },
}
const twin = {
  modelId: 'dtmi:com:example:Thermostat;1',
  tags: { floor: 1 },
  properties: { desired: { telemetryConfig: { sendFrequency: '5m' } } },
}

const message: MessageView = {
  property: (name) => memberOf(properties, name),
  systemProperty: (name) => memberOf(system, name),
  body: () => body,
  twin: () => twin,
}
const holds = (text: string, view = message) => compileRouteCondition(text).holds(view)

test('a condition asks for properties of the application and of the message, for its body and for the twin', () => {
  for (const text of [
    'true',
    "processingPath = 'hot'",
    "$properties.processingpath = 'hot'",
    "$contentType = 'application/json' AND processingPath = 'hot'",
    "$CONNECTIONDEVICEID = 'dev-1'",
    "$connectionDeviceId IN ['dev-1', 'dev-2']",
    "$dt-subject = 'thermostat'",
    "iothub-message-schema = 's'",
    "a.b = 'dotted'",
    "$odd = 'x'",
    'as_number(level) > 2',
    '$body.Weather.Temperature = 50 AND $body.Weather.IsEnabled',
    "$body.weather.historicalData[0].month = 'Feb'",
    "$body.Weather.HistoricalData[1].Month = 'Jan'",
    'length($body.Weather.Location.State) = 2',
    'is_defined($body.Weather.Location)',
    'is_null($body.Weather.nothing)',
    '$body.Weather.Temperature - 1 = 49',
    '$twin.tags.floor = 1',
    "$dt-dataschema = 'dtmi:com:example:Thermostat;1'",
    "$twin.properties.desired.telemetryConfig.sendFrequency = '5m'",
    "NOT processingPath = 'cold'",
  ])
    assert.equal(holds(text), true, text)
})

test('what is not there, or of another type, makes a condition false', () => {
  for (const text of [
    "absent = 'x'",
    "NOT absent = 'x'",
    'level = 3',
    'processingPath',
    "$body[0] = 'Feb'",
    '$body.Weather.HistoricalData[7].Month = 1',
    '$body.Weather.HistoricalData.length = 2',
    '$body.constructor.name = "Object"',
    '$twin.tags.nowhere = 1',
  ])
    assert.equal(holds(text), false, text)
})

test('the body and the twin are asked for by conditions alone that name them', () => {
  const never = () => assert.fail('nobody asked')
  const plain = { ...message, body: never, twin: never }
  assert.equal(holds("processingPath = 'hot'", plain), true)
  assert.equal(holds("processingPath = 'cold' AND $body.a = 1", plain), false)
  assert.equal(compileRouteCondition("processingPath = 'hot'").readsTwin, false)
  assert.equal(compileRouteCondition('$Twin.tags.floor = 1').readsTwin, true)
  assert.equal(compileRouteCondition("$dt-dataschema = 'a'").readsTwin, true)
})

test('what a device sends cannot make a condition take long, or fail', () => {
  const asked = (text: string, value: string) => holds(text, { ...message, body: () => ({ value }) })
  const began = performance.now()
  assert.equal(asked('as_number($body.value) > 1', `${'1'.repeat(60_000)}x`), false)
  assert.equal(asked('as_number($body.value) > 1', `1${' '.repeat(60_000)}x`), false)
  // It took a quarter of a minute; now it takes a millisecond.
  assert.ok(performance.now() - began < 2_000)
  for (const number of ['2', ' 2. ', '+2.5e0', '.2e1'])
    assert.equal(asked('as_number($body.value) > 1', number), true, number)
  for (const none of ['', '.', '2e', '0x2', '2 2'])
    assert.equal(asked('as_number($body.value) > 1', none), false, none)
  const many = `concat(${Array(99).fill('$body.value').join(',')})`
  const longest = `length(concat(${Array(6).fill(many).join(',')})) > 1`
  assert.equal(asked(longest, 'x'), true)
  assert.equal(asked(longest, 'x'.repeat(250_000)), false)
  const property = { ...message, property: () => 'x'.repeat(250_000) }
  assert.equal(holds(`a${'+a'.repeat(4_000)} != ''`, property), false)
})

test('what is not in the language is refused with where it is', () => {
  const wrong = (text: string, says: RegExp) =>
    assert.throws(
      () => compileRouteCondition(text),
      (error) => error instanceof QueryError && says.test(error.message),
    )
  wrong('level =', /Expected a value at character 8/)
  wrong('level = 1 level', /Expected the end at character 11/)
  wrong("level = 'open", /string that begins at character 9/)
  wrong('nowhere(level)', /no function 'NOWHERE'/)
  wrong('$body.a[x] = 1', /Expected the number of an item at character 9/)
})
