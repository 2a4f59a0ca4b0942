import type { Figures, Measurement, Ratio, Scenario, Settings } from './scenarios/scenario.ts'
import { inScope } from './scope.ts'

/** Of one figure over all rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface MeasurementResult {
  readonly name: string
  readonly figures: Readonly<Record<string, Spread>>
}

export interface ScenarioResult {
  readonly name: string
  readonly about: string
  readonly rounds: number
  readonly measurements: readonly MeasurementResult[]
  readonly ratios: readonly (Ratio & { readonly spread: Spread })[]
  readonly notes: readonly string[]
}

/**
 * Every measurement once, then every measurement once more: noise of the machine hits all alike, and a ratio is
 * taken within a round.
 */
export function runScenario(scenario: Scenario, settings: Settings, rounds: number): Promise<ScenarioResult> {
  return inScope(async (scope) => {
    const prepared = await scenario.prepare(scope, settings)
    const { measurements, ratios = [], notes = [] } = prepared
    const taken = Math.min(rounds, prepared.rounds ?? rounds)
    const byRound: ReadonlyMap<string, Figures>[] = []
    for (let round = 0; round < taken; round++) byRound.push(await runRound(measurements))
    const valuesOf = (read: (round: ReadonlyMap<string, Figures>) => number | undefined) =>
      spreadOf(byRound.map(read).filter((value) => value !== undefined && Number.isFinite(value)) as number[])
    return {
      ...{ name: scenario.name, about: scenario.about, rounds: taken, notes },
      measurements: measurements.map(({ name }) => ({
        name,
        figures: Object.fromEntries(
          Object.keys(byRound[0]?.get(name) ?? {}).flatMap((figure) => {
            const spread = valuesOf((round) => round.get(name)?.[figure])
            return spread ? [[figure, spread]] : []
          }),
        ),
      })),
      ratios: ratios.flatMap((ratio) => {
        const { figure, of, to } = ratio
        const quotient = (round: ReadonlyMap<string, Figures>) =>
          (round.get(of)?.[figure] ?? Number.NaN) / (round.get(to)?.[figure] ?? Number.NaN)
        const spread = valuesOf(quotient)
        return spread ? [{ ...ratio, spread }] : []
      }),
    }
  })
}

async function runRound(measurements: readonly Measurement[]): Promise<ReadonlyMap<string, Figures>> {
  const figures = new Map<string, Figures>()
  for (const measurement of measurements) figures.set(measurement.name, await measurement.run())
  return figures
}

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] as number
  const middle = (sorted.length - 1) / 2
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  }
}
