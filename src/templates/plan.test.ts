import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestError } from '../base/errors.ts'
import {
  fakeRuntime,
  planOf,
  shortIds,
  testGroup,
  testSubscription,
  testSurroundings,
} from '../testing/templates.ts'
import type { ObjectValue, Value } from './language/value.ts'
import { templateLimits } from './limits.ts'
import { createPlan } from './plan.ts'
import type { Runtime } from './runtime.ts'
import { groupScope, managementGroupScope, subscriptionScope, tenantScope } from './surroundings.ts'

const schema = (kind = 'deploymentTemplate') =>
  `https://schema.management.azure.com/schemas/2019-04-01/${kind}.json#`

/** A template with these sections. */
const template = (sections: ObjectValue): ObjectValue => ({
  $schema: schema(),
  contentVersion: '1.0.0.0',
  resources: [],
  ...sections,
})

const topic = (name: string, more: ObjectValue = {}): ObjectValue => ({
  type: 'Microsoft.EventGrid/topics',
  apiVersion: '2022-06-15',
  name,
  ...more,
})

const topics = 'Microsoft.EventGrid/topics'

/** Outputs as plain values. */
async function outputsOf(sections: ObjectValue, parameters: ObjectValue = {}, runtime = fakeRuntime) {
  const plan = planOf(template(sections), parameters)
  const printed = Object.entries(await plan.outputs(runtime)) as [string, { value?: Value }][]
  return Object.fromEntries(printed.map(([name, { value }]) => [name, value]))
}

const output = (value: Value, type = 'string'): ObjectValue => ({ type, value })

function refuses(sections: ObjectValue, parameters: ObjectValue, message: RegExp, code = 'InvalidTemplate') {
  assert.throws(
    () => planOf(template(sections), parameters),
    (error) => {
      assert.ok(error instanceof RequestError, String(error))
      assert.match(error.message, message)
      assert.equal(error.code, code)
      return true
    },
  )
}

test('parameters are what is given, else their default, which may use other parameters', async () => {
  const sections = {
    parameters: {
      prefix: { type: 'string' },
      name: { type: 'STRING', defaultValue: "[concat(parameters('prefix'), '-', parameters('count'))]" },
      count: { type: 'int', defaultValue: 2 },
      at: { type: 'string', defaultValue: "[utcNow('yyyy')]" },
      id: { type: 'string', defaultValue: '[newGuid()]' },
      note: { type: 'string', nullable: true },
    },
    outputs: {
      name: output("[parameters('NAME')]"),
      at: output("[parameters('at')]"),
      id: output("[parameters('id')]"),
      note: output("[coalesce(parameters('note'), 'none')]"),
    },
  }
  assert.deepEqual(await outputsOf(sections, { prefix: 'a' }), {
    name: 'a-2',
    at: '2026',
    id: '00000000-0000-4000-8000-000000000001',
    note: 'none',
  })
  assert.equal((await outputsOf(sections, { Prefix: 'a', count: 3 })).name, 'a-3')
})

test('a value that is given is never read as an expression', async () => {
  const sections = { parameters: { a: { type: 'string' } }, outputs: { a: output("[parameters('a')]") } }
  assert.deepEqual(await outputsOf(sections, { a: "[fail('evaluated')]" }), { a: "[fail('evaluated')]" })
})

test('printed parameters have the types of Azure, and secrets no values', () => {
  const types = ['string', 'securestring', 'int', 'bool', 'object', 'secureObject', 'array']
  const values: readonly Value[] = ['a', 'secret', 1, true, {}, { key: 'secret' }, []]
  const parameters = Object.fromEntries(types.map((type, index) => [`p${index}`, { type }]))
  const given = Object.fromEntries(values.map((value, index) => [`p${index}`, value]))
  assert.deepEqual(planOf(template({ parameters }), given).parameters, {
    p0: { type: 'String', value: 'a' },
    p1: { type: 'SecureString' },
    p2: { type: 'Int', value: 1 },
    p3: { type: 'Bool', value: true },
    p4: { type: 'Object', value: {} },
    p5: { type: 'SecureObject' },
    p6: { type: 'Array', value: [] },
  })
})

