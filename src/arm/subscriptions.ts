import type { Records } from '../store/store.ts'
import type { Locks } from './locks.ts'

/*
 * The subscriptions there are, and what Resource Manager keeps of each beside its resources: its tags, names of tags,
 * and which providers it does not use. Which there are, the configuration says; more are made through REST.
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
/** What is kept of one that was made through REST has its name. */
type StoredSubscription = Kept & { readonly displayName?: string }

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
  readonly #configured = new Set<string>()

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
    for (const each of [byDefault, ...configured]) {
      this.#byId.set(each.id, { ...each, ...nothingKept })
      this.#configured.add(each.id)
    }
  }

  async load(): Promise<void> {
    for (const { key, value } of await this.#records.list(recordPrefix)) {
      const { displayName, ...kept } = value as StoredSubscription
      const id = key.slice(recordPrefix.length)
      const known = this.#byId.get(id) ?? (displayName === undefined ? undefined : { id, displayName })
      if (known) this.#byId.set(id, { ...known, ...kept })
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

  /** The configuration names it, or it is the default one. */
  isConfigured(id: string): boolean {
    return this.#configured.has(id)
  }

  make(setting: SubscriptionSetting, tags: Kept['tags']): Promise<void> {
    return this.#locks.hold([{ key: recordPrefix + setting.id, shared: false }], () =>
      this.#keep({ ...setting, ...nothingKept, tags }),
    )
  }

  /** @param id of one that was made through REST */
  rename(id: string, displayName: string): Promise<void> {
    return this.#locks.hold([{ key: recordPrefix + id, shared: false }], () =>
      this.#keep({ ...(this.#byId.get(id) as Subscription), displayName }),
    )
  }

  /** @param id of one that was made through REST, and has nothing in it */
  remove(id: string): Promise<void> {
    return this.#locks.hold([{ key: recordPrefix + id, shared: false }], async () => {
      await this.#records.delete(recordPrefix + id)
      this.#byId.delete(id)
    })
  }

  async #keep(next: Subscription): Promise<void> {
    const { id, displayName, tags, tagNames, unregistered } = next
    const own = this.#configured.has(id) ? {} : { displayName }
    await this.#records.put(recordPrefix + id, { tags, tagNames, unregistered, ...own })
    this.#byId.set(id, next)
  }

  /** Changes what is kept of one, after any other change of it; durable when the promise resolves. */
  change(id: string, decide: (now: Subscription) => Partial<Kept>): Promise<Subscription> {
    return this.#locks.hold([{ key: recordPrefix + id, shared: false }], async () => {
      const now = this.#byId.get(id) as Subscription
      const next = { ...now, ...decide(now) }
      await this.#keep(next)
      return next
    })
  }
}
