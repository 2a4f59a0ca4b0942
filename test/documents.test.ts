import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import packageJson from '../package.json' with { type: 'json' }
import { commands } from '../src/cli/commands/index.ts'
import { settings } from '../src/config.ts'
import { limitTable } from '../src/limits.ts'
import { mqttFeatures, mqttLimits } from '../src/mqtt/limits.ts'
import { roleDefinitions } from '../src/resources/role-definitions.ts'

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

test('docs/mqtt.md has a row for every limit and feature with what both profiles have', () => {
  const page = read('docs/mqtt.md')
  for (const table of [mqttLimits, mqttFeatures])
    for (const [name, open] of Object.entries(table.open)) {
      const strict = Object.entries(table.strict).find(([other]) => other === name)?.[1]
      assert.ok(page.includes(`| \`${name}\` | ${open} | ${strict} |`), `${name} has no row`)
    }
})

test('docs/command-line.md has every command', () => {
  const page = read('docs/command-line.md')
  for (const name of Object.keys(commands)) assert.ok(page.includes(`busbar ${name}`), `${name} is missing`)
})

test('docs/roles.md has a row for every built-in role, with its id', () => {
  const rows = read('docs/roles.md').split('\n')
  for (const { roleName, name } of roleDefinitions)
    assert.ok(
      rows.some((line) => line.startsWith(`| ${roleName} | \`${name}\` |`)),
      `${roleName} has no row`,
    )
})

test('docs/metrics.md has a row for every metric', () => {
  const page = read('docs/metrics.md')
  const sources = readdirSync(new URL('../src', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => read(`src/${name}`))
  const names = sources.flatMap((source) => source.match(/(?<=')(busbar|process|nodejs)_[a-z_]+(?=')/g) ?? [])
  assert.ok(names.length > 25)
  for (const name of names) assert.ok(page.includes(`\`${name}\``), `${name} has no row`)
})

test('every runtime dependency has its page in docs/decisions/, and every page is listed', () => {
  const names = readdirSync(new URL('../docs/decisions', import.meta.url))
  const pages = names.filter((name) => name !== 'README.md')
  const list = read('docs/decisions/README.md')
  for (const page of pages) assert.ok(list.includes(`(${page})`), `${page} is not listed`)
  const text = pages.map((page) => read(`docs/decisions/${page}`)).join('\n')
  for (const name of Object.keys(packageJson.dependencies))
    assert.ok(text.includes(name), `${name} has no page`)
})

test('no npm script counts on a pre or post script, which npm leaves out together with install scripts', () => {
  const scripts: Readonly<Record<string, string>> = packageJson.scripts
  for (const name of Object.keys(scripts))
    for (const prefix of ['pre', 'post']) assert.equal(scripts[prefix + name], undefined, `${prefix}${name}`)
  for (const name of ['start', 'test', 'check'])
    assert.match(scripts[name] ?? '', /^node scripts\/bootstrap\.mjs && /)
})
