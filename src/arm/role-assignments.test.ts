import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { startControlPlane, subscription, topicPath } from '../testing/control-plane.ts'

const principalId = '0f9e8d7c-6b5a-4a39-8271-605f4e3d2c1b'
const roleId = (name: string) => `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${name}`
const sender = roleId('d5a91429-5739-47e2-a06b-3470a27159e7')
const reader = roleId('acdd72a7-3385-48ef-bd42-f606fba81ae7')
const sendAction = 'Microsoft.EventGrid/events/send/action'
const assignments = (scope: string) => `${scope}/providers/Microsoft.Authorization/roleAssignments`
const group = '/resourceGroups/rg'

async function start(t: TestContext) {
  const server = await startControlPlane(t)
  await server.makeTopic()
  const assign = (scope: string, properties: Record<string, unknown> = {}, name: string = randomUUID()) =>
    server.call('PUT', `${assignments(scope)}/${name}`, {
      properties: { roleDefinitionId: sender, principalId, ...properties },
    })
  const maySend = (id = subscription + topicPath, principal = principalId) =>
    server.catalog.permits([principal], sendAction, id)
  return { ...server, assign, maySend }
}

test('a role counts on its scope and below it, in any letter case, and nowhere else', async (t) => {
  const { assign, maySend } = await start(t)
  assert.equal(maySend(), false)
  assert.equal((await assign(group)).status, 201)
  assert.equal(maySend(), true)
  assert.equal(maySend((subscription + topicPath).toUpperCase(), principalId.toUpperCase()), true)
  assert.equal(
    maySend(`${subscription}/resourceGroups/rg2/providers/Microsoft.EventGrid/topics/orders`),
    false,
  )
  assert.equal(maySend(subscription), false)
  assert.equal(maySend(undefined, randomUUID()), false)
})

test('of two roles that permit the same, each counts until it is removed', async (t) => {
  const { call, assign, maySend } = await start(t)
  const [one, two] = [randomUUID(), randomUUID()]
  await assign(topicPath, {}, one)
  await assign('', {}, two)
  assert.equal((await call('DELETE', `${assignments(topicPath)}/${one}`)).status, 200)
  assert.equal(maySend(), true)
  const deleted = await call('DELETE', `${assignments('')}/${two.toUpperCase()}`)
  assert.deepEqual([deleted.status, deleted.body.name], [200, two])
  assert.equal(maySend(), false)
  assert.equal((await call('DELETE', `${assignments('')}/${two}`)).status, 204)
})

test('a role that does not permit to send, does not', async (t) => {
  const { assign, maySend } = await start(t)
  await assign(topicPath, { roleDefinitionId: reader })
  assert.equal(maySend(), false)
})

test('roles go with what they are assigned on, and do not come back with another of its name', async (t) => {
  const { call, assign, maySend, makeTopic } = await start(t)
  await assign(group)
  await assign(topicPath)
  await call('DELETE', topicPath)
  await makeTopic()
  assert.equal(maySend(), true, 'that of the group')
  await call('DELETE', group)
  await makeTopic()
  assert.equal(maySend(), false)
  assert.deepEqual((await call('GET', assignments(group))).body.value, [])
})

test('a list holds what is above, on and below its scope, a page at a time, or what the filter asks for', async (t) => {
  const { call, raw, assign } = await start(t)
  const scopes = ['', group, topicPath]
  const names = ['1', '2', '3'].map((digit) => `${digit}0000000-0000-4000-8000-000000000000`)
  for (const [index, scope] of scopes.entries()) await assign(scope, {}, names[index])
  const list = async (scope: string, query = '') =>
    (await call('GET', assignments(scope) + query)).body.value.map(({ name }: { name: string }) => name)
  for (const scope of scopes) assert.deepEqual(await list(scope), names)
  assert.deepEqual(await list(group, '?$filter=atScope()'), names.slice(0, 2))
  assert.deepEqual(await list('', '?$filter=atScope()'), names.slice(0, 1))
  const asked = encodeURIComponent(`atScope() and assignedTo('${principalId.toUpperCase()}')`)
  assert.deepEqual(await list(topicPath, `?$filter=${asked}`), names)
  assert.deepEqual(await list('', `?$filter=principalId eq '${randomUUID()}'`), [])
  const seen = []
  let page = await call('GET', `${assignments(group)}?$top=1`)
  for (;;) {
    seen.push(...page.body.value.map(({ name }: { name: string }) => name))
    if (page.body.nextLink === undefined) break
    page = await raw('GET', page.body.nextLink)
  }
  assert.deepEqual(seen, names)
})