const parameter = (declaration: ObjectValue) => ({ parameters: { p: declaration } })

const wrongParameters: readonly (readonly [
  declaration: ObjectValue,
  value: Value | undefined,
  message: RegExp,
])[] = [
  [{ type: 'string' }, undefined, /The value for the template parameter 'p' is not provided/],
  [{ type: 'string' }, 1, /parameter 'p' is not valid: expected 'String', actual 'Integer'/],
  [{ type: 'int' }, 1.5, /expected 'Integer', actual 'Float'/],
  [{ type: 'bool' }, 'true', /expected 'Boolean', actual 'String'/],
  [{ type: 'object' }, [], /expected 'Object', actual 'Array'/],
  [{ type: 'array' }, null, /expected 'Array', actual 'Null'/],
  [{ type: 'text' }, 'a', /its type must be one of String, SecureString, Int/],
  [{ type: 'string', allowedValues: ['a', 'b'] }, 'c', /not part of the allowed value\(s\): '"a", "b"'/],
  [{ type: 'securestring', allowedValues: ['hush'] }, 'c', /not part of the allowed value\(s\)\. /],
  [{ type: 'array', allowedValues: ['a', 'b'] }, ['a', 'c'], /not part of the allowed/],
  [{ type: 'string', minLength: 3 }, 'ab', /the length must be at least 3/],
  [{ type: 'string', maxLength: 3 }, 'abcd', /the length must be at most 3/],
  [{ type: 'int', minValue: 1 }, 0, /the value must be at least 1/],
  [{ type: 'int', maxValue: 5 }, 6, /the value must be at most 5/],
  [{ $ref: '#/definitions/none' }, 'a', /'#\/definitions\/none' is not a definition of the template/],
  [
    { type: 'object', properties: { a: { type: 'array', items: { type: 'int' } } } },
    { a: [1, 'x'] },
    /not valid at 'p\.a\[1\]': expected 'Integer', actual 'String'/,
  ],
  [
    { type: 'object', properties: { a: { type: 'int' } } },
    {},
    /not valid at 'p\.a': the property is required/,
  ],
  [
    { type: 'object', additionalProperties: false },
    { b: 1 },
    /not valid at 'p\.b': the property is not declared/,
  ],
  [
    {
      type: 'object',
      discriminator: {
        propertyName: 'kind',
        mapping: { hook: { type: 'object', properties: { url: { type: 'string' } } } },
      },
    },
    { kind: 'queue' },
    /not valid at 'p\.kind': the property must be one of 'hook'/,
  ],
  [{ type: 'string', defaultValue: "[parameters('p')]" }, undefined, /'p' depend on one another/],
  [
    { type: 'string', defaultValue: "[variables('v')]" },
    undefined,
    /'variables' is not expected at this location/,
  ],
]

for (const [declaration, value, message] of wrongParameters)
  test(`a parameter ${JSON.stringify(declaration)} that is ${JSON.stringify(value)} is refused: ${message.source}`, () => {
    refuses(parameter(declaration), value === undefined ? {} : { p: value }, message)
  })

test('a refusal of a parameter does not show its value', () => {
  assert.throws(
    () =>
      planOf(template(parameter({ type: 'securestring', maxLength: 3, allowedValues: ['hush'] })), {
        p: 'secret',
      }),
    (error) => error instanceof RequestError && !/secret|hush/.test(error.message),
  )
})

test('a parameter that the template does not declare is refused with those that it does', () => {
  refuses(
    parameter({ type: 'string' }),
    { p: 'a', q: 'b' },
    /'q' in the parameters file are not valid.*template are 'p'/,
  )
})

