import type { Authorize, Caller } from '../auth/caller.ts'
import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Sealer } from '../base/sealer.ts'
import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import type { Connection } from '../destinations/connections.ts'
import type { Verify } from '../destinations/destination.ts'
import type { Fanout } from '../fanout/fanout.ts'
import { type Door, errorResponse, type HttpRequest, type HttpResponse } from '../http/http.ts'
import type { Peer } from '../http/peer.ts'
import { resourceTypes } from '../resources/index.ts'
import type { Capabilities, ResourceType } from '../resources/resource-type.ts'
import { RecordConflict, type Records, StoreUnavailable } from '../store/store.ts'
import { groupType } from '../wire/arm-id.ts'
import { defaultArmBodyBytes } from './body.ts'
import { Deployments } from './deployments/deployments.ts'
import type { EndedDeployment, OwnDeployment } from './deployments/own-deployment.ts'
import { asGatewayError, gatewayError } from './errors.ts'
import { commonHeaders, originOf } from './headers.ts'
import type { HubFacts } from './hub-routes.ts'
import { Locks } from './locks.ts'
import { Operations } from './operations.ts'
import { isControlPlanePath } from './path.ts'
import { createResourceEvents } from './resource-events.ts'
import { ResourceRefs } from './resource-ref.ts'
import { createRouter } from './router.ts'
import { SubscriptionAliases } from './subscription-aliases.ts'
import {
  defaultSubscriptionId,
  openSubscriptions,
  type SubscriptionSetting,
  type Subscriptions,
} from './subscriptions.ts'
import { Verifications } from './verifications.ts'
import { Writes } from './writes.ts'

/*
 * The control plane: Azure Resource Manager's REST protocol for every resource type on the shelf. In come HTTP
 * requests; out go stored resources, which the data plane knows of before the client is answered.
 */

export { defaultSubscriptionId } from './subscriptions.ts'

export interface ArmOptions {
  readonly catalog: StoredCatalog
  readonly records: Records
  readonly sealer: Sealer
  readonly verify: Verify
  /** Takes the events of operations. */
  readonly fanout: Pick<Fanout, 'raise' | 'isHeard'>
  readonly metrics: Metrics
  readonly authorize: Authorize
  /** Behind proxies too. */
  readonly peerOf: (request: HttpRequest) => Peer
  /** The base of topic endpoints and validation URLs, without a trailing slash; asked once listeners are open. */
  readonly publicUrl: () => string
  /** Where AMQP over TLS is spoken; undefined: nowhere. */
  readonly amqpsPort?: () => number | undefined
  readonly capabilities: Capabilities
  /** How a resource of a provider that is not run here is reached; default: none is. */
  readonly connectionOf?: (resourceId: string) => Connection | undefined
  /** What runs behind IoT hubs; default: nothing does. */
  readonly hubFacts?: HubFacts
  /** Subscriptions beside the default one, or another name for it. */
  readonly subscriptions?: readonly SubscriptionSetting[]
  /** Largest request body. */
  readonly bodyBytes?: number
  readonly clock: Clock
  readonly log: Log
}

export interface Arm {
  readonly door: Door
  /** See `Deployments.deploy`; to be called after `resume`. */
  deploy(own: OwnDeployment, signal: AbortSignal): Promise<EndedDeployment>
  /** Takes up handshakes, deletes and expirations of the last process; to be called once listeners are open. */
  resume(): Promise<void>
  /** Stops handshakes under way; the next start takes them up. */
  close(): Promise<void>
}

