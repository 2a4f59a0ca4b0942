import type { EpochMs } from '../../base/clock.ts'
import type { Records } from '../../store/store.ts'
import type { Value } from '../../templates/language/value.ts'
import { type DeploymentState, isActive, type StoredDeployment } from './stored-deployment.ts'

/*
 * The deployments of each scope, newest first, the oldest of which make room for new ones. In memory is only what
 * lists and limits go by; the rest is read when it is asked for.
 *
 *     deployment/{scope}/{name}            a StoredDeployment
 *     deployment-template/{scope}/{name}   its template
 */

/** Source: learn.microsoft.com/azure/azure-resource-manager/templates/deployment-history-deletions */
export const deploymentsPerScope = 800

export interface HistoryEntry {
  readonly key: string
  readonly name: string
  readonly state: DeploymentState
  readonly startedAt: EpochMs
}

const recordPrefix = 'deployment/'
const templatePrefix = 'deployment-template/'

/** A deployment's place in the history: its id, whose letter case means nothing. */
export const historyKey = (scopeId: string, name: string) => `${scopeId.toLowerCase()}/${name.toLowerCase()}`

export class History {
  readonly #records: Records
  /** By lower-case scope, then by key. */
  readonly #scopes = new Map<string, Map<string, HistoryEntry>>()

  constructor(records: Records) {
    this.#records = records
  }

  /** @returns those that were under way when the last process ended */
  async load(): Promise<readonly StoredDeployment[]> {
    const unfinished: StoredDeployment[] = []
    for (const { value } of await this.#records.list(recordPrefix)) {
      const deployment = value as StoredDeployment
      this.#place(deployment)
      if (isActive(deployment.state)) unfinished.push(deployment)
    }
    return unfinished
  }

  find(scopeId: string, name: string): HistoryEntry | undefined {
    return this.#scopes.get(scopeId.toLowerCase())?.get(historyKey(scopeId, name))
  }

  /** Those of the scope itself, the newest first. */
  entries(scopeId: string): readonly HistoryEntry[] {
    const found = [...(this.#scopes.get(scopeId.toLowerCase())?.values() ?? [])]
    return found.toSorted((one, other) => other.startedAt - one.startedAt || (one.key < other.key ? -1 : 1))
  }

  async read({ key }: HistoryEntry): Promise<StoredDeployment | undefined> {
    return (await this.#records.get(recordPrefix + key))?.value as StoredDeployment | undefined
  }

  async readTemplate({ key }: HistoryEntry): Promise<Value | undefined> {
    return (await this.#records.get(templatePrefix + key))?.value as Value | undefined
  }

  /** True when one more finds no room in that scope, for all that are there are active. */
  isFull(scopeId: string): boolean {
    const entries = this.entries(scopeId)
    return entries.length >= deploymentsPerScope && entries.every(({ state }) => isActive(state))
  }

  /** Stores a deployment; the first time with its template, and then the oldest make room. */
  async put(deployment: StoredDeployment, template?: Value): Promise<void> {
    const key = historyKey(deployment.scopeId, deployment.name)
    if (template !== undefined) await this.#records.put(templatePrefix + key, template)
    await this.#records.put(recordPrefix + key, deployment)
    this.#place(deployment)
    if (template !== undefined) await this.#makeRoom(deployment.scopeId)
  }

  async remove(scopeId: string, { key }: HistoryEntry): Promise<void> {
    const scope = this.#scopes.get(scopeId.toLowerCase())
    scope?.delete(key)
    if (scope?.size === 0) this.#scopes.delete(scopeId.toLowerCase())
    await this.#records.delete(recordPrefix + key)
    await this.#records.delete(templatePrefix + key)
  }

  async #makeRoom(scopeId: string): Promise<void> {
    const entries = this.entries(scopeId)
    const ended = entries.filter(({ state }) => !isActive(state)).toReversed()
    // One at a time: there is nearly always just one.
    // oxlint-disable-next-line no-await-in-loop
    for (const oldest of ended.slice(0, Math.max(0, entries.length - deploymentsPerScope)))
      await this.remove(scopeId, oldest)
  }

  #place({ scopeId, name, state, startedAt }: StoredDeployment): void {
    const scope = scopeId.toLowerCase()
    const key = historyKey(scopeId, name)
    const entries = this.#scopes.get(scope) ?? new Map<string, HistoryEntry>()
    this.#scopes.set(scope, entries.set(key, { key, name, state, startedAt }))
  }
}