test('a parameter from a key vault is refused', () => {
  assert.throws(
    () =>
      createPlan({
        template: template(parameter({ type: 'string' })),
        parameters: { p: { reference: { keyVault: { id: '/x' }, secretName: 's' } } },
        name: 'test',
        scope: groupScope(testSubscription, testGroup),
        mode: 'Incremental',
        surroundings: testSurroundings,
      }),
    /'parameters\.p' refers to a secret in a key vault, which this version of Busbar does not have/,
  )
})

test('a property whose type says nothing may be anything, and a parameter may not', () => {
  const type = { type: 'object', properties: { any: {}, list: { type: 'array', items: {} } } }
  planOf(template(parameter(type)), { p: { any: 1, list: [1, 'a', {}] } })
  refuses(parameter({}), { p: 1 }, /its type must be one of/)
})

test('an existing resource may be in another group, and is referred to there', async () => {
  const plan = planOf(
    template({
      languageVersion: '2.0',
      resources: {
        other: topic('a', { existing: true, resourceGroup: 'others' }),
        own: topic('b', { properties: { x: "[reference('other', '2022-06-15', 'full').id]" } }),
      },
    }),
  )
  assert.deepEqual(shortIds(plan), [[`${topics}/b`]])
  assert.deepEqual(await plan.evaluate(plan.resources[0] as never, fakeRuntime), {
    properties: { x: `/subscriptions/${testSubscription}/resourceGroups/others/providers/${topics}/a` },
  })
})

test('a type may refer to itself through a definition', () => {
  const sections = {
    definitions: {
      Tree: { type: 'object', properties: { child: { $ref: '#/definitions/Tree', nullable: true } } },
    },
    ...parameter({ $ref: '#/definitions/Tree' }),
  }
  planOf(template(sections), { p: { child: { child: {} } } })
  refuses(sections, { p: { child: { child: 1 } } }, /at 'p\.child\.child': expected 'Object'/)
})

test('variables may use one another and loops, and are evaluated only when they are asked for', async () => {
  const sections = {
    variables: {
      a: "[concat(variables('b').x, '!')]",
      b: { x: "[variables('list')[1]]" },
      unused: "[fail('asked for')]",
      copy: [{ name: 'list', count: 2, input: "[copyIndex('list', 5)]" }],
      inner: {
        copy: [{ name: 'names', count: 2, input: { name: "[concat('n', copyIndex('names'))]" } }],
        other: 1,
      },
    },
    outputs: { a: output("[variables('A')]"), inner: output("[variables('inner')]", 'object') },
  }
  assert.deepEqual(await outputsOf(sections), {
    a: '6!',
    inner: { names: [{ name: 'n0' }, { name: 'n1' }], other: 1 },
  })
})

test('variables that depend on one another are refused', () => {
  const variables = { a: "[variables('b')]", b: "[variables('a')]" }
  refuses(
    { variables, resources: [topic("[variables('a')]")] },
    {},
    /The template variables 'a, b' depend on one another/,
  )
})

test('a user function sees its own parameters only', async () => {
  const functions = [
    {
      namespace: 'own',
      members: {
        twice: {
          parameters: [{ name: 'x', type: 'string' }],
          output: { type: 'string', value: "[concat(parameters('x'), parameters('x'))]" },
        },
        four: {
          parameters: [{ name: 'x', type: 'string' }],
          output: { type: 'string', value: "[own.twice(own.twice(parameters('x')))]" },
        },
        wrong: { parameters: [], output: { type: 'string', value: "[variables('v')]" } },
        endless: { parameters: [], output: { type: 'string', value: '[own.endless()]' } },
      },
    },
  ]
  assert.deepEqual(await outputsOf({ functions, outputs: { a: output("[OWN.four('ab')]") } }), {
    a: 'abababab',
  })
  const named = (expression: string) => ({ functions, variables: { v: 1 }, resources: [topic(expression)] })
  refuses(named('[own.wrong()]'), {}, /'variables' is not expected at this location/)
  refuses(named('[own.endless()]'), {}, /at most \d+ deep/)
  refuses(
    named('[own.twice(1)]'),
    {},
    /The argument 'x' of the user function 'own\.twice' is not valid: expected 'String'/,
  )
  refuses(named("[own.twice('a', 'b')]"), {}, /takes 1 argument\(s\), and was called with 2/)
  refuses(
    named('[own.thrice()]'),
    {},
    /The template function 'own\.thrice' is not found.*Did you mean 'own.twice'/,
  )
})

