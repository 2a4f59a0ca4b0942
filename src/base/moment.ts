import type { EpochMs } from './clock.ts'

/** ISO 8601 in UTC, with seven fractional digits, as Azure's services write times. */
export const encodeMoment = (moment: EpochMs): string => new Date(moment).toISOString().replace('Z', '0000Z')