test('role definitions are the same at every scope, found by name and by id', async (t) => {
  const { call, raw } = await start(t)
  const path = (scope: string) => `${scope}/providers/Microsoft.Authorization/roleDefinitions`
  const names = async (query = '') =>
    (await call('GET', path(topicPath) + query)).body.value.map(
      ({ properties }: { properties: { roleName: string } }) => properties.roleName,
    )
  assert.equal((await names()).length, 16)
  assert.deepEqual(
    await names("?$filter=atScopeAndBelow() and type eq 'BuiltInRole' and roleName eq 'owner'"),
    ['Owner'],
  )
  assert.deepEqual(await names("?$filter=type eq 'CustomRole'"), [])
  const atTenant = await raw('GET', `${path('')}/d5a91429-5739-47e2-a06b-3470a27159e7?api-version=2022-04-01`)
  assert.equal(
    atTenant.body.id,
    '/providers/Microsoft.Authorization/roleDefinitions/d5a91429-5739-47e2-a06b-3470a27159e7',
  )
  assert.deepEqual(
    (await call('GET', '/providers/Microsoft.Authorization/permissions')).body.value[0].actions,
    ['*'],
  )
})

test('what is wrong with a role assignment is refused with its documented code', async (t) => {
  const { call, assign } = await start(t)
  const definitions = `${topicPath}/providers/Microsoft.Authorization/roleDefinitions`
  const name = randomUUID()
  await assign(topicPath, {}, name)
  const refused = async (asked: ReturnType<typeof assign>, status: number, code: string) => {
    const answer = await asked
    assert.deepEqual([answer.status, answer.body?.error?.code], [status, code], JSON.stringify(answer.body))
  }
  await refused(assign(topicPath), 409, 'RoleAssignmentExists')
  await refused(
    assign(topicPath, { principalId: randomUUID() }, name),
    400,
    'RoleAssignmentUpdateNotPermitted',
  )
  await refused(
    assign(topicPath, { roleDefinitionId: reader }, name),
    400,
    'RoleAssignmentUpdateNotPermitted',
  )
  await refused(assign(group, { roleDefinitionId: roleId(randomUUID()) }), 400, 'RoleDefinitionDoesNotExist')
  await refused(assign(group, { roleDefinitionId: 'Owner' }), 400, 'RoleDefinitionDoesNotExist')
  await refused(assign(group, { roleDefinitionId: null }), 400, 'InvalidRequest')
  await refused(assign(group, { principalId: 'me' }), 400, 'InvalidRequest')
  await refused(assign(group, { principalType: 'Robot' }), 400, 'InvalidRequest')
  await refused(assign(group, { condition: 'x' }), 400, 'InvalidRequest')
  await refused(assign(group, {}, 'no-guid'), 400, 'InvalidRequest')
  await refused(assign('/resourceGroups/none'), 404, 'ResourceGroupNotFound')
  await refused(assign(topicPath.replace('orders', 'none')), 404, 'ParentResourceNotFound')
  await refused(assign(`${assignments(topicPath)}/${name}`), 400, 'InvalidRequest')
  await refused(call('GET', `${assignments(topicPath)}/${randomUUID()}`), 404, 'RoleAssignmentNotFound')
  await refused(call('PATCH', `${assignments(topicPath)}/${name}`, {}), 405, 'HttpResourceMethodNotAllowed')
  await refused(call('GET', assignments('/resourceGroups/none')), 404, 'ResourceGroupNotFound')
  await refused(call('GET', `${assignments('')}?$filter=name eq 'x'`), 400, 'InvalidFilterInQueryString')
  await refused(call('GET', `${definitions}/${randomUUID()}`), 404, 'RoleDefinitionDoesNotExist')
  await refused(
    call('PUT', `${definitions}/acdd72a7-3385-48ef-bd42-f606fba81ae7`, {}),
    400,
    'RoleDefinitionCannotBeChanged',
  )
  await refused(call('PUT', `${definitions}/${randomUUID()}`, {}), 400, 'InvalidRequest')
  await refused(call('GET', `${definitions}?$filter=atScope`), 400, 'InvalidFilterInQueryString')
})
