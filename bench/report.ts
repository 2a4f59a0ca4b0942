import type { ScenarioResult, Spread } from './run-scenario.ts'

/** A scenario's figures as text: the median, and behind it the smallest and largest where there were rounds. */
export function encodeReport({ name, about, rounds, measurements, ratios, notes }: ScenarioResult): string {
  const columns = Array.from(new Set(measurements.flatMap(({ figures }) => Object.keys(figures))))
  const rows = measurements.map(({ name: row, figures }) => [
    row,
    ...columns.map((column) => encodeSpread(figures[column], rounds)),
  ])
  const lines = [
    `## ${name}: ${about}${rounds > 1 ? ` (median [min-max] of ${rounds} rounds)` : ''}`,
    '',
    ...encodeTable([['', ...columns], ...rows]),
  ]
  if (ratios.length > 0) lines.push('')
  for (const { figure, of, to, spread } of ratios)
    lines.push(`- ${figure}, ${of}: ${encodeSpread(spread, rounds)} times that of ${to}`)
  if (notes.length > 0) lines.push('', ...notes)
  return `${lines.join('\n')}\n`
}

function encodeTable(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  const encodeRow = (row: readonly string[]) =>
    `| ${row.map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, n) => `${'-'.repeat(width + 1)}${n === 0 ? '-' : ':'}`).join('|')}|`
  const [head = [], ...body] = rows
  return [encodeRow(head), rule, ...body.map(encodeRow)]
}

function encodeSpread(spread: Spread | undefined, rounds: number): string {
  if (!spread) return ''
  const { median, min, max } = spread
  return rounds > 1 && max > min
    ? `${encodeNumber(median)} [${encodeNumber(min)}-${encodeNumber(max)}]`
    : encodeNumber(median)
}

/** Three significant digits: more would claim what such a run cannot know. */
const encodeNumber = (value: number): string =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
