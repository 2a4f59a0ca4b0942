import { encodeMoment } from '../../base/moment.ts'
import { overlay, type WireObject } from '../../wire/shape.ts'
import type { Content, DecodeContext, EncodeContext, ResourceType, StoredResource } from '../resource-type.ts'
import { splitSecrets } from '../secret-members.ts'

/*
 * Resources of other providers that stand beside those of Event Grid, and of which more is known than that they are
 * there: what their provider adds to them, how their clients want to be answered. Nothing runs behind them all the
 * same; what is told of their services comes from the connection that the configuration has.
 */

/** What differs from any other resource that is not run here. */
export type Neighbour = Partial<
  Pick<
    ResourceType,
    | ('name' | 'statuses' | 'longRunning' | 'unique' | 'envelope' | 'warning' | 'tracked' | 'hasIdentity')
    | ('decode' | 'encode' | 'mayBeGlobal' | 'scope' | 'extension' | 'topLevel' | 'patch' | 'brings')
  >
>

interface Rules {
  /** Of members that may be left out. */
  readonly defaults?: WireObject
  /** What the provider says of the resource; whatever a body has under those names is left. */
  readonly tell?: (resource: StoredResource, context: EncodeContext) => WireObject
  /** Names under which it may tell something. */
  readonly readOnly: readonly string[]
}

/** Keeps what it is given, with defaults, and tells what its provider adds. */
export function keeping(
  type: string,
  { defaults = {}, tell, readOnly }: Rules,
): Pick<Neighbour, 'decode' | 'encode'> {
  const own = new Set([...readOnly, 'provisioningState'].map((name) => name.toLowerCase()))
  return {
    decode(wire: WireObject, { name }: DecodeContext): Content {
      const given = Object.entries(wire).filter(
        ([member, value]) => value !== null && !own.has(member.toLowerCase()),
      )
      return splitSecrets(`${type}/${name}`, overlay(defaults, Object.fromEntries(given)))
    },
    encode: (resource, context) => ({
      ...resource.properties,
      ...tell?.(resource, context),
      provisioningState: resource.provisioningState,
    }),
  }
}

export const timesOf = ({ createdAt, changedAt }: StoredResource) => ({
  createdAt: encodeMoment(createdAt),
  updatedAt: encodeMoment(changedAt),
})

/** As the clients of storage, Event Hubs and Service Bus insist on for all but the outermost. */
export const answeredAtOnce: Pick<ResourceType, 'statuses' | 'longRunning'> = {
  statuses: { create: 200, replace: 200, update: 200, delete: 200 },
  longRunning: false,
}
