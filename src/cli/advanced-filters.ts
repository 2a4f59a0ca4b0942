import { operatorTypes } from '../resources/event-subscriptions/advanced-filters.ts'
import type { Json } from './client.ts'
import { UsageError } from './usage-error.ts'

/**
 * `--advanced-filter KEY OPERATOR VALUE...`, given any number of times, of which commander makes one list: where
 * the name of an operator stands, the word before it begins the next filter.
 *
 * Source: learn.microsoft.com/cli/azure/eventgrid/event-subscription, "--advanced-filter"
 */
export function decodeAdvancedFilters(words: readonly string[]): readonly Json[] {
  const operatorAt = (index: number) =>
    operatorTypes.find((name) => name.toLowerCase() === words[index]?.toLowerCase())
  const filters: Json[] = []
  let at = 0
  while (at < words.length) {
    const key = words[at] as string
    const operatorType = operatorAt(at + 1)
    if (operatorType === undefined)
      throw new UsageError(
        `--advanced-filter takes KEY OPERATOR VALUE...: after '${key}' stands ` +
          `${words[at + 1] === undefined ? 'nothing' : `'${words[at + 1]}'`}, and not one of ${operatorTypes.join(', ')}.`,
      )
    let end = at + 2
    while (end < words.length && operatorAt(end + 1) === undefined) end++
    filters.push({ operatorType, key, ...valuesOf(operatorType, words.slice(at + 2, end)) })
    at = end
  }
  return filters
}

const single = /^(Number(Less|Greater)Than(OrEquals)?|BoolEquals)$/

function valuesOf(operator: string, words: readonly string[]): Json {
  if (operator.startsWith('Is')) {
    if (words.length > 0) throw new UsageError(`${operator} takes no value: got '${words.join(' ')}'.`)
    return {}
  }
  if (words.length === 0) throw new UsageError(`${operator} needs a value.`)
  const values = words.map((word) => valueOf(operator, word))
  if (!single.test(operator)) return { values }
  if (values.length > 1) throw new UsageError(`${operator} takes one value: got '${words.join(' ')}'.`)
  return { value: values[0] }
}

function valueOf(operator: string, word: string): unknown {
  if (operator.startsWith('String')) return word
  if (operator === 'BoolEquals') {
    const lower = word.toLowerCase()
    if (lower === 'true' || lower === 'false') return lower === 'true'
    throw new UsageError(`BoolEquals takes true or false: got '${word}'.`)
  }
  if (!operator.endsWith('InRange')) return numberOf(operator, word)
  const [from, to, ...more] = word.split(',')
  if (from === undefined || to === undefined || more.length > 0)
    throw new UsageError(`${operator} takes FROM,TO: got '${word}'.`)
  return [numberOf(operator, from), numberOf(operator, to)]
}

function numberOf(operator: string, word: string): number {
  const number = word.trim() === '' ? Number.NaN : Number(word)
  if (Number.isFinite(number)) return number
  throw new UsageError(`${operator} takes numbers: got '${word}'.`)
}
