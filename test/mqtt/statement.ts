import { type TestContext, test } from 'node:test'
import type { ProtocolVersion } from '../../src/mqtt/packets/packet.ts'

/** The numbers of one normative statement in the two standards, as `3.1.2-4`. One alone: the other version lacks it. */
export interface Clause {
  readonly 4?: string
  readonly 5?: string
}

/**
 * A test of one normative statement, in each version that makes it. Its number is in the name of the test: in
 * [MQTT-3.1.2-4] and the like, or where it has none the section that says it.
 */
export function statement(
  clause: Clause,
  sentence: string,
  run: (t: TestContext, version: ProtocolVersion) => Promise<void>,
): void {
  for (const version of [4, 5] as const) {
    const number = clause[version]
    if (number === undefined) continue
    void test(`[MQTT-${number}] ${sentence} (MQTT ${version === 4 ? '3.1.1' : '5.0'})`, (t) =>
      run(t, version))
  }
}

/** The same number in both standards. */
export const both = (number: string): Clause => ({ 4: number, 5: number })

export const only5 = (number: string): Clause => ({ 5: number })
