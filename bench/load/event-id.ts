/*
 * The id of an event that the load generator publishes. Decimal digits of fixed width, so that a request is
 * patched in place and the receiver reads the id wherever it stands in a body:
 *
 *   bb-<run, 6>-<sequence, 9>-<microseconds, 16>
 *
 * The microseconds are those of the monotonic clock when the event was due to be published.
 */

export const runLength = 6
export const sequenceDigits = 9
const microsecondDigits = 16

export const markOf = (run: string): string => `bb-${run}-`

/** A name for the events of one run that no other run of this machine is likely to have. */
export const createRun = (): string =>
  Math.floor(Math.random() * 36 ** runLength)
    .toString(36)
    .padStart(runLength, '0')

/** An id with zeros where `writeId` will write. */
export const blankId = (run: string): string =>
  `${markOf(run)}${'0'.repeat(sequenceDigits)}-${'0'.repeat(microsecondDigits)}`

const markLength = 'bb-'.length + runLength + 1
const microsecondsAt = markLength + sequenceDigits + 1
export const idLength = microsecondsAt + microsecondDigits

/** Writes sequence and moment into the id that begins at `at`. */
export function writeId(bytes: Buffer, at: number, sequence: number, dueUs: number): void {
  writeDigits(bytes, at + markLength, sequenceDigits, sequence)
  writeDigits(bytes, at + microsecondsAt, microsecondDigits, dueUs)
}

export const sequenceAt = (bytes: Buffer, at: number): number =>
  readDigits(bytes, at + markLength, sequenceDigits)

export const dueUsAt = (bytes: Buffer, at: number): number =>
  readDigits(bytes, at + microsecondsAt, microsecondDigits)

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  for (let n = at + digits - 1; n >= at; n--) {
    const tenth = Math.floor(value / 10)
    bytes[n] = 48 + value - tenth * 10
    value = tenth
  }
}

function readDigits(bytes: Buffer, at: number, digits: number): number {
  let value = 0
  for (let n = at; n < at + digits; n++) value = value * 10 + (bytes[n] as number) - 48
  return value
}
