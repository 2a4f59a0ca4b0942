import assert from 'node:assert/strict'
import { subscription } from '../../../src/testing/control-plane.ts'
import type { Rule, Section } from '../rule.ts'

/** Method, path below the default subscription, and body. */
type Request = readonly [method: string, path: string, body?: unknown]

/** Every one of the requests is answered so. */
const refused = (rule: string, status: number, code: string, requests: readonly Request[]): Rule => ({
  rule,
  status: 'refused',
  note: `${status} \`${code}\``,
  async check(_t, { server }) {
    for (const request of requests) {
      const answer = await server.call(...request)
      assert.deepEqual(
        [answer.status, answer.body?.error?.code],
        [status, code],
        `${request[0]} ${request[1]} ${JSON.stringify(request[2])}: ${JSON.stringify(answer.body)}`,
      )
    }
  },
})

const provider = '/resourceGroups/rg/providers/Microsoft.EventGrid'
const topic = (properties: object, more: object = {}): Request => [
  'PUT',
  `${provider}/topics/thing`,
  { location: 'westus2', properties, ...more },
]
const toWebhook = (more: object = {}) => ({
  destination: { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.org/', ...more } },
})
const eventSubscription = (properties: object): Request => [
  'PUT',
  `${provider}/topics/orders/providers/Microsoft.EventGrid/eventSubscriptions/thing`,
  { properties: { ...toWebhook(), ...properties } },
]
const unknownAccount = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/unknown`

export const refusals: Section = {
  title: 'Refused',
  source: 'learn.microsoft.com/rest/api/eventgrid/controlplane',
  rules: [
    refused('Topics: `publicNetworkAccess` `SecuredByPerimeter`', 400, 'InvalidRequest', [
      topic({ publicNetworkAccess: 'SecuredByPerimeter' }),
    ]),
    refused(
      'Dead-lettering to a storage account that the configuration does not name',
      400,
      'InvalidRequest',
      [
        eventSubscription({
          deadLetterDestination: {
            endpointType: 'StorageBlob',
            properties: { resourceId: unknownAccount, blobContainerName: 'letters' },
          },
        }),
      ],
    ),
  ],
}
