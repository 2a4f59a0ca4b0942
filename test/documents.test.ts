import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { settings } from '../src/config.ts'
import { limitTable } from '../src/limits.ts'

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')

test('docs/configuration.md has a row for every setting with its flag, variable, key and default', () => {
  const rows = read('docs/configuration.md').split('\n')
  for (const [name, setting] of Object.entries(settings)) {
    const { flag, variable } = setting
    const row = rows.find((line) => line.startsWith(`| \`${flag}`) && line.includes(`\`${variable}\``))
    assert.ok(row, `${flag} has no row`)
    if (name !== 'config') assert.ok(row.includes(`\`${name}\``), `${flag}: the key ${name} is missing`)
    if ('default' in setting) assert.ok(row.includes(`| \`${setting.default}\` |`), `${flag}: the default`)
  }
})

test('docs/configuration.md has a row for every limit with its default', () => {
  const rows = read('docs/configuration.md').split('\n')
  for (const [name, limit] of Object.entries(limitTable))
    assert.ok(
      rows.some((line) => line.startsWith(`| \`${name}\` | ${limit.default} |`)),
      `${name} has no row`,
    )
})
