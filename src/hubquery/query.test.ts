import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Expression, valueAt } from './expression.ts'
import { compileCondition, compileQuery } from './query.ts'

const devices = [
  {
    deviceId: 'a',
    status: 'enabled',
    tags: { site: 'oslo', floor: 3 },
    properties: { reported: { temp: 21.5 } },
  },
  { deviceId: 'b', status: 'disabled', tags: { site: 'oslo', floor: 5, keys: ['x', 'y'] } },
  {
    deviceId: 'c',
    status: 'enabled',
    tags: { site: 'rome' },
    configurations: { 'my-cfg': { status: 'Applied' } },
  },
  { deviceId: 'd', status: 'enabled', tags: null },
]

/** Ids of the devices that a condition chooses. */
const chosenBy = (condition: string) => {
  const query = compileQuery(`select * from devices where ${condition}`)
  return devices.filter((device) => query.matches(device)).map(({ deviceId }) => deviceId)
}

const evaluate = (condition: string, document: object = {}): unknown => {
  const expression: Expression = compileCondition(condition)
  return expression({ get: (path) => valueAt(document, path) })
}

test('conditions choose devices by what is there, and what is not there compares with nothing', () => {
  assert.deepEqual(chosenBy("tags.site = 'oslo'"), ['a', 'b'])
  assert.deepEqual(chosenBy('tags.site != "oslo"'), ['c'])
  assert.deepEqual(chosenBy("tags.site <> 'oslo' AND NOT status = 'disabled'"), ['c'])
  assert.deepEqual(chosenBy('tags.floor >= 3 and tags.floor < 5'), ['a'])
  assert.deepEqual(chosenBy("deviceId IN ['a', 'd', 7]"), ['a', 'd'])
  assert.deepEqual(chosenBy("tags.site NIN ['rome']"), ['a', 'b'])
  assert.deepEqual(chosenBy("tags.floor > '3'"), [], 'a number and a text do not compare')
  assert.deepEqual(chosenBy("NOT tags.floor > '3'"), [])
  assert.deepEqual(chosenBy('is_defined(properties.reported.temp)'), ['a'])
  assert.deepEqual(chosenBy('tags = null'), ['d'])
  assert.deepEqual(chosenBy("configurations.[[my-cfg]].status = 'Applied'"), ['c'])
  assert.deepEqual(chosenBy("devices.tags.site = 'rome'"), ['c'])
  assert.deepEqual(chosenBy("tags.floor = 5 OR tags.nothing = 1 OR deviceId = 'd'"), ['b', 'd'])
  assert.deepEqual(chosenBy("(tags.nothing = 1 OR status = 'enabled') AND tags.floor % 2 = 1"), ['a'])
  assert.deepEqual(chosenBy('tags.keys = tags.keys'), [], 'lists do not compare')
})

test('arithmetic, literals and functions give what the language says', () => {
  const cases: [string, unknown][] = [
    ['1 + 2 * 3 - 4 / 2', 5],
    ['-(2 + 3) % 3', -2],
    ['0x1f', 31],
    ['1.5e2', 150],
    ['1 / 0', undefined],
    ["'it\\'s' + \" \\u00e9\"", "it's é"],
    ['1 + true', undefined],
    ['NOT 1', undefined],
    ['undefined = undefined', undefined],
    ['null = null', true],
    ['null < 1', undefined],
    ['false AND undefined', false],
    ['true OR undefined', true],
    ['undefined OR false', undefined],
    ["CONCAT('a', 'b', 'c')", 'abc'],
    ["LENGTH(UPPER('abc'))", 3],
    ["SUBSTRING('hello', 1, 3)", 'ell'],
    ["SUBSTRING('hello', 3)", 'lo'],
    ["INDEX_OF('hello', 'l')", 2],
    ["STARTS_WITH('hello', 'he') AND ENDS_WITH('hello', 'lo') AND CONTAINS('hello', 'ell')", true],
    ["AS_NUMBER(' 12.5 ')", 12.5],
    ["AS_NUMBER('12 apples')", undefined],
    ['POWER(2, 10) + SQUARE(3) + ABS(-1) + CEILING(0.2) + FLOOR(1.9) + SIGN(-7) + SQRT(16)', 1039],
    ['IS_ARRAY([1]) AND IS_BOOL(true) AND IS_NULL(null) AND IS_NUMBER(1) AND IS_STRING("")', true],
    ['IS_OBJECT(x) OR IS_PRIMITIVE(y)', false],
  ]
  for (const [text, expected] of cases) assert.deepEqual(evaluate(text), expected, text)
})

