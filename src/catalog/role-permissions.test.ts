import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRole } from './role-permissions.ts'

const permission = (actions: readonly string[], notActions: readonly string[] = []) => ({
  actions,
  notActions,
  dataActions: [],
  notDataActions: [],
})

for (const [pattern, permitted, not] of [
  ['*', ['microsoft.eventgrid/topics/read', 'x'], []],
  ['*/read', ['microsoft.eventgrid/topics/read', 'a/read'], ['read', 'a/read/action', 'a/write']],
  [
    'Microsoft.EventGrid/*',
    ['microsoft.eventgrid/topics/read'],
    ['microsoft.eventgrid', 'microsoft.eventgridx/a'],
  ],
  [
    'Microsoft.EventGrid/*/read',
    ['microsoft.eventgrid/topics/read', 'microsoft.eventgrid/a/b/read'],
    ['microsoft.eventgrid/read'],
  ],
  ['a/*b*b/action', ['a/bb/action', 'a/xbxbxb/action'], ['a/b/action', 'a/bb', 'a/bb/action/more']],
  ['ab*ba', ['abba', 'abxba'], ['aba', 'ab', 'ba']],
  [
    'Microsoft.EventGrid/Topics/Read',
    ['microsoft.eventgrid/topics/read'],
    ['microsoft.eventgrid/topics/readx'],
  ],
] as const)
  test(`the action ${pattern} permits what it matches from end to end, in any letter case`, () => {
    const { allows, allowsData } = compileRole([permission([pattern])])
    for (const action of permitted) assert.equal(allows(action), true, action)
    for (const action of not) assert.equal(allows(action), false, action)
    assert.equal(allowsData(permitted[0]), false, 'an action is no data action')
  })

test('what one permission of a role excepts, another may still permit', () => {
  const contributor = permission(['*'], ['Microsoft.Authorization/*/Write'])
  assert.equal(compileRole([contributor]).allows('microsoft.authorization/roleassignments/write'), false)
  const { allows } = compileRole([contributor, permission(['Microsoft.Authorization/locks/write'])])
  assert.equal(allows('microsoft.authorization/locks/write'), true)
  assert.equal(allows('microsoft.authorization/roleassignments/write'), false)
  assert.equal(compileRole([]).allows('a'), false)
})

test('a pattern made of wildcards costs no more than the action is long', () => {
  const { allows } = compileRole([permission([`${'a*'.repeat(250)}b`])])
  assert.equal(allows('a'.repeat(100_000)), false)
  assert.equal(allows(`${'a'.repeat(100_000)}b`), true)
})
