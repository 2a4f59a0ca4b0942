import { createRandom } from '../../../src/testing/random.ts'
import { Model } from './model.ts'
import type { PullSystem, Settling } from './system.ts'

/** What can be killed, and is there again. */
export interface MortalSystem extends PullSystem {
  /** Kills it with whatever it is doing; rejects what was not answered. Resolves when it has been started again. */
  kill(now: number): Promise<void>
}

export interface RunOptions {
  readonly seed: number
  readonly steps: number
  /** Where the clock begins. */
  readonly now: number
  readonly onStep?: (step: number, model: Model) => void
}

/** How likely what is done is, in proportion. */
interface Phase {
  readonly publish: number
  readonly receive: number
  readonly settle: number
  readonly advance: number
  readonly check: number
  readonly restart: number
  readonly settlings: readonly Settling[]
  /** Of the tokens that are there, the share that is settled at a time. */
  readonly share: number
}

const everything: readonly Settling[] = ['acknowledge', 'acknowledge', 'release', 'reject', 'renewLock']
const usual: Phase = {
  ...{ publish: 280, receive: 340, settle: 310, advance: 50, check: 8, restart: 8 },
  ...{ settlings: everything, share: 0.3 },
}
/** What receivers go through in the course of time; each lasts for a while. */
const phases: readonly Phase[] = [
  usual,
  usual,
  // A backlog grows, of which some is locked for long.
  {
    ...usual,
    publish: 700,
    receive: 100,
    settle: 180,
    advance: 8,
    restart: 8,
    settlings: ['renewLock'],
    share: 0.6,
  },
  // It is worked off while old locks are held on to.
  {
    ...{ ...usual, publish: 200, receive: 400, settle: 370, advance: 10, restart: 12 },
    ...{ settlings: ['acknowledge', 'acknowledge', 'acknowledge', 'renewLock'], share: 0.2 },
  },
  // Nobody settles anything.
  { ...usual, publish: 250, receive: 450, settle: 20, advance: 250, restart: 20 },
]
const phaseSteps = 150
const killShare = 0.006
const delaysMs = [0, 0, 10_000, 60_000, 600_000]
/** Of the events that are there; beyond it, none is published. */
const mostEvents = 600
/** How long what must be there is asked for before it is missing: the store may be moving it. */
const patienceMs = 20_000

/** Does random things to the system, and compares what it says with the model. Throws with the seed and the step. */
export async function runPullModel(system: MortalSystem, options: RunOptions): Promise<Model> {
  const { seed, steps, onStep } = options
  const run = new Run(system, options)
  let step = 0
  try {
    for (; step < steps; step++) {
      await run.step()
      onStep?.(step, run.model)
    }
    await run.drain()
  } catch (error) {
    throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, { cause: error })
  }
  return run.model
}

interface Settlement {
  readonly how: Settling
  readonly tokens: readonly string[]
  readonly delayMs: number
}

class Run {
  readonly model: Model
  readonly #system: MortalSystem
  readonly #random: ReturnType<typeof createRandom>
  #nextId = 1
  #phase = usual

  constructor(system: MortalSystem, { seed, now }: RunOptions) {
    this.#system = system
    this.#random = createRandom(seed)
    this.model = new Model(now)
  }

  async step(): Promise<void> {
    const random = this.#random
    const { model } = this
    if (random.below(phaseSteps) === 0) this.#phase = phases[random.below(phases.length)] as Phase
    const { publish, receive, settle, advance, check, restart } = this.#phase
    if (random.chance(killShare)) return this.#kill()
    let choice = random.below(publish + receive + settle + advance + check + restart)
    const isIn = (share: number) => (choice -= share) < 0
    if (isIn(publish)) {
      if (model.size < mostEvents) await this.#publish()
    } else if (isIn(receive)) await this.#receive(1 + random.below(mostAtATime))
    else if (isIn(settle)) await this.#settle(this.#someTokens())
    else if (isIn(advance)) await this.#advance(this.#someTime())
    else if (isIn(check)) await this.#receiveWhatMustBeThere()
    else await this.#restart()
  }

  /** All that is left comes out, and nothing else. */
  async drain(): Promise<void> {
    const { model } = this
    const system = this.#system
    // Beyond every lock and delay, and not beyond the time to live of what was published last.
    await this.#advance(600_000)
    await this.#receiveWhatMustBeThere()
    await this.#settle({ how: 'acknowledge', tokens: model.tokens(), delayMs: 0 })
    const startedAt = performance.now()
    for (let entries = await system.entries(); entries > 0; entries = await system.entries()) {
      if (performance.now() - startedAt > patienceMs)
        throw new Error(`${entries} events are left in the queue`)
      const tokens = await this.#receive(100)
      if (tokens.length > 0) await this.#settle({ how: 'acknowledge', tokens, delayMs: 0 })
      else {
        await this.#advance(1_000)
        await new Promise<void>((resolve) => setTimeout(resolve, 1))
      }
    }
  }

