import type { TestContext } from 'node:test'
import type { World } from './world.ts'

/** What Busbar makes of a documented rule. */
export type Status =
  | 'works'
  /** Works, and not in every respect as in Azure: `note` says how. */
  | 'differs'
  /** Not done here: asked for, it is refused, and `note` says how. */
  | 'refused'

/** One documented rule or operation: a row of docs/compatibility.md, and a test that proves it. */
export interface Rule {
  /** A sentence, as it is true of Azure. */
  readonly rule: string
  /** Default: works. */
  readonly status?: Status
  readonly note?: string
  /** Proves it over the wire. */
  readonly check?: (t: TestContext, world: World) => Promise<void>
  /** Where another test proves it: its file, and the name of the test. */
  readonly provedBy?: readonly (readonly [file: string, test: string])[]
}

export interface Section {
  readonly title: string
  /** Where the rules are documented. */
  readonly source: string
  readonly rules: readonly Rule[]
}

/** A rule that other tests prove. */
export const proved = (rule: string, ...provedBy: NonNullable<Rule['provedBy']>): Rule => ({ rule, provedBy })
