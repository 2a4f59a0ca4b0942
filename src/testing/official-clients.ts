import type { TestContext } from 'node:test'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import { defaultSubscriptionId } from '../arm/arm.ts'
import { type ControlPlaneOptions, startControlPlane } from './control-plane.ts'

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}

/** The official clients, over plain HTTP: that takes leave of the policy that insists on TLS for tokens. */
export async function connect(t: TestContext, options?: ControlPlaneOptions) {
  const server = await startControlPlane(t, options)
  const settings = { endpoint: server.url, allowInsecureConnection: true }
  const eventGrid = new EventGridManagementClient(credential, defaultSubscriptionId, settings)
  const resources = new ResourceManagementClient(credential, defaultSubscriptionId, settings)
  for (const { pipeline } of [eventGrid, resources])
    pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' })
  await resources.resourceGroups.createOrUpdate('rg', { location: 'westus2' })
  return { server, eventGrid, resources }
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

export const webhook = (endpointUrl: string) => ({ endpointType: 'WebHook' as const, endpointUrl })