test('names of properties may be expressions, and a copy is one only when it looks like one', async () => {
  const plan = planOf(
    template({
      resources: [
        topic('a', {
          identity: { userAssignedIdentities: { "[resourceId('M.I/ids', 'x')]": {} } },
          properties: { copy: 'text' },
        }),
      ],
    }),
  )
  const [resource] = plan.resources
  assert.deepEqual(await plan.evaluate(resource as never, fakeRuntime), {
    identity: {
      userAssignedIdentities: {
        [`/subscriptions/${testSubscription}/resourceGroups/tests/providers/M.I/ids/x`]: {},
      },
    },
    properties: { copy: 'text' },
  })
})

test('where an expression waits for another resource, the preview keeps its text', () => {
  const plan = planOf(
    template({
      parameters: { key: { type: 'securestring' } },
      variables: { url: "[concat('https://', parameters('key'))]" },
      resources: [
        topic('a'),
        topic('b', {
          location: '[resourceGroup().location]',
          tags: { of: "[reference('a').endpoint]", own: "[toUpper('x')]" },
          properties: {
            url: "[variables('url')]",
            copy: [{ name: 'all', count: "[length(reference('a').list)]", input: 1 }],
          },
        }),
      ],
    }),
    { key: 'secret' },
  )
  const b = plan.resources[1]
  assert.equal(b?.location, 'westus2')
  assert.deepEqual(b?.tags, { of: "[reference('a').endpoint]", own: 'X' })
  assert.deepEqual(b?.preview.properties, {
    url: "[variables('url')]",
    all: { count: "[length(reference('a').list)]", input: 1 },
  })
  assert.deepEqual(shortIds(plan)[1], [`${topics}/b`, `${topics}/a`])
})

test('a condition leaves a resource out, and whoever depends on it does not wait', () => {
  const plan = planOf(
    template({
      parameters: { make: { type: 'bool', defaultValue: false } },
      resources: [topic('a', { condition: "[parameters('make')]" }), topic('b', { dependsOn: ['a'] })],
    }),
  )
  assert.deepEqual(shortIds(plan), [[`${topics}/b`]])
})

test('two resources of one id are refused, unless at most one of them is wanted', () => {
  const twice = (condition: Value) => ({ resources: [topic('a'), topic('A', { condition })] })
  planOf(template(twice(false)))
  refuses(twice(true), {}, /is defined multiple times in a template: it is also at 'resources\[0\]'/)
})

test('what an expression refers to in a branch that may not be taken is waited for as well', () => {
  const plan = planOf(
    template({
      resources: [
        topic('a'),
        topic('b'),
        topic('c'),
        topic('d', {
          properties: {
            x: "[if(equals(reference('a').x, 1), reference('b').x, listKeys('c', '2022-06-15').key1)]",
          },
        }),
        topic('e', { properties: { x: "[if(true(), 1, reference('a').x)]" } }),
      ],
    }),
  )
  assert.deepEqual(shortIds(plan).slice(3), [
    [`${topics}/d`, `${topics}/a`, `${topics}/b`, `${topics}/c`],
    [`${topics}/e`],
  ])
})

test('a circle of resources is refused with the whole circle', () => {
  const resources = [
    topic('z'),
    topic('a', { dependsOn: ['c'] }),
    topic('b', { properties: { x: "[reference('a').x]" } }),
    topic('c', { dependsOn: ['b'] }),
  ]
  refuses(
    { resources },
    {},
    /Circular dependency detected on resource: '[^']*\/a' \(\S+\/a -> \S+\/c -> \S+\/b -> \S+\/a\)/,
    'InvalidTemplateCircularDependency',
  )
})

