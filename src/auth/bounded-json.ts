/** The answer's JSON object. Rejects when it is longer than `limitBytes`, or is no object. */
export async function readBoundedJson(
  response: Response,
  limitBytes: number,
): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > limitBytes) throw new Error(`the answer is longer than ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  const value = JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  if (typeof value !== 'object' || value === null) throw new Error('the answer is not a JSON object')
  return value as Record<string, unknown>
}
