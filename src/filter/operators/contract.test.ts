import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import type { AdvancedFilter } from '../filter.ts'
import type { Operator } from '../operator.ts'
import { operators } from './index.ts'

const shelf: readonly [string, Operator][] = Object.entries(operators)

/** Settings as the wire would bring them for an operator of that name. */
function settingsFor(operatorType: string): AdvancedFilter {
  const settings = { operatorType, key: 'data.key' }
  if (operatorType.startsWith('Is')) return settings
  if (operatorType === 'BoolEquals') return { ...settings, value: true }
  if (operatorType.endsWith('Range')) return { ...settings, values: [[1, 2]] }
  if (operatorType.startsWith('String')) return { ...settings, values: ['Value'] }
  return operatorType.endsWith('In') ? { ...settings, values: [1] } : { ...settings, value: 1 }
}

test('the shelf holds the nineteen operators that are documented', () => {
  assert.equal(shelf.length, 19)
})

test('every file of the shelf is in its index', () => {
  const files = readdirSync(import.meta.dirname).filter((name) => /^(?!index|contract).*\.ts$/.test(name))
  assert.deepEqual(
    files.toSorted((a, b) => a.localeCompare(b)),
    shelf
      .map(([name]) => `${name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase()}.ts`)
      .toSorted((a, b) => a.localeCompare(b)),
  )
})

for (const [name, operator] of shelf) {
  test(`${name} decides for every value of its kind, and only by the value`, () => {
    const made = operator(settingsFor(name))
    const samples = {
      string: ['value', ''],
      number: [0, 1, 3],
      boolean: [true, false],
      presence: [true, false],
    }
    const ask = made.test as (value: unknown) => boolean
    for (const value of samples[made.kind]) {
      const answer = ask(value)
      assert.equal(typeof answer, 'boolean')
      assert.equal(ask(value), answer)
    }
    assert.equal(new Set(samples[made.kind].map(ask)).size, 2, 'some values pass and some do not')
  })

  test(`${name} asks every element of an array exactly when it is negative`, () => {
    const made = operator(settingsFor(name))
    if (made.kind === 'presence') return
    assert.equal(made.array, name.includes('Not') ? 'every' : 'some')
  })
}
