import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { compatibilityDocument, documentUrl } from './document.ts'
import { sections } from './sections/index.ts'
import { createWorld } from './world.ts'

/*
 * Each documented rule of Azure Event Grid is a case here, and a row of docs/compatibility.md.
 */

const world = await createWorld({ after })

for (const { title, rules } of sections)
  describe(title, () => {
    for (const { rule, check } of rules) if (check) test(rule, (t) => check(t, world))
  })

test('every rule is proved, by a case of its own or by another test that is there', () => {
  const all = sections.flatMap(({ rules }) => rules)
  for (const { rule, check, provedBy = [], status = 'works', note } of all) {
    assert.ok(check || provedBy.length > 0, `nothing proves: ${rule}`)
    for (const [file, name] of provedBy) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
      assert.ok(text.includes(name), `${file} has no test '${name}'`)
    }
    assert.ok(status === 'works' || note !== undefined, `how is not said: ${rule}`)
  }
  const rules = all.map(({ rule }) => rule)
  assert.deepEqual(
    rules.filter((rule, index) => rules.indexOf(rule) !== index),
    [],
  )
})

test('docs/compatibility.md is what the suite says: npm run compatibility', () => {
  assert.equal(readFileSync(documentUrl, 'utf8'), compatibilityDocument())
})
