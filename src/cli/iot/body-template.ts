import { randomInt } from 'node:crypto'
import type { EpochMs } from '../../base/clock.ts'

/** What the words in braces stand for; all other braces are themselves. */
export interface BodyValues {
  readonly device: string
  /** Of the device's messages, from 1. */
  readonly n: number
  readonly now: EpochMs
}

const words = {
  device: ({ device }: BodyValues) => device,
  n: ({ n }: BodyValues) => String(n),
  time: ({ now }: BodyValues) => new Date(now).toISOString(),
  random: () => String(randomInt(10_000) / 100),
} as const

type Word = keyof typeof words

export const bodyWords = '{device}, {n} (the number of its message), {time} and {random} (0 to 100)'

/** Reads the template once; what it answers with is called for every message. */
export function compileBody(template: string): (values: BodyValues) => Buffer {
  // Every other part is a word.
  const parts = template.split(/\{(device|n|time|random)\}/)
  return (values) =>
    Buffer.from(parts.map((part, index) => (index % 2 === 0 ? part : words[part as Word](values))).join(''))
}
