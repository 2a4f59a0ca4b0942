import type { Scope } from '../scope.ts'

/** By name, with the unit last; undefined where the machine cannot tell. */
export type Figures = Readonly<Record<string, number | undefined>>

/** One thing that is measured once in each round. */
export interface Measurement {
  readonly name: string
  run(): Promise<Figures>
}

/** A figure of one measurement divided by that of another in the same round. */
export interface Ratio {
  readonly figure: string
  readonly of: string
  readonly to: string
}

export interface Prepared {
  readonly measurements: readonly Measurement[]
  readonly ratios?: readonly Ratio[]
  /** Where fewer rounds than asked for must do. */
  readonly rounds?: number
  /** What the reader must know to judge the figures. */
  readonly notes?: readonly string[]
}

export interface Settings {
  /** Everything within about a minute: shorter, smaller and once. */
  readonly quick: boolean
  /** Also what takes many minutes. */
  readonly large: boolean
  readonly warmUpMs: number
  readonly measuredMs: number
  /** Where the servers leave a processor profile when they stop; undefined: none. */
  readonly profileDirectory: string | undefined
}

export interface Scenario {
  readonly name: string
  /** One line. */
  readonly about: string
  /** Starts what is measured; the scope closes it. */
  prepare(scope: Scope, settings: Settings): Promise<Prepared>
}
