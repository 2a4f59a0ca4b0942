/**
 * Milliseconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as `P1DT12H`; undefined for any
 * other text. Years and months have no one length.
 */
export function decodeDuration(text: string): number | undefined {
  const parts =
    /^P(?=.)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=.)(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,10}(?:\.\d{1,7})?)S)?)?$/i.exec(
      text,
    )
  if (!parts) return undefined
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts
    .slice(1)
    .map((part) => Number(part ?? 0))
  return ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
}
