import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExpressionFault } from '../errors.ts'
import { templateLimits } from '../limits.ts'
import { ExpressionReader } from './parse.ts'

const read = (text: string) => new ExpressionReader().read(text)

test('a string is an expression from [ to ], and two brackets in front make it a text', () => {
  assert.equal(read("[concat('a')]").kind, 'expression')
  assert.deepEqual(read('[[concat()]'), { kind: 'text', text: '[concat()]' })
  for (const text of ['', 'a', '[', '[]', '[a', 'a]', ' [a()]', '[[a'])
    assert.deepEqual(read(text), { kind: 'text', text }, text)
})

test('calls, members, indexes, numbers, and texts with doubled quotes are read', () => {
  const access = (of: unknown, value: unknown) => ({ kind: 'access', of, key: { kind: 'literal', value } })
  const call = { kind: 'call', namespace: undefined, name: 'f', args: [{ kind: 'literal', value: "it's" }] }
  const found = read("[ f('it''s') . a [ -1 ]\n['b c'] ]")
  assert.deepEqual(found, { kind: 'expression', node: access(access(access(call, 'a'), -1), 'b c') })
})

test('a function of the template has a namespace', () => {
  const found = read('[contoso.unique(1.5, g())]')
  assert.ok(found.kind === 'expression' && found.node.kind === 'call')
  assert.equal(found.node.namespace, 'contoso')
  assert.deepEqual(
    found.node.args.map(({ kind }) => kind),
    ['literal', 'call'],
  )
})

test('each different string is read once', () => {
  const reader = new ExpressionReader()
  assert.equal(reader.read('[f()]'), reader.read('[f()]'))
})

const wrong: readonly (readonly [text: string, says: RegExp])[] = [
  ['[f(]', /expected a function, a string or a number, and came to the end of the expression/],
  ['[f(1]', /expected '\)', and came to the end/],
  ['[f(1 2)]', /expected '\)', and came to '2' at position 6/],
  ['[f() g()]', /expected the end of the expression, and came to 'g' at position 6/],
  ['[f]', /expected '\(' after 'f': functions are called, and text stands between single quotes/],
  ['[f().1]', /expected a property name after the dot, and came to '1'/],
  ['[f()[0]', /expected '\]'/],
  ['["a"]', /'"' at position 2 is not expected/],
  ["['a]", /a string that does not end at position 2/],
  ['[f(,)]', /expected a function, a string or a number, and came to ','/],
  ['[99999999999999999999]', /expected an integer of at most 53 bits/],
  ['[1a]', /'1' at position 2 is not expected/],
]

for (const [text, says] of wrong)
  test(`${text} is refused: ${says.source}`, () => {
    assert.throws(
      () => read(text),
      (error) => error instanceof ExpressionFault && says.test(error.message),
    )
  })

test('an expression may be as long as the limit, and no longer', () => {
  const long = (length: number) => `['${'a'.repeat(length - 4)}']`
  read(long(templateLimits.expressionCharacters))
  assert.throws(
    () => read(long(templateLimits.expressionCharacters + 1)),
    /has 24577 characters; the limit is 24576/,
  )
})

test('calls may nest as deep as the limit, and no deeper, and so may accesses in a row', () => {
  const nested = (depth: number) => `[${'f('.repeat(depth)}1${')'.repeat(depth)}]`
  read(nested(templateLimits.expressionDepth))
  assert.throws(() => read(nested(templateLimits.expressionDepth + 1)), /at most 100 calls/)
  assert.throws(() => read(nested(8_000)), /at most 100 calls/)
  assert.throws(() => read(`[f()${'.a'.repeat(101)}]`), /at most 100 accesses in a row/)
})
