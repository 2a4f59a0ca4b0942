import { ExpressionFault, NotYetKnown } from './errors.ts'
import type { InstanceTable } from './instance-table.ts'
import type { Instance } from './instances.ts'
import type { RuntimeLookup } from './language/environment.ts'
import type { Value } from './language/value.ts'
import { templateLimits } from './limits.ts'

/** The deployed resources, as expressions ask for them. What it throws ends the evaluation. */
export interface Runtime {
  /**
   * What a resource is now.
   *
   * @param apiVersion undefined when neither the expression nor the template names one
   * @param isFull true for the whole resource, false for its properties
   */
  reference(id: string, apiVersion: string | undefined, isFull: boolean): Promise<Value>
  /** @param functionName such as `listKeys`, as the template spells it */
  list(
    id: string,
    functionName: string,
    apiVersion: string | undefined,
    body: Value | undefined,
  ): Promise<Value>
}

type Ask = (runtime: Runtime) => Promise<Value>

/**
 * Evaluates with the deployed resources: as often as it takes, each time with all that the last time asked for.
 * Expressions themselves never wait.
 */
export async function withRuntime<Result>(
  tables: readonly InstanceTable[],
  runtime: Runtime,
  evaluateIt: (lookup: RuntimeLookup) => Result,
): Promise<Result> {
  const answers = new Map<string, Value>()
  for (let round = 0; round < templateLimits.runtimeRounds; round++) {
    const wanted = new Map<string, Ask>()
    try {
      return evaluateIt(new Answers(tables, answers, wanted))
    } catch (error) {
      if (!(error instanceof NotYetKnown)) throw error
    }
    const asked = [...wanted]
    // oxlint-disable-next-line no-await-in-loop
    const values = await Promise.all(asked.map(([, ask]) => ask(runtime)))
    for (const [index, [key]] of asked.entries()) answers.set(key, values[index] as Value)
  }
  throw new ExpressionFault(
    `What is asked of the deployed resources may lead to more questions at most ${templateLimits.runtimeRounds} times.`,
  )
}

/** The instance that an expression means, in the template that it stands in or in one around that. */
function instanceOf(tables: readonly InstanceTable[], target: string): Instance | undefined {
  const [own, ...around] = tables
  for (const table of around)
    if (own?.find(target).length === 0 && table.find(target).length > 0) return table.referenced(target)
  return own?.referenced(target)
}

class Answers implements RuntimeLookup {
  readonly isProbing = false
  readonly #tables: readonly InstanceTable[]
  readonly #answers: ReadonlyMap<string, Value>
  readonly #wanted: Map<string, Ask>

  constructor(
    tables: readonly InstanceTable[],
    answers: ReadonlyMap<string, Value>,
    wanted: Map<string, Ask>,
  ) {
    this.#tables = tables
    this.#answers = answers
    this.#wanted = wanted
  }

  reference(target: string, apiVersion: string | undefined, isFull: boolean): Value {
    const instance = instanceOf(this.#tables, target)
    return this.#reference(instance?.id ?? target, apiVersion ?? instance?.apiVersion, isFull)
  }

  #reference(id: string, apiVersion: string | undefined, isFull: boolean): Value {
    return this.#answer(['reference', id, apiVersion, isFull], (runtime) =>
      runtime.reference(id, apiVersion, isFull),
    )
  }

  references(target: string, apiVersion: string | undefined, isFull: boolean): Value {
    const instances = loopOf(this.#tables, target)
    let unknown: NotYetKnown | undefined
    const values = instances.map((each) => {
      try {
        return this.#reference(each.id, apiVersion ?? each.apiVersion, isFull)
      } catch (error) {
        if (!(error instanceof NotYetKnown)) throw error
        unknown = error
        return null
      }
    })
    if (unknown) throw unknown
    return values
  }

  list(functionName: string, target: string, apiVersion: string, body: Value | undefined): Value {
    const id = instanceOf(this.#tables, target)?.id ?? target
    return this.#answer(['list', functionName, id, apiVersion, body], (runtime) =>
      runtime.list(id, functionName, apiVersion, body),
    )
  }

  #answer(question: readonly unknown[], ask: Ask): Value {
    const key = JSON.stringify(question)
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    this.#wanted.set(key, ask)
    throw new NotYetKnown(`The answer to ${key} is not known yet.`)
  }
}

function loopOf(tables: readonly InstanceTable[], target: string): readonly Instance[] {
  for (const table of tables) {
    const found = table.find(target).filter(({ isWanted }) => isWanted)
    if (found.length > 0) return found
  }
  return []
}

/** Notes which resources expressions refer to, while a plan is made: nothing is deployed, nothing is known. */
export class Probe implements RuntimeLookup {
  readonly isProbing = true
  readonly #tables: readonly InstanceTable[]
  /** Ids, also of resources that are not of this template. */
  readonly ids = new Set<string>()

  constructor(tables: readonly InstanceTable[]) {
    this.#tables = tables
  }

  reference(target: string): Value {
    this.ids.add(instanceOf(this.#tables, target)?.id ?? target)
    throw new NotYetKnown(`'${target}' is not deployed yet.`)
  }

  references(target: string): Value {
    const found = loopOf(this.#tables, target)
    for (const { id } of found) this.ids.add(id)
    if (found.length === 0) return []
    throw new NotYetKnown(`'${target}' is not deployed yet.`)
  }

  list(_functionName: string, target: string): Value {
    return this.reference(target)
  }
}
