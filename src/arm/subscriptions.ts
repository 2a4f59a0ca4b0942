import type { Records } from '../store/store.ts'
import type { Locks } from './locks.ts'

/*
 * The subscriptions there are, and what Resource Manager keeps of each beside its resources: its tags, names of tags,
 * and which providers it does not use. Which there are, the configuration says.
 *
 * Source: learn.microsoft.com/rest/api/resources/subscriptions
 */

/** Source: the contract of the server: exists from the first start. Its tenant has the same id. */
export const defaultSubscriptionId = '00000000-0000-0000-0000-000000000000'

export interface SubscriptionSetting {
  /** A guid in lower case. */
  readonly id: string
  readonly displayName: string
}

export interface Subscription extends SubscriptionSetting {
  readonly tags: Readonly<Record<string, string>>
  /** Values of tags that were made without a resource, by the name of the tag. */
  readonly tagNames: Readonly<Record<string, readonly string[]>>
  /** Namespaces of providers that it is not registered for, in lower case. */
  readonly unregistered: readonly string[]
}

type Kept = Omit<Subscription, keyof SubscriptionSetting>

const recordPrefix = 'arm-subscription/'
const nothingKept: Kept = { tags: {}, tagNames: {}, unregistered: [] }

/** Loads what is kept of each; the default subscription is there whatever the configuration says. */
export async function openSubscriptions(options: {
  readonly records: Records
  readonly locks: Locks
  readonly configured: readonly SubscriptionSetting[]
}): Promise<Subscriptions> {
  const subscriptions = new Subscriptions(options)
  await subscriptions.load()
  return subscriptions
}

export class Subscriptions {
  readonly #records: Records
  readonly #locks: Locks
  readonly #byId = new Map<string, Subscription>()

  constructor({
    records,
    locks,
    configured,
  }: {
    readonly records: Records
    readonly locks: Locks
    readonly configured: readonly SubscriptionSetting[]
  }) {
    this.#records = records
    this.#locks = locks
    const byDefault = { id: defaultSubscriptionId, displayName: 'Busbar' }
    for (const each of [byDefault, ...configured]) this.#byId.set(each.id, { ...each, ...nothingKept })
  }

  async load(): Promise<void> {
    for (const { key, value } of await this.#records.list(recordPrefix)) {
      const known = this.#byId.get(key.slice(recordPrefix.length))
      if (known) this.#byId.set(known.id, { ...known, ...(value as Kept) })
    }
  }

  /** The default one first. */
  all(): readonly Subscription[] {
    return [...this.#byId.values()]
  }

  /** By id in any letter case. */
  find(id: string): Subscription | undefined {
    return this.#byId.get(id.toLowerCase())
  }

  /** Changes what is kept of one, after any other change of it; durable when the promise resolves. */
  change(id: string, decide: (now: Subscription) => Partial<Kept>): Promise<Subscription> {
    return this.#locks.hold([{ key: recordPrefix + id, shared: false }], async () => {
      const now = this.#byId.get(id) as Subscription
      const next = { ...now, ...decide(now) }
      const { tags, tagNames, unregistered } = next
      await this.#records.put(recordPrefix + id, { tags, tagNames, unregistered })
      this.#byId.set(id, next)
      return next
    })
  }
}
