import type { Catalog, CatalogChange, EventSubscription } from '../catalog/catalog.ts'
import type { Namespace, NamespaceTopic } from '../catalog/namespace.ts'
import type { OpenDeadLetterDesk } from '../delivery/dead-letter-desk.ts'
import type { GridEvent } from '../event/event.ts'
import type { Door } from '../http/http.ts'
import type { Queues } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { Directory, NamespaceFacts, QueueFacts } from './directory.ts'
import { createPullDoor, type PullDoorOptions } from './door.ts'
import { Outlets } from './outlets.ts'

/*
 * The data plane of namespace topics: its door, and behind it an outlet for each event subscription whose events are
 * received. It promises that an outlet is there before whoever made the event subscription is answered, that those who
 * wait at it are told when the event subscription goes, and that an event which was answered is on disk.
 */

export interface PullOptions extends Omit<PullDoorOptions, 'directory' | 'outlets' | 'accept'> {
  readonly catalog: Catalog
  readonly queues: Pick<Queues, 'open' | 'drop'>
  /** Resolves when all of these events are durable; rejects with `StoreUnavailable` when none is. */
  readonly accept: (topic: NamespaceTopic, events: readonly GridEvent[]) => Promise<void>
  readonly trace: DeliveryTrace
  /** Known to this server alone: lock tokens are made with it. */
  readonly tokenSecret: Buffer
  readonly openDeadLetterDesk: OpenDeadLetterDesk
  /** Whether namespaces that say nothing of it keep to what Azure takes. */
  readonly isStrict: boolean
}

export interface Pull {
  readonly door: Door
  /** Resolves when everything that is due has been done. */
  settle(): Promise<void>
  /** Answers everybody who waits with no events, and whoever comes to receive from now on. */
  endWaits(): void
  /** Records of dead letters that are being written have `graceMs`. */
  close(graceMs: number): Promise<void>
}

export async function openPull(options: PullOptions): Promise<Pull> {
  const { catalog, queues, clock, trace, metrics, tokenSecret, openDeadLetterDesk, limits } = options
  /** By uid; those that are received from. */
  const eventSubscriptions = new Map<string, EventSubscription>()
  /** The same by uid, as the door knows them. */
  const byUid = new Map<string, QueueFacts>()
  let quiet: (() => void)[] = []
  const onQuiet = () => {
    const waiting = quiet
    quiet = []
    for (const resolve of waiting) resolve()
  }
  const outlets = new Outlets({
    ...{ queues, clock, trace, metrics, tokenSecret, onQuiet, batchBytes: limits.receiveBytes },
    async createGiver({ uid }, queue) {
      const desk = await openDeadLetterDesk(eventSubscriptions.get(uid) as EventSubscription, queue, onQuiet)
      return {
        ...desk,
        get busy() {
          return desk.busy
        },
        update: () => desk.update(eventSubscriptions.get(uid) as EventSubscription),
      }
    },
  })

  const put = async (eventSubscription: EventSubscription) => {
    const facts = queueFactsOf(eventSubscription)
    if (!facts) return
    eventSubscriptions.set(facts.uid, eventSubscription)
    await outlets.put(facts)
    byUid.set(facts.uid, facts)
  }
  const remove = async (uid: string) => {
    const gone = eventSubscriptions.get(uid)
    if (!gone) return
    byUid.delete(uid)
    await outlets.remove(uid)
    eventSubscriptions.delete(uid)
    await queues.drop(uid)
    metrics.forget('event_subscription', gone.id)
  }
  const apply = async ({ eventSubscriptions: changes }: Pick<CatalogChange, 'eventSubscriptions'>) => {
    for (const { uid, after } of changes) await (after ? put(after) : remove(uid))
  }

  // One change at a time, in the order in which they came.
  let changes = Promise.resolve()
  catalog.onChange((change) => {
    if (change.eventSubscriptions.length === 0) return undefined
    const applied = changes.then(() => apply(change))
    changes = applied.catch(() => {
      // Whoever made the change is told; the next one is none the worse for it.
    })
    return applied
  })
  for (const eventSubscription of catalog.eventSubscriptions()) await put(eventSubscription)

  const door = createPullDoor({
    ...options,
    outlets,
    directory: directoryOf(options, byUid),
    accept: (topic, events) => options.accept(topic as NamespaceTopic, events),
  })
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    door,
    async settle() {
      await turn()
      while (outlets.busy) {
        await new Promise<void>((resolve) => quiet.push(resolve))
        await turn()
      }
    },
    endWaits: () => outlets.endWaits(),
    async close(graceMs) {
      await changes
      await outlets.close(graceMs)
    },
  }
}

/** Undefined where events are delivered. */
function queueFactsOf(eventSubscription: EventSubscription): QueueFacts | undefined {
  const { id, name, uid, topicId, queue, maxDeliveryAttempts, eventTimeToLiveMs } = eventSubscription
  if (!queue) return undefined
  const settings = { lockMs: queue.lockMs, maxDeliveryCount: maxDeliveryAttempts, eventTimeToLiveMs }
  return { id, name, uid, topicId, settings }
}

function directoryOf(
  { catalog, isStrict }: Pick<PullOptions, 'catalog' | 'isStrict'>,
  byUid: ReadonlyMap<string, QueueFacts>,
): Directory {
  const { namespaces } = catalog
  /** A namespace that changes is another object, and so are its facts. */
  const facts = new WeakMap<Namespace, NamespaceFacts>()
  const factsOf = (namespace: Namespace): NamespaceFacts => {
    let known = facts.get(namespace)
    if (!known) {
      const { profile, hosts } = namespace
      known = {
        ...namespace,
        isStrict: profile === undefined ? isStrict : profile === 'strict',
        isOwnHost: (host) => hosts.includes(host),
      }
      facts.set(namespace, known)
    }
    return known
  }
  return {
    namespaceAt(host, prefix) {
      const namespace = prefix === '' ? namespaces.byHost(host) : namespaces.byPath(prefix)
      return namespace && factsOf(namespace)
    },
    topic: (namespace, name) => namespaces.topicNamed(namespace, name),
    queue(topic, name) {
      const eventSubscription = namespaces.eventSubscriptionNamed(topic, name)
      return eventSubscription && (byUid.get(eventSubscription.uid) ?? 'push')
    },
    permits: (principalIds, action, resourceId) => catalog.permits(principalIds, action, resourceId),
  }
}