test('serial loops deploy batch after batch', () => {
  const loop = { name: 'all', count: 5, mode: 'Serial', batchSize: 2 }
  const plan = planOf(template({ resources: [topic("[concat('t', copyIndex())]", { copy: loop })] }))
  assert.deepEqual(
    shortIds(plan).map((ids) => ids.map((id) => id.at(-1)).join('')),
    ['0', '1', '201', '301', '423'],
  )
  assert.deepEqual(plan.resources[4]?.copy, { name: 'all', index: 4, count: 5, batchSize: 2 })
})

test('a loop of no iterations makes nothing', () => {
  assert.deepEqual(
    shortIds(planOf(template({ resources: [topic('a', { copy: { name: 'l', count: 0 } })] }))),
    [],
  )
})

test('the deployed resources are asked once for everything that is known to be wanted, and not for what is not', async () => {
  const asked: string[][] = []
  let round: string[] = []
  const runtime: Runtime = {
    async reference(id) {
      if (round.length === 0) queueMicrotask(() => (asked.push(round.toSorted()), (round = [])))
      round.push(id.slice(id.lastIndexOf('/') + 1))
      return { x: 1, next: `${id}x` }
    },
    list: async () => null,
  }
  const outputs = {
    a: output("[add(reference('a').x, reference('b').x)]", 'int'),
    b: output("[if(equals(reference('a').x, 1), 'yes', string(reference('c').x))]"),
    c: output("[reference(reference('b').next).x]", 'int'),
    d: { ...output("[reference('c').x]"), condition: false },
  }
  const found = await outputsOf({ resources: [topic('a'), topic('b'), topic('c')], outputs }, {}, runtime)
  assert.deepEqual(found, { a: 2, b: 'yes', c: 1 })
  assert.deepEqual(asked, [['a', 'b'], ['bx']])
})

test('reference has the api-version of the template, and the id of a name', async () => {
  const asked: unknown[] = []
  const runtime: Runtime = {
    reference: async (...question) => (asked.push(question), {}),
    list: async (...question) => (asked.push(question), {}),
  }
  const id = `/subscriptions/${testSubscription}/resourceGroups/tests/providers/${topics}/a`
  const outputs = {
    a: output("[reference('a')]", 'object'),
    b: output("[reference(resourceId('Microsoft.EventGrid/topics', 'a'), '2020-01-01', 'full')]", 'object'),
    c: output("[listKeys('Microsoft.EventGrid/topics/a', '2020-01-01', createObject('x', 1))]", 'object'),
    d: output("[reference('/elsewhere')]", 'object'),
  }
  await outputsOf({ resources: [topic('a')], outputs }, {}, runtime)
  assert.deepEqual(asked, [
    [id, '2022-06-15', false],
    [id, '2020-01-01', true],
    [id, 'listKeys', '2020-01-01', { x: 1 }],
    ['/elsewhere', undefined, false],
  ])
})

test('an output that cannot be evaluated is refused by its name, and so is one of the wrong type', async () => {
  const fails = (value: Value, type: string, message: RegExp) =>
    assert.rejects(outputsOf({ outputs: { o: output(value, type) } }), (error) => {
      assert.ok(error instanceof RequestError)
      assert.equal(error.code, 'DeploymentOutputEvaluationFailed')
      assert.match(error.message, message)
      return true
    })
  await fails("[add(1, 'a')]", 'int', /output at 'outputs\.o\.value' is not valid: .*'add': argument 2/)
  await fails(1, 'string', /'outputs\.o': expected 'String', actual 'Integer'/)
})

test('a property that cannot be evaluated once the resources are there is refused by its path', async () => {
  const resource = topic('b', { properties: { list: [{ x: "[reference('a').missing]" }] } })
  const plan = planOf(template({ resources: [topic('a'), resource] }))
  await assert.rejects(
    plan.evaluate(plan.resources[1] as never, fakeRuntime),
    /resource '\/subscriptions\/.*\/b' at 'resources\[1\]\.properties\.list\[0\]\.x': .*'missing' doesn't exist/,
  )
})

