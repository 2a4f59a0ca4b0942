import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ExpressionFault } from '../errors.ts'
import { Budget, type Environment, type RuntimeLookup } from '../language/environment.ts'
import { evaluate } from '../language/evaluate.ts'
import { ExpressionReader } from '../language/parse.ts'
import type { Value } from '../language/value.ts'
import { groupScope, managementGroupScope } from '../surroundings.ts'
import { functionLookup, templateFunctions } from './index.ts'

const zeros = '00000000-0000-0000-0000-000000000000'

const runtime: RuntimeLookup = {
  isProbing: false,
  reference: (target, _apiVersion, isFull) => {
    const properties = { id: `reference of ${target}` }
    return isFull ? { properties } : properties
  },
  references: (target) => [{ id: `reference of ${target}` }],
  list: (name, target) => ({ key1: `${name} of ${target}` }),
}

/** The environment that the examples are written for. */
function exampleEnvironment(kind: 'group' | 'managementGroup'): Environment {
  const scope =
    kind === 'group' ? groupScope(zeros, 'examples') : managementGroupScope('exampleManagementGroup')
  return {
    names: {
      parameter: () => 'parameter value',
      variable: () => ({ member: 'variable value' }),
      userFunction: () => ({ call: (args) => args[0] ?? null }),
    },
    functions: functionLookup,
    reader: new ExpressionReader(),
    budget: new Budget(),
    surroundings: {
      now: Date.UTC(2026, 0, 2, 3, 4, 5),
      newGuid: () => '00000000-0000-4000-8000-000000000001',
      environment: { name: 'ExampleCloud' },
      tenant: { tenantId: zeros },
      subscription: (id) => ({ id: `/subscriptions/${id}`, subscriptionId: id }),
      resourceGroup: () => ({ id: scope.id, name: 'examples', location: 'westus2' }),
      managementGroup: (name) => ({ id: scope.id, name }),
      providers: (_namespace, type) => ({ resourceType: type ?? '' }),
    },
    deployment: { name: 'exampleDeployment', scope, describe: () => ({ name: 'exampleDeployment' }) },
    runtime,
    isParameterDefault: true,
    loops: [
      { name: 'outer', index: 1 },
      { name: 'inner', index: 2 },
    ],
    locals: new Map(),
    calls: 0,
  }
}

function valueOf(expression: string, environment = exampleEnvironment('group')): Value {
  const text = environment.reader.read(`[${expression}]`)
  assert.ok(text.kind === 'expression', expression)
  return evaluate(text.node, environment)
}

for (const { name, examples, least, most } of templateFunctions) {
  test(`${name}: the documented examples give the documented results`, () => {
    assert.ok(examples.length > 0)
    const kind = name.startsWith('managementGroup') ? 'managementGroup' : 'group'
    for (const { expression, result } of examples) {
      const environment = exampleEnvironment(kind)
      assert.deepEqual(valueOf(expression, environment), result, expression)
      const shouted = expression.replace(/^\w+/, (word) => word.toUpperCase())
      // The name that was called is what a list function is about.
      if (name !== 'list*') assert.deepEqual(valueOf(shouted, environment), result, shouted)
    }
  })

  test(`${name}: one argument too few or too many is refused by the function's name`, () => {
    const called = name.replace('*', 'Keys')
    const wrong = [...(least > 0 ? [least - 1] : []), ...(Number.isFinite(most) ? [most + 1] : [])]
    for (const count of wrong) {
      const args = Array.from({ length: count }, () => "'a'").join(', ')
      assert.throws(
        () => valueOf(`${called}(${args})`),
        (error) => error instanceof ExpressionFault && error.message.includes(`'${called}': it takes`),
      )
    }
  })
}

test('no two functions share a name', () => {
  const names = templateFunctions.map(({ name }) => name.toLowerCase())
  assert.deepEqual([...new Set(names)], names)
})

test('every file of the shelf is in its index', () => {
  const index = readFileSync(join(import.meta.dirname, 'index.ts'), 'utf8')
  const all = readdirSync(import.meta.dirname)
  for (const file of all) {
    if (/^(index|contract)|\.test\.ts$|format\.ts$/.test(file)) continue
    assert.ok(index.includes(`'./${file}'`), file)
  }
})

test('every function that the language is known to have is on the shelf', () => {
  const known = `parameters, variables, concat, format, resourceId, subscriptionResourceId, tenantResourceId,
    extensionResourceId, managementGroupResourceId, resourceGroup, subscription, tenant, deployment, environment,
    reference, listKeys, listConnectionStrings, uniqueString, guid, newGuid, utcNow, if, equals, and, or, not, less,
    lessOrEquals, greater, greaterOrEquals, add, sub, mul, div, mod, min, max, range, int, float, string, bool, json,
    null, true, false, createArray, createObject, array, union, intersection, contains, empty, first, last, length,
    take, skip, items, objectKeys, coalesce, toLower, toUpper, trim, replace, split, join, substring, startsWith,
    endsWith, indexOf, lastIndexOf, padLeft, base64, base64ToString, base64ToJson, uri, uriComponent,
    uriComponentToString, dateTimeAdd, dateTimeToEpoch, dateTimeFromEpoch, copyIndex, map, filter, reduce, sort,
    toObject, lambda, lambdaVariables, tryGet, fail, providers, pickZones`
  for (const name of known.split(/[,\s]+/)) assert.ok(functionLookup.find(name), name)
})