/** Creates the control plane's door over a loaded catalog. */
export async function createArmDoor(options: ArmOptions): Promise<Arm> {
  const { catalog, records, sealer, verify, authorize, publicUrl, capabilities, clock, log } = options
  const { fanout, metrics } = options
  const locks = new Locks()
  const operations = new Operations({ records, sealer, clock })
  const tenantId = defaultSubscriptionId
  const resourceEvents = createResourceEvents({ fanout, tenantId, clock, metrics, log })
  const verifications = new Verifications({
    catalog,
    operations,
    resourceEvents,
    locks,
    verify,
    publicUrl,
    clock,
    log,
  })
  const types = resourceTypes
  const refs = new ResourceRefs(
    types,
    types.find(({ scope }) => scope === 'subscription') as ResourceType,
    (type) => catalog.typeLike(type),
  )
  const bodyBytes = options.bodyBytes ?? defaultArmBodyBytes
  const writes = new Writes({
    catalog,
    types,
    refs,
    operations,
    verifications,
    resourceEvents,
    locks,
    capabilities,
    tenantId,
    connectionOf: options.connectionOf ?? (() => undefined),
    onGroupGone: (groupId) => deployments.forget(groupId),
    clock,
    log,
  })
  await operations.load()
  const subscriptions = await openSubscriptions({ records, locks, configured: options.subscriptions ?? [] })
  warnOfUnreachable(catalog, subscriptions, log)
  const deployments: Deployments = new Deployments({
    catalog,
    records,
    refs,
    writes,
    operations,
    perform: (request, caller, origin) => perform(request, caller, origin),
    resourceEvents,
    subscriptions,
    tenantId,
    publicUrl,
    bodyBytes,
    clock,
    log,
  })
  await deployments.load()
  const aliases = new SubscriptionAliases({
    records,
    subscriptions,
    catalog,
    locks,
    resourceEvents,
    onGone: (subscriptionId) => deployments.forget(subscriptionId),
    bodyBytes,
    clock,
  })
  await aliases.load()
  writes.load()
  const { route, perform } = createRouter({
    catalog,
    types,
    refs,
    capabilities,
    operations,
    verifications,
    writes,
    resourceEvents,
    deployments,
    subscriptions,
    aliases,
    tenantId,
    publicUrl,
    amqpsPort: options.amqpsPort ?? (() => undefined),
    connectionOf: options.connectionOf ?? (() => undefined),
    hubFacts: options.hubFacts ?? { describe: noHubs, transfersOf: noHubs },
    refusal,
    log,
    bodyBytes,
    clock,
  })
  const respond = async (request: HttpRequest): Promise<HttpResponse> => {
    const headers = commonHeaders(request, clock)
    const from = (caller: Caller) => originOf(request, headers, caller, options.peerOf(request).address)
    const answer = await route(request, authorize, from).catch(refusal)
    return { ...answer, headers: { ...headers, ...answer.headers } }
  }
  return {
    door: (request) => (isControlPlanePath(request.path) ? respond(request) : undefined),
    resume: () => writes.resume(),
    deploy: (own, signal) => deployments.deploy(own, signal),
    async close() {
      await deployments.close()
      await writes.close()
    },
  }
}

const noHubs = (hubId: string) =>
  Promise.reject(gatewayError(503, 'ServiceUnavailable', `Nothing runs behind '${hubId}'.`))

/** What a client is told of a failure that is known; any other is a bug and goes on. */
function refusal(error: unknown): HttpResponse {
  if (error instanceof RequestError) {
    // Who may come in, and how much may be sent, is Resource Manager's business.
    const isGateways = error.status === 401 || error.status === 413
    return errorResponse(isGateways ? asGatewayError(error) : error)
  }
  if (error instanceof RecordConflict)
    return errorResponse(
      gatewayError(409, 'Conflict', 'Another request changed the resource at the same moment.'),
    )
  if (error instanceof StoreUnavailable)
    return errorResponse(
      gatewayError(503, 'ServiceUnavailable', `The store cannot take the write: ${error.message}`, {
        'Retry-After': '5',
      }),
    )
  throw error
}

/** Resources of a subscription that the configuration no longer names go on working, and nobody can see them. */
function warnOfUnreachable(catalog: StoredCatalog, subscriptions: Subscriptions, log: Log): void {
  const unknown = new Set<string>()
  for (const { resource } of catalog.below(groupType, '')) {
    const id = resource.parentId.slice(resource.parentId.lastIndexOf('/') + 1)
    if (!subscriptions.find(id)) unknown.add(id)
  }
  for (const id of unknown)
    log.warn(
      { subscription: id },
      'There are resources in a subscription that the configuration does not name: they cannot be reached.',
    )
}
