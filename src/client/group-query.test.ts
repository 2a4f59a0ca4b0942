import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '../testing/random.ts'
import type { ClientAttributes } from './attributes.ts'
import { compileGroupQuery, groupQueryLimits } from './group-query.ts'
import { SyntaxFault } from './syntax-fault.ts'

const attributes: ClientAttributes = {
  type: 'home-sensors',
  sensors: ['motion', 'light'],
  floor: 5,
  indoors: true,
  empty: [],
}
const matches = (query: string, more: ClientAttributes = attributes, authenticationName = 'Client1') =>
  compileGroupQuery(query)({ authenticationName, attributes: more })

const truths: readonly (readonly [string, boolean])[] = [
  ['attributes.type = "home-sensors"', true],
  ["attributes.type = 'home-sensors'", true],
  ['attributes.type = "Home-Sensors"', false],
  ['attributes.Type = "home-sensors"', false],
  ['ATTRIBUTES.type = "home-sensors"', true],
  ['attributes.type != "other"', true],
  ['attributes.type <> "home-sensors"', false],
  ['attributes.type != 5', false],
  ['attributes.floor = 5', true],
  ['attributes.floor = "5"', false],
  ['attributes.floor != 5', false],
  ['attributes.floor != "5"', false],
  ['attributes.floor <= 5', true],
  ['attributes.floor < 5', false],
  ['attributes.floor >= 5', true],
  ['attributes.floor > -1', true],
  ['attributes.type > 1', false],
  ['attributes.floor IN [1, 5]', true],
  ['attributes.floor in ["5"]', false],
  ['attributes.indoors = true', true],
  ['attributes.indoors != false', true],
  ['attributes.sensors = "motion"', true],
  ['attributes.sensors = "humidity"', false],
  ['attributes.sensors IN ["humidity", "light"]', true],
  ['attributes.sensors != "motion"', false],
  ['attributes.sensors != "humidity"', true],
  ['attributes.empty != "humidity"', true],
  ['attributes.empty = "humidity"', false],
  ['attributes.missing = "x"', false],
  ['attributes.missing != "x"', false],
  ['attributes.constructor != "x"', false],
  ['authenticationName = "CLIENT1"', true],
  ["authenticationname IN ['client1', 'client2']", true],
  ['authenticationName != "client1"', false],
  ['authenticationName != "other"', true],
  ['(attributes.sensors = "motion" or attributes.sensors = "humidity") and attributes.floor > 5', false],
  ['attributes.sensors = "motion" OR attributes.sensors = "humidity" AND attributes.floor > 5', true],
  ['((attributes.floor=5))', true],
  ['attributes.type="home-sensors"and attributes.floor=5', true],
]

for (const [query, expected] of truths)
  test(`the group query ${query} is ${expected}`, () => assert.equal(matches(query), expected))

test('a backslash in a string lets a quote be part of it', () => {
  assert.equal(matches(String.raw`attributes.a = "say \"hi\""`, { a: 'say "hi"' }), true)
  assert.equal(matches(String.raw`attributes.a = 'it\'s'`, { a: "it's" }), true)
  assert.equal(matches(String.raw`attributes.a = "C:\\x\y"`, { a: 'C:\\x\\y' }), true)
})

const faults: readonly (readonly [string, string])[] = [
  [
    '',
    "expected 'authenticationName' or 'attributes.' and the name of an attribute at character 1, got the end of the query",
  ],
  [
    'attributes = 1',
    "expected 'authenticationName' or 'attributes.' and the name of an attribute at character 1, got 'attributes'",
  ],
  [
    'attributes.a.b = 1',
    "expected 'authenticationName' or 'attributes.' and the name of an attribute at character 1, got 'attributes.a.b'",
  ],
  [
    'not attributes.a = 1',
    "expected 'authenticationName' or 'attributes.' and the name of an attribute at character 1, got 'not'",
  ],
  ['attributes.a', 'expected one of =, !=, <>, <, >, <=, >=, IN at character 13, got the end of the query'],
  ['attributes.a like "x"', "expected one of =, !=, <>, <, >, <=, >=, IN at character 14, got 'like'"],
  [
    'attributes.a = ',
    'expected a string in quotes, an integer, true or false at character 16, got the end of the query',
  ],
  ['attributes.a < "x"', `expected an integer at character 16, got '"x"'`],
  ['authenticationName < 5', "expected one of =, !=, <>, IN for authenticationName at character 20, got '<'"],
  ['authenticationName = 5', "expected a string at character 22, got '5'"],
  [
    'attributes.a = 99999999999999999999',
    "expected an integer of at most 53 bits at character 16, got '99999999999999999999'",
  ],
  ['attributes.a IN []', "expected a string in quotes, an integer, true or false at character 18, got ']'"],
  ['attributes.a IN [1', "expected ',' or ']' at character 19, got the end of the query"],
  ['attributes.a IN (1)', "expected '[' at character 17, got '('"],
  ['(attributes.a = 1', "expected 'and', 'or' or ')' at character 18, got the end of the query"],
  ['attributes.a = 1)', "expected 'and', 'or' or the end of the query at character 17, got ')'"],
  ['attributes.a = "x', `expected the quote that ends the string at character 16, got '"x'`],
  [
    'attributes.a = 1 & attributes.b = 2',
    `expected a word, a value or a sign at character 18, got '& attributes.b = 2'`,
  ],
]

for (const [query, message] of faults)
  test(`the group query '${query}' is refused: ${message}`, () => {
    assert.throws(
      () => compileGroupQuery(query),
      (error) => error instanceof SyntaxFault && error.message === message,
    )
  })

test('parentheses may be nested as deep as the limit, and no deeper', () => {
  const nested = (depth: number) => `${'('.repeat(depth)}attributes.a = 1${')'.repeat(depth)}`
  compileGroupQuery(nested(groupQueryLimits.nesting))
  assert.throws(() => compileGroupQuery(nested(groupQueryLimits.nesting + 1)), /at most 32 parentheses/)
})

test('whatever stands in a query, it is read or refused with a place in it', () => {
  const random = createRandom(7)
  const words = [
    ...[
      'attributes.a',
      'authenticationName',
      'and',
      'or',
      'IN',
      'not',
      '(',
      ')',
      '[',
      ']',
      ',',
      '=',
      '!=',
      '<=',
    ],
    ...['<>', '"x"', "'y'", '5', '-1', 'true', '"', '\\', '.', ' ', '\n', '\0', 'é', '💥'],
  ]
  for (let n = 0; n < 20_000; n++) {
    const query = Array.from({ length: random.below(12) }, () => words[random.below(words.length)]).join(
      random.chance(0.7) ? ' ' : '',
    )
    try {
      compileGroupQuery(query)({ authenticationName: 'x', attributes })
    } catch (error) {
      assert.ok(error instanceof SyntaxFault, query)
      assert.ok(error.position >= 1 && error.position <= query.length + 1, query)
    }
  }
})
