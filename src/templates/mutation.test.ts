import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { RequestError } from '../base/errors.ts'
import { createRandom } from '../testing/random.ts'
import { fakeRuntime, planOf, testGroup, testSubscription } from '../testing/templates.ts'
import { templateFunctions } from './functions/index.ts'
import { isObject, type ObjectValue } from './language/value.ts'
import { groupScope, subscriptionScope } from './surroundings.ts'

const folder = join(import.meta.dirname, 'examples')
const examples = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))

const atoms = [
  "''",
  "'a'",
  "'A.B/c'",
  "'/x/y'",
  "'P1D'",
  "'{0}'",
  '1',
  '-5',
  '999999',
  "parameters('endpoint')",
  "variables('templates')",
  'copyIndex()',
  "lambda('a', lambdaVariables('a'))",
  'createArray()',
  'createObject()',
  'null()',
]

const given: ObjectValue = {
  endpoint: 'https://hooks.example/',
  hubName: 'plant',
  domainName: 'crm',
  namespaceName: 'plant',
  hooks: [{ name: 'one', url: 'https://one.example' }],
}

type Random = ReturnType<typeof createRandom>

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random.below(items.length)] as Item

function expression(random: Random, depth: number): string {
  if (depth === 0 || random.chance(0.25)) return pick(random, atoms)
  const { name, least, most } = pick(random, templateFunctions)
  const args = Array.from({ length: Math.min(most, least + random.below(2)) }, () =>
    expression(random, depth - 1),
  )
  const end = random.chance(0.2) ? pick(random, ['.a', '[0]', "['x']", '[-1]']) : ''
  return `${name.replace('*', 'Keys')}(${args.join(', ')})${end}`
}

function anything(random: Random): unknown {
  if (random.chance(0.5)) return `[${expression(random, 1 + random.below(4))}]`
  return pick(random, [
    null,
    1,
    '',
    '[x]',
    [],
    {},
    true,
    [1],
    { name: 'l', count: 3, mode: 'serial' },
    { copy: [{ name: 'a', count: `[${expression(random, 1)}]`, input: `[${expression(random, 2)}]` }] },
  ])
}

/** One member somewhere in the template becomes something else, or goes. */
function mutate(random: Random, template: object): void {
  const places: [object, string][] = []
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, member] of Object.entries(value)) {
      places.push([value, name])
      walk(member)
    }
  }
  walk(template)
  const [object, name] = pick(random, places)
  if (random.chance(0.2) && !Array.isArray(object)) Reflect.deleteProperty(object, name)
  else Reflect.set(object, name, anything(random))
}

async function deployAll(template: ObjectValue): Promise<void> {
  const { parameters } = template
  const declared = isObject(parameters) ? parameters : {}
  const values = Object.fromEntries(Object.entries(given).filter(([name]) => name in declared))
  const isSubscription = JSON.stringify(template.$schema ?? '').includes('subscription')
  const scope = isSubscription ? subscriptionScope(testSubscription) : groupScope(testSubscription, testGroup)
  const plan = planOf(template, values, { scope })
  for (const resource of plan.resources) await plan.evaluate(resource, fakeRuntime)
  await plan.outputs(fakeRuntime)
}

test('whatever is changed in a template, it is deployed or refused', async () => {
  const random = createRandom(1)
  let deployed = 0
  for (let count = 0; count < 1_000; count++) {
    const template = JSON.parse(pick(random, examples)) as ObjectValue
    for (let changes = 1 + random.below(3); changes > 0; changes--) mutate(random, template)
    try {
      await deployAll(template)
      deployed++
    } catch (error) {
      assert.ok(error instanceof RequestError, `${JSON.stringify(template)}\n${(error as Error).stack}`)
    }
  }
  assert.ok(deployed > 50, `${deployed} of 1000 are deployed`)
})