test('ids follow the scope: group, subscription, management group, tenant, extension', () => {
  const idsAt = (kind: string, scope: Parameters<typeof createPlan>[0]['scope'], resource: ObjectValue) =>
    planOf({ $schema: schema(kind), contentVersion: '1.0.0.0', resources: [resource] }, {}, { scope })
      .resources[0]?.id
  const role = { type: 'Microsoft.Authorization/roleAssignments', apiVersion: '2022-04-01', name: 'r' }
  const end = '/providers/Microsoft.Authorization/roleAssignments/r'
  const group = `/subscriptions/${testSubscription}/resourceGroups/tests`
  assert.equal(idsAt('deploymentTemplate', groupScope(testSubscription, 'tests'), role), group + end)
  assert.equal(
    idsAt('deploymentTemplate', groupScope(testSubscription, 'tests'), { ...role, scope: `${topics}/a` }),
    `${group}/providers/${topics}/a${end}`,
  )
  assert.equal(
    idsAt('deploymentTemplate', groupScope(testSubscription, 'tests'), {
      ...role,
      scope: '/subscriptions/other/',
    }),
    `/subscriptions/other${end}`,
  )
  const atSubscription = subscriptionScope(testSubscription)
  assert.equal(
    idsAt('subscriptionDeploymentTemplate', atSubscription, role),
    `/subscriptions/${testSubscription}${end}`,
  )
  assert.equal(
    idsAt('managementGroupDeploymentTemplate', managementGroupScope('m'), role),
    `/providers/Microsoft.Management/managementGroups/m${end}`,
  )
  assert.equal(idsAt('tenantDeploymentTemplate', tenantScope, role), end)
})

test('a nested deployment in the outer scope has the names of the template around it, and in the inner its own', () => {
  const nested = (scope: string, value: string): ObjectValue => ({
    type: 'Microsoft.Resources/deployments',
    apiVersion: '2022-09-01',
    name: `nested${scope}`,
    properties: {
      mode: 'Incremental',
      expressionEvaluationOptions: { scope },
      template: template({ variables: { v: 'inner' }, resources: [topic(value)] }),
    },
  })
  const plan = planOf(
    template({
      variables: { v: 'outer' },
      resources: [nested('outer', "[variables('v')]"), nested('inner', "[variables('v')]")],
    }),
  )
  const inner = plan.resources.map(({ nested: each }) => shortIds(each?.preview as never))
  assert.deepEqual(inner, [[[`${topics}/outer`]], [[`${topics}/inner`]]])
})

test('a nested deployment whose parameters wait for a resource is planned when that is there', async () => {
  const plan = planOf(
    template({
      resources: [
        topic('a'),
        {
          type: 'Microsoft.Resources/deployments',
          apiVersion: '2022-09-01',
          name: 'later',
          properties: {
            mode: 'Complete',
            expressionEvaluationOptions: { scope: 'inner' },
            parameters: { url: { value: "[reference('a').endpoint]" } },
            template: template({
              parameters: { url: { type: 'string' } },
              resources: [topic("[replace(parameters('url'), 'https://', '')]")],
            }),
          },
        },
      ],
    }),
  )
  const later = plan.resources[1]
  assert.deepEqual(shortIds(plan)[1], ['Microsoft.Resources/deployments/later', `${topics}/a`])
  assert.equal(later?.nested?.mode, 'Complete')
  assert.equal(later?.nested?.preview, undefined)
  assert.deepEqual(shortIds((await later?.nested?.open(fakeRuntime)) as never), [[`${topics}/a.example`]])
})

