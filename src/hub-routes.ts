import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { Metrics } from './base/metrics.ts'
import type { IotHub } from './catalog/iot-hub.ts'
import type { Transports } from './destinations/index.ts'
import type { Fanout } from './fanout/fanout.ts'
import type { HubEvents } from './hubevents/hub-events.ts'
import { encodeTelemetryEvent } from './hubmessage/telemetry-event.ts'
import { HubRoutes } from './hubroutes/hub-routes.ts'
import { encodeSection } from './registry/encode.ts'
import { noticeOf } from './registry/notices.ts'
import { hubTopicType } from './registry/registries.ts'
import type { IdentityChange, Registry } from './registry/registry.ts'
import type { Queues } from './store/store.ts'

/*
 * What the routes of a hub need of the rooms around them: twins of the registry, Event Grid, and what the registry says of
 * identities that come, change and go.
 */

export interface HubRoutesNeeds {
  readonly queues: Queues
  /** How endpoints of hubs are reached. */
  readonly transports: Transports
  readonly fanout: Pick<Fanout, 'raise' | 'isHeard'>
  readonly limits: { readonly hubRouteBacklogMessages: number }
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export function openHubRoutes(
  hub: IotHub,
  registry: Registry,
  events: HubEvents,
  { queues, transports, fanout, limits, clock, log, metrics }: HubRoutesNeeds,
): HubRoutes {
  const { id } = hub
  return new HubRoutes(hub, {
    ...{ queues, transports, clock, log, metrics },
    limits: { backlogMessages: limits.hubRouteBacklogMessages },
    isHeard: () => fanout.isHeard(id, hubTopicType),
    raise: (messages) =>
      fanout.raise(
        id,
        hubTopicType,
        messages.map((message) => encodeTelemetryEvent(id, message)),
      ),
    builtIn: (messages) => events.append(messages),
    async twinOf(deviceId, moduleId) {
      const twin = (await registry.find({ deviceId, moduleId }))?.twin
      return (
        twin && {
          modelId: twin.modelId,
          tags: twin.tags ?? {},
          properties: { desired: encodeSection(twin.desired), reported: encodeSection(twin.reported) },
        }
      )
    },
  })
}

/** Resolves when what routes take of the changes is durable; they have been made all the same where it is not. */
export async function routeNotices(
  routes: HubRoutes,
  { id, name }: IotHub,
  changes: readonly IdentityChange[],
  { clock, log }: Pick<HubRoutesNeeds, 'clock' | 'log'>,
): Promise<void> {
  if (!routes.takes('deviceLifecycleEvents') && !routes.takes('twinChangeEvents')) return
  const notices = changes.flatMap((change) => noticeOf(name, change, clock.now()) ?? [])
  try {
    await routes.route(notices.filter(({ source }) => routes.takes(source)))
  } catch (error) {
    log.error({ err: error, hub: id }, 'What became of devices could not be routed.')
  }
}
