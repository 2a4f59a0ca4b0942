import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  eventSubscriptionPath,
  startControlPlane,
  subscription,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'
import { apiVersions } from './api-versions.ts'

/** What the clients in use send. Source: their packages. */
const sent: Readonly<Record<string, readonly string[]>> = {
  [topicPath]: [
    ...[
      '2026-06-15-preview',
      '2025-02-15',
      '2022-06-15',
      '2021-12-01',
      '2021-10-15-preview',
      '2020-10-15-preview',
    ],
    ...['2020-06-01', '2020-04-01-preview', '2019-06-01', '2018-01-01', '2017-06-15-PREVIEW'],
  ],
  '/resourceGroups/rg': ['2025-04-01', '2025-03-01', '2023-07-01', '2022-09-01', '2021-04-01', '2025-02-15'],
  '/providers': ['2022-09-01', '2021-04-01'],
  '/locations': ['2019-11-01', '2021-01-01', '2022-12-01'],
  '/providers/Microsoft.Authorization/locks': ['2016-09-01', '2017-04-01', '2020-05-01'],
  '/providers/Microsoft.Authorization/roleAssignments': ['2022-04-01', '2020-04-01-preview', '2015-07-01'],
  '/providers/Microsoft.Storage/storageAccounts': ['2022-09-01', '2025-06-01', '2025-08-01', '2031-01-01'],
}

test('every version that clients send is taken', async (t) => {
  const { raw, makeTopic } = await startControlPlane(t)
  await makeTopic()
  for (const [path, versions] of Object.entries(sent))
    for (const version of versions) {
      const { status, body } = await raw('GET', `${subscription}${path}?api-version=${version}`)
      assert.equal(status, 200, `${path} ${version}: ${JSON.stringify(body)}`)
    }
})

test('every version that a provider lists makes a topic and an event subscription', async (t) => {
  const { raw, call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const { body } = await call('GET', '/providers/Microsoft.EventGrid')
  for (const { resourceType, apiVersions: listed } of body.resourceTypes)
    assert.deepEqual(listed, apiVersions['microsoft.eventgrid'], resourceType)
  for (const version of apiVersions['microsoft.eventgrid'] ?? [])
    for (const [path, given] of [
      [topicPath, { location: 'westus2' }],
      [eventSubscriptionPath, toWebhook()],
    ] as const) {
      const made = await raw('PUT', `${subscription}${path}?api-version=${version}`, JSON.stringify(given))
      assert.equal(made.status, 201, `${path} ${version}`)
    }
})