test('a template may be nested as deep as the limit, and no deeper', () => {
  const nested = (depth: number): ObjectValue =>
    template({
      resources:
        depth === 0
          ? [topic('a')]
          : [
              {
                type: 'Microsoft.Resources/deployments',
                apiVersion: '2022-09-01',
                name: 'n',
                properties: { mode: 'Incremental', template: nested(depth - 1) },
              },
            ],
    })
  planOf(nested(templateLimits.nestedTemplateDepth))
  assert.throws(
    () => planOf(nested(templateLimits.nestedTemplateDepth + 1)),
    /Templates may be nested 8 deep/,
  )
})

test('deployment() and environment() say where the template is deployed', async () => {
  const outputs = {
    name: output('[deployment().name]'),
    location: output('[deployment().location]'),
    version: output('[deployment().properties.template.contentVersion]'),
    mode: output('[deployment().properties.mode]'),
    secret: output("[contains(deployment().properties.parameters.p, 'value')]", 'bool'),
    suffix: output('[environment().suffixes.storage]'),
  }
  const found = await outputsOf({ ...parameter({ type: 'securestring' }), outputs }, { p: 'x' })
  assert.deepEqual(found, {
    name: 'test',
    location: 'westus2',
    version: '1.0.0.0',
    mode: 'Incremental',
    secret: false,
    suffix: 'core.example',
  })
})

const many = (count: number, make: (index: number) => Value) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, make(index)]))