const refusals: readonly (readonly [expression: string, message: RegExp])[] = [
  ['toLower(1)', /'toLower': argument 1 must be of type 'String'; it is of type 'Integer'/],
  ["add(1, 'a')", /'add': argument 2 must be of type 'Integer'; it is of type 'String'/],
  ['div(1, 0)', /'div': argument 2 must not be 0/],
  ['mul(9007199254740991, 2)', /'mul': the result must be an integer of at most 53 bits/],
  ["substring('abc', 2, 2)", /'substring': .* index 2 and length 2 of 3 characters/],
  ["base64ToString('###')", /'base64ToString': argument 1 must be valid base64/],
  ["json('{')", /'json': argument 1 must be valid JSON/],
  ["resourceId('Microsoft.EventGrid/topics', 'a', 'b')", /requires 1 resource name argument\(s\); got 2/],
  ["resourceId('topics', 'a')", /must be a resource type/],
  ["map(createArray(1), 'a')", /'map': argument 2 must be a lambda/],
  ["map(createArray(1), lambda('a', 'b', 'c', 1))", /must have from 1 to 2 variables; it has 3/],
  ["lambda('a', 1)", /'lambda' is not expected at this location/],
  ["lambdaVariables('a')", /there is no lambda variable 'a'/],
  ["fail('the sky is falling')", /^the sky is falling$/],
  ["format('{1}', 'a')", /asks for item 1 of 1/],
  ["format('{', 'a')", /has a '{' at position 0/],
  ["format('{0:Q9}', 1)", /number format 'Q9'/],
  ["copyIndex('none')", /there is no copy loop 'none' here; there are 'outer, inner'/],
  ["dateTimeAdd('2020-01-01', 'tomorrow')", /must be an ISO 8601 duration/],
  ["dateTimeAdd('soon', 'P1D')", /must be an ISO 8601 date/],
  ["dateTimeAdd('9999-01-01', 'P2Y')", /years 1 to 9999/],
  ["createObject('a')", /each name must be followed by a value/],
  ['if(1, 2, 3)', /'if': argument 1 must be of type 'Boolean'; it is of type 'Integer'/],
  ["reference('a', '2020-01-01', 'half')", /argument 3 must be 'Full'/],
  [
    "createObject('endpoint', 1).endpont",
    /'endpont' doesn't exist, available properties are 'endpoint'. Did you mean/,
  ],
  ['createArray(1)[1]', /index '1' is out of bounds: the array has 1 items/],
  ["'a'.b", /property 'b' can't be evaluated: its target is of type 'String'/],
  ['managementGroup()', /'managementGroup' is not expected at this location/],
  ["concatt('a')", /'concatt' is not valid.*Did you mean 'concat'\?/],
]

for (const [expression, message] of refusals)
  test(`${expression} is refused: ${message.source}`, () => {
    assert.throws(
      () => valueOf(expression),
      (error) => error instanceof ExpressionFault && message.test(error.message),
    )
  })

const greedy: readonly string[] = [
  "padLeft('a', 2000000)",
  'range(0, 10001)',
  "replace(padLeft('', 100000, 'a'), 'a', padLeft('', 1000, 'b'))",
  "reduce(range(0, 40), 'aaaaaaaa', lambda('c', 'n', concat(lambdaVariables('c'), lambdaVariables('c'))))",
  "reduce(range(0, 40), createArray(1), lambda('c', 'n', createArray(lambdaVariables('c'), lambdaVariables('c'))))",
  "reduce(range(0, 9999), createArray(1), lambda('c', 'n', createArray(lambdaVariables('c'))))",
  "map(range(0, 10000), lambda('a', map(range(0, 10000), lambda('b', 1))))",
  "map(range(0, 10000), lambda('a', padLeft('', 100000)))",
  "split(padLeft('', 100000, ','), ',')",
  "map(range(0, 10000), lambda('a', equals(range(0, 10000), range(0, 10000))))",
  "join(map(range(0, 1000), lambda('a', padLeft('', 10000))), '')",
  "format('{0,99999999}', 'a')",
]

for (const expression of greedy)
  test(`${expression} is refused before it exhausts the server`, () => {
    const before = performance.now()
    assert.throws(
      () => valueOf(expression),
      (error) => error instanceof ExpressionFault && /may (have|take) at most/.test(error.message),
    )
    assert.ok(performance.now() - before < 10_000)
  })

test('names of members match in any letter case, and a member may have any name', () => {
  assert.equal(valueOf("createObject('One', 'a').oNE"), 'a')
  assert.equal(valueOf("createObject('__proto__', 'a')['__proto__']"), 'a')
  assert.throws(() => valueOf('createObject().constructor'), ExpressionFault)
})