  async #publish(): Promise<void> {
    const ids = Array.from({ length: 1 + this.#random.below(6) }, () => this.#nextId++)
    await this.#system.publish(ids)
    this.model.published(ids, true)
  }

  async #receive(max: number): Promise<readonly string[]> {
    const events = await this.#system.receive(max)
    // What was given up on the way is told first: it can have been nothing of these.
    this.model.givenUp(await this.#system.takeGivenUp())
    this.model.received(max, events)
    return events.map(({ token }) => token)
  }

  async #receiveWhatMustBeThere(): Promise<void> {
    const { model } = this
    const startedAt = performance.now()
    while (model.available().length > 0) {
      if (performance.now() - startedAt > patienceMs)
        throw new Error(`events ${model.available().join(' ')} do not come`)
      const events = await this.#receive(50)
      if (events.length === 0) await new Promise<void>((resolve) => setTimeout(resolve, 1))
    }
    const entries = await this.#system.entries()
    const { least, most } = model.bounds
    if (entries < least || entries > most)
      throw new Error(`the queue has ${entries} events, and should have ${least} to ${most}`)
  }

  async #settle({ how, tokens, delayMs }: Settlement): Promise<void> {
    if (tokens.length === 0) return
    const good = await this.#system.settle(how, tokens, delayMs)
    this.model.settled(how, tokens, delayMs, good)
  }

  /** Of what may be locked some, and now and then one that is over, or twice the same. */
  #someTokens(): Settlement {
    const random = this.#random
    const { settlings, share } = this.#phase
    const tokens = this.model.tokens().filter(() => random.chance(share))
    const old = this.model.oldTokens()
    if (old.length > 0 && random.chance(0.2)) tokens.push(old[random.below(old.length)] as string)
    if (tokens.length > 0 && random.chance(0.1)) tokens.push(tokens[0] as string)
    const how = settlings[random.below(settlings.length)] as Settling
    return { how, tokens, delayMs: delaysMs[random.below(delaysMs.length)] as number }
  }

  #someTime(): number {
    const random = this.#random
    if (random.chance(0.02)) return 3_600_000
    return random.chance(0.2) ? 60_000 : random.below(20_000)
  }

  async #advance(ms: number): Promise<void> {
    await this.#system.advance(ms)
    this.model.now += ms
    this.model.givenUp(await this.#system.takeGivenUp())
  }

  async #restart(): Promise<void> {
    this.model.givenUp(await this.#system.takeGivenUp())
    this.model.killed()
    await this.#system.restart()
  }

  /** Kills it while it is asked for several things: whatever it answered before it died holds. */
  async #kill(): Promise<void> {
    const system = this.#system
    const { model } = this
    model.givenUp(await system.takeGivenUp())
    const random = this.#random
    const ids = Array.from({ length: 1 + random.below(6) }, () => this.#nextId++)
    const { how, tokens, delayMs } = this.#someTokens()
    const publishing = random.chance(0.7) ? outcomeOf(system.publish(ids)) : undefined
    const settles = tokens.length > 0 && random.chance(0.7)
    const settling = settles ? outcomeOf(system.settle(how, tokens, delayMs)) : undefined
    const receiving = random.chance(0.5) ? outcomeOf(system.receive(mostAtATime)) : undefined
    const turns = random.below(40)
    for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    await system.kill(model.now)
    const [published, settled, received] = [await publishing, await settling, await receiving]
    model.killed()
    if (published) model.published(ids, published.isAnswered)
    // The order in which the three were done is not known: what may be is what any order may leave.
    if (settled?.isAnswered) model.settled(how, tokens, delayMs, settled.value)
    else if (settled) model.maySettle(how, tokens, delayMs)
    if (received?.isAnswered) model.received(mostAtATime, received.value)
    else if (received) model.mayHaveReceived()
  }
}

const mostAtATime = 12

type Outcome<Value> = { readonly isAnswered: true; readonly value: Value } | { readonly isAnswered: false }

/** Of what is asked of a system that is killed. */
function outcomeOf<Value>(asked: Promise<Value>): Promise<Outcome<Value>> {
  return asked.then(
    (value) => ({ isAnswered: true, value }),
    () => ({ isAnswered: false }),
  )
}
