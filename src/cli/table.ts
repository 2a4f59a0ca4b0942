/** Rows of texts under a heading, in columns; every line without blanks at its end. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows.map((row) => row.map(oneLine))]
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** Names and values, one pair a line. */
export function pairs(values: Readonly<Record<string, string | undefined>>): string {
  const shown = Object.entries(values).filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(0, ...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${oneLine(value as string)}\n`).join('')
}

/** What others chose may hold line ends and other controls, which a terminal would obey. */
const oneLine = (text: string) => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')

/** A line of its own. */
export const plainLine = (text: string): string => `${oneLine(text)}\n`

/** JSON for programs, as every command prints it. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
