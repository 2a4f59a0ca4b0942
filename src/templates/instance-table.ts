import { suggestion } from '../base/nearest.ts'
import { ExpressionFault } from './errors.ts'
import type { Instance } from './instances.ts'
import { comparable } from './resource-id.ts'

/** Finds the resources of one template by everything that expressions and `dependsOn` may call them. */
export class InstanceTable {
  readonly all: readonly Instance[]
  readonly #isSymbolic: boolean
  readonly #byId = new Map<string, Instance>()
  /** By symbolic name, `symbol[index]` and loop name. */
  readonly #bySymbol = new Map<string, Instance[]>()
  /** By name, and by type and name. */
  readonly #byName = new Map<string, Instance[]>()

  constructor(all: readonly Instance[], isSymbolic: boolean) {
    this.all = all
    this.#isSymbolic = isSymbolic
    for (const instance of all) {
      const { declaration, id, type, name, loop } = instance
      const known = this.#byId.get(comparable(id))
      // Of several with one id, at most one is deployed; that one is meant.
      if (!known || (instance.isWanted && !instance.isExisting)) this.#byId.set(comparable(id), instance)
      if (loop) this.#note(this.#bySymbol, loop.name, instance)
      if (declaration.symbol !== undefined) {
        if (loop?.name.toLowerCase() !== declaration.symbol.toLowerCase())
          this.#note(this.#bySymbol, declaration.symbol, instance)
        if (loop) this.#note(this.#bySymbol, `${declaration.symbol}[${loop.index}]`, instance)
      }
      this.#note(this.#byName, name, instance)
      this.#note(this.#byName, `${type}/${name}`, instance)
    }
  }

  #note(index: Map<string, Instance[]>, name: string, instance: Instance): void {
    const lower = name.toLowerCase()
    const known = index.get(lower)
    if (known) known.push(instance)
    else index.set(lower, [instance])
  }

  byId(id: string): Instance | undefined {
    return this.#byId.get(comparable(id))
  }

  /** Whatever a name or an id means: several when it is that of a loop, none when it is not of this template. */
  find(target: string): readonly Instance[] {
    if (target.startsWith('/')) return this.#one(this.byId(target))
    const lower = target.toLowerCase()
    const loop = this.#bySymbol.get(lower)
    if (loop) return loop
    if (this.#isSymbolic) return []
    return this.#byName.get(lower) ?? this.#one(this.#byPath(target))
  }

  #one(instance: Instance | undefined): readonly Instance[] {
    return instance ? [instance] : []
  }

  /** An id without its scope: `Microsoft.EventGrid/domains/orders/topics/eu`. */
  #byPath(target: string): Instance | undefined {
    const end = `/providers/${target.toLowerCase()}`
    return this.all.find(({ id }) => id.toLowerCase().endsWith(end))
  }

  /** The one resource that `reference` or a list function means; undefined for an id that is not of this template. */
  referenced(target: string): Instance | undefined {
    const found = this.find(target)
    const wanted = found.filter(({ isWanted }) => isWanted)
    const candidates = wanted.length > 0 ? wanted : found
    if (candidates.length > 1)
      throw new ExpressionFault(
        `The template reference '${target.slice(0, 200)}' is not valid: ${candidates.length} resources are called that. Name one by its resource id${this.#isSymbolic ? ' or its index' : ''}.`,
      )
    if (candidates.length === 0 && !target.startsWith('/')) throw this.#unknown(target)
    return candidates[0]
  }

  #unknown(target: string): ExpressionFault {
    const names = this.#isSymbolic ? this.#bySymbol.keys() : this.#byName.keys()
    return new ExpressionFault(
      `The template reference '${target.slice(0, 200)}' is not valid: could not find template resource or resource copy with this name. Please see https://aka.ms/arm-function-reference for usage details.${suggestion(target.slice(0, 100), names)}`,
    )
  }
}