const wrongTemplates: readonly (readonly [
  what: string,
  sections: ObjectValue,
  message: RegExp,
  code?: string,
])[] = [
  [
    'of another scope',
    { $schema: schema('subscriptionDeploymentTemplate') },
    /is for deployments to a subscription; this is a deployment to a resource group/,
  ],
  [
    'with an unknown schema',
    { $schema: 'https://x/y.json' },
    /schema 'https:\/\/x\/y.json' is not supported/,
  ],
  ['without a schema', { $schema: null }, /must have a '\$schema'/],
  [
    'with an unknown section',
    { resource: [] },
    /Could not find member 'resource' on object of type 'Template'.*Did you mean 'resources'\?/,
  ],
  ['with a wrong content version', { contentVersion: 'one' }, /'contentVersion' must be a version/],
  [
    'with an unknown language version',
    { languageVersion: '3.0' },
    /'languageVersion' must be '1.0' or '2.0'/,
  ],
  [
    'with symbolic names in the old language',
    { resources: {} },
    /may be an Object only when the 'languageVersion' is '2.0'/,
  ],
  [
    'with an unknown member of a resource',
    { resources: [topic('a', { propertes: {} })] },
    /Could not find member 'propertes' on object of type 'TemplateResource'. Path 'resources\[0\]\.propertes'\..*Did you mean 'properties'\?/,
  ],
  [
    'with a resource without a type',
    { resources: [{ name: 'a', apiVersion: '1' }] },
    /'resources\[0\]' must have a 'type' that is a String/,
  ],
  [
    'with too few names',
    { resources: [{ type: 'Microsoft.EventGrid/domains/topics', name: 'a', apiVersion: '1' }] },
    /'a' for type 'Microsoft.EventGrid\/domains\/topics' at 'resources\[0\]' has incorrect segment lengths/,
  ],
  [
    'with an unknown dependency',
    { resources: [topic('a', { dependsOn: ['b'] })] },
    /The resource 'b' that '.*\/a' depends on is not defined in the template/,
  ],
  [
    'with a dependency that is no text',
    { resources: [topic('a', { dependsOn: [1] })] },
    /'resources\[0\]\.dependsOn\[0\]' must be a String/,
  ],
  [
    'with a reference to nothing',
    { resources: [topic('ab', { properties: { x: "[reference('ac').x]" } })] },
    /'ac' is not valid: could not find template resource.*Did you mean 'ab'\?/,
  ],
  [
    'with a reference in a name',
    { resources: [topic("[reference('a').x]")] },
    /'reference' is not expected at this location/,
  ],
  [
    'with a reference in a condition',
    { resources: [topic('a', { condition: "[equals(reference('a').x, 1)]" })] },
    /'reference' is not expected at this location/,
  ],
  [
    'with utcNow outside a default',
    { resources: [topic('[utcNow()]')] },
    /'utcNow' is not expected at this location/,
  ],
  [
    'with copyIndex outside a loop',
    { resources: [topic("[concat('a', copyIndex())]")] },
    /'copyIndex' is not expected at this location/,
  ],
  [
    'with a loop that is too long',
    { resources: [topic('a', { copy: { name: 'l', count: 801 } })] },
    /count of a copy must be an Integer from 0 to 800; it is 801/,
  ],
  [
    'with a loop of an unknown mode',
    { resources: [topic('a', { copy: { name: 'l', count: 1, mode: 'odd' } })] },
    /'mode' of a copy must be 'Parallel' or 'Serial'/,
  ],
  [
    'with a condition that is no truth value',
    { resources: [topic('a', { condition: 1 })] },
    /'resources\[0\]\.condition' must be a Boolean; it is of type 'Integer'/,
  ],
  [
    'with a linked template',
    {
      resources: [
        {
          type: 'Microsoft.Resources/deployments',
          name: 'n',
          apiVersion: '1',
          properties: { mode: 'Incremental', templateLink: { uri: 'x' } },
        },
      ],
    },
    /must be fetched at 'resources\[0\]\.properties\.templateLink' is not supported/,
    'InvalidContentLink',
  ],
  [
    'with a nested deployment without a template',
    {
      resources: [
        {
          type: 'Microsoft.Resources/deployments',
          name: 'n',
          apiVersion: '1',
          properties: { mode: 'Incremental' },
        },
      ],
    },
    /must have a 'template'/,
  ],
  [
    'with an existing resource without a symbol',
    { resources: [topic('a', { existing: true })] },
    /may be 'existing' only when it has a symbolic name/,
  ],
  ['with one name twice', { variables: { a: 1, A: 2 } }, /'A' is used twice/],
  [
    'with too many parameters',
    { parameters: many(257, () => ({ type: 'string', defaultValue: '' })) },
    /template parameters limit exceeded. Limit: 256 and actual: 257/,
  ],
  [
    'with too many variables',
    { variables: many(257, () => 1) },
    /template variables limit exceeded. Limit: 256 and actual: 257/,
  ],
  [
    'with too many outputs',
    { outputs: many(65, () => output('a')) },
    /template outputs limit exceeded. Limit: 64 and actual: 65/,
  ],
  [
    'with too many resources',
    { resources: [topic("[concat('a', copyIndex())]", { copy: { name: 'l', count: 800 } }), topic('b')] },
    /template resources limit exceeded. Limit: 800/,
  ],
  [
    'with variables that double',
    {
      variables: {
        v0: "[padLeft('', 1000)]",
        ...Object.fromEntries(
          Array.from({ length: 40 }, (_, index) => [
            `v${index + 1}`,
            [`[variables('v${index}')]`, `[variables('v${index}')]`],
          ]),
        ),
      },
      resources: [topic('a', { properties: { v: "[variables('v40')]" } })],
    },
    /may have at most \d+/,
  ],
]

for (const [what, sections, message, code] of wrongTemplates)
  test(`a template ${what} is refused: ${message.source}`, () => {
    refuses(sections, {}, message, code)
  })

test('a template that is no object is refused', () => {
  assert.throws(() => planOf([] as Value), /The template must be an Object; it is of type 'Array'/)
})

test('the largest template is planned in a moment', () => {
  const resources = [
    topic("[concat('a', copyIndex())]", { copy: { name: 'a', count: 400 } }),
    topic("[concat('b', copyIndex())]", {
      copy: { name: 'b', count: 400, mode: 'serial' },
      dependsOn: ['a'],
    }),
  ]
  const before = performance.now()
  const plan = planOf(template({ resources }))
  assert.equal(plan.resources.length, 800)
  assert.ok(performance.now() - before < 5_000)
})
