import type { Arguments } from '../language/arguments.ts'
import { templateFunction } from '../language/template-function.ts'
import { formatDate, readDate, readDuration } from './date-format.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-date
 */

/** What a date is printed as when nothing is said. */
const isoFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'"

export const dateFunctions = [
  templateFunction('dateTimeAdd', [2, 3], dateTimeAdd, [
    ["dateTimeAdd('2023-01-01 00:00:00Z', 'P1Y')", '2024-01-01T00:00:00Z'],
    ["dateTimeAdd('2024-01-01 00:00:00Z', 'P1Y')", '2024-12-31T00:00:00Z'],
    ["dateTimeAdd('2023-02-01 00:00:00Z', 'P1M')", '2023-03-03T00:00:00Z'],
    ["dateTimeAdd('2024-02-01 00:00:00Z', 'P1M')", '2024-03-02T00:00:00Z'],
    ["dateTimeAdd('2020-04-07 14:53:14Z', '-P9D', 'yyyy-MM-dd')", '2020-03-29'],
    ["dateTimeAdd('20200407T145314Z', 'PT1H', 'u')", '2020-04-07 15:53:14Z'],
  ]),
  templateFunction('dateTimeFromEpoch', 1, dateTimeFromEpoch, [
    ['dateTimeFromEpoch(1683040573)', '2023-05-02T15:16:13Z'],
  ]),
  templateFunction('dateTimeToEpoch', 1, (args) => Math.floor(dateOf(args, 0) / 1_000), [
    ["dateTimeToEpoch('2023-05-02T15:16:13Z')", 1683040573],
    ["dateTimeToEpoch('2023-05-02T17:16:13+02:00')", 1683040573],
  ]),
  templateFunction('utcNow', [0, 1], utcNow, [
    ['utcNow()', '20260102T030405Z'],
    ["utcNow('d')", '01/02/2026'],
    ["utcNow('M d')", '1 2'],
    ["utcNow('ddd, dd MMM yyyy h:mm tt')", 'Fri, 02 Jan 2026 3:04 AM'],
    ["utcNow('o')", '2026-01-02T03:04:05.0000000Z'],
  ]),
] as const

function utcNow(args: Arguments): string {
  if (!args.environment.isParameterDefault) throw args.notExpectedHere()
  const format = args.optionalString(0) ?? "yyyyMMdd'T'HHmmss'Z'"
  return print(args, args.environment.surroundings.now, format)
}

function dateTimeAdd(args: Arguments): string {
  const duration = readDuration(args.string(1))
  if (duration === undefined) throw args.fault("argument 2 must be an ISO 8601 duration, such as 'P1DT2H'")
  return print(args, dateOf(args, 0) + duration, args.optionalString(2) ?? isoFormat)
}

function dateTimeFromEpoch(args: Arguments): string {
  return print(args, args.integer(0) * 1_000, isoFormat)
}

function dateOf(args: Arguments, index: number): number {
  const date = readDate(args.string(index))
  if (date === undefined) throw args.fault(`argument ${index + 1} must be an ISO 8601 date and time`)
  return date
}

function print(args: Arguments, moment: number, format: string): string {
  if (moment < firstMoment || moment > lastMoment)
    throw args.fault('the date must lie in the years 1 to 9999')
  const text = formatDate(moment, format)
  if (text === undefined) throw args.fault(`the date format '${format.slice(0, 100)}' is not valid`)
  return text
}

const firstMoment = Date.parse('0001-01-01T00:00:00Z')
const lastMoment = Date.parse('9999-12-31T23:59:59Z')