test('columns are called by their alias, or by the last name of their path', () => {
  const query = compileQuery(
    'SELECT TOP 2 deviceId, tags.site AS place, tags.floor + 1, tags.nothing FROM devices',
  )
  assert.equal(query.top, 2)
  assert.equal(query.isWhole, false)
  assert.deepEqual(query.project(devices[0] as object), { deviceId: 'a', place: 'oslo', column3: 4 })
  assert.deepEqual(query.project(devices[2] as object), { deviceId: 'c', place: 'rome' })
})

test('documents are counted and added up by group, and without groups there is one result', () => {
  const results = (text: string) => {
    const query = compileQuery(text)
    const aggregation = query.aggregate?.()
    assert(aggregation)
    for (const device of devices) if (query.matches(device)) aggregation.add(device)
    return aggregation.results()
  }
  assert.deepEqual(results('SELECT COUNT() AS total FROM devices'), [{ total: 4 }])
  assert.deepEqual(
    results("SELECT COUNT() AS total, AVG(tags.floor) AS mean FROM devices WHERE deviceId = 'z'"),
    [{ total: 0 }],
  )
  assert.deepEqual(
    results(
      'SELECT tags.site AS site, COUNT() AS n, SUM(tags.floor) AS sum, AVG(tags.floor) AS mean, MIN(tags.floor) AS low, MAX(deviceId) AS last FROM devices WHERE IS_DEFINED(tags.site) GROUP BY tags.site',
    ),
    [
      { site: 'oslo', n: 2, sum: 8, mean: 4, low: 3, last: 'b' },
      { site: 'rome', n: 1, sum: 0, last: 'c' },
    ],
  )
})

test('jobs and modules are addressed with their collection before the path', () => {
  const jobs = compileQuery("SELECT * FROM devices.jobs WHERE devices.jobs.status = 'completed'")
  assert.equal(jobs.from, 'devices.jobs')
  assert(jobs.matches({ status: 'completed' }) && !jobs.matches({ status: 'failed' }))
  const modules = compileQuery("select moduleId from devices.modules where moduleId = 'm'")
  assert(modules.matches({ moduleId: 'm' }))
})

test('what is not in the language is refused with where, what was expected and what came', () => {
  const refusals: [string, RegExp][] = [
    ['', /Expected SELECT at character 1, and found the end/],
    ['SELECT * FROM things', /no collection 'things'/],
    ['SELECT * FROM devices WHERE', /Expected a value at character 28, and found the end/],
    ['SELECT * FROM devices WHERE a = = 1', /Expected a value at character 33, and found '='/],
    ['SELECT * FROM devices WHERE a = 1 b', /Expected the end at character 35, and found 'b'/],
    ["SELECT * FROM devices WHERE a = 'x", /The string that begins at character 33 does not end/],
    ['SELECT * FROM devices WHERE LOUDER(a)', /There is no function 'LOUDER'/],
    ['SELECT * FROM devices WHERE LOWER(a, b)', /'LOWER' takes 1 values, and has 2/],
    ['SELECT * FROM devices WHERE a ~ 1', /Character 31, '~', is in no query/],
    ['SELECT TOP 0 * FROM devices', /TOP takes a whole number from 1/],
    ['SELECT deviceId FROM devices.jobs', /only whole documents/],
    ['SELECT COUNT() AS n FROM devices.modules', /cannot be counted/],
    ['SELECT * FROM devices GROUP BY tags.site', /GROUP BY needs columns/],
    [`SELECT * FROM devices WHERE ${'('.repeat(100)}1${')'.repeat(100)}`, /nests at most 64/],
    [`SELECT * FROM devices WHERE a = '${'x'.repeat(9_000)}'`, /at most 8192 characters/],
  ]
  for (const [text, message] of refusals) assert.throws(() => compileQuery(text), message, text)
})

test('a path never reaches what a document did not say', () => {
  assert.deepEqual(
    chosenBy('IS_DEFINED(constructor) OR IS_DEFINED(tags.toString) OR IS_DEFINED(deviceId.length)'),
    [],
  )
})
