import { type BlobRequest, type Change, changeOf } from './change.ts'

/*
 * Blob Batch: up to 256 deletes or tier changes as the parts of one body, answered by as many parts.
 *
 * Source: learn.microsoft.com/rest/api/storageservices/blob-batch
 */

/** Azure refuses a larger one. */
export const batchBytes = 4 * 1024 * 1024

/** What the parts of a batch would change, by their Content-ID; parts that nothing is told of are left out. */
export function changesOf(
  contentType: string | undefined,
  body: Buffer,
  accountPath: string,
): ReadonlyMap<string, Change> {
  const changes = new Map<string, Change>()
  for (const { id, lines } of partsOf(contentType, body)) {
    const [method = '', target = ''] = lines[0]?.split(' ') ?? []
    const request = requestOf(method, target, headersOf(lines), accountPath)
    const change = request && changeOf(request)
    if (change) changes.set(id, change)
  }
  return changes
}

export interface PartAnswer {
  readonly status: number
  readonly header: (name: string) => string | undefined
}

/** The answer to each part, by its Content-ID. */
export function answersOf(contentType: string | undefined, body: Buffer): ReadonlyMap<string, PartAnswer> {
  const answers = new Map<string, PartAnswer>()
  for (const { id, lines } of partsOf(contentType, body)) {
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(lines[0] ?? '')?.[1])
    const headers = headersOf(lines)
    answers.set(id, { status, header: (name) => headers.get(name) })
  }
  return answers
}

interface Part {
  readonly id: string
  /** Of the request or answer within, with its first line. */
  readonly lines: readonly string[]
}

function* partsOf(contentType: string | undefined, body: Buffer): Generator<Part> {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType ?? '')?.[1]
  if (boundary === undefined) return
  let position = 0
  for (const part of body.toString('latin1').split(`--${boundary}`)) {
    const blank = /\r?\n\r?\n/.exec(part)
    if (!blank) continue
    const outer = headersOf(part.slice(0, blank.index).split(/\r?\n/))
    const inner = part.slice(blank.index + blank[0].length).trimStart()
    // Parts are numbered where they do not number themselves.
    yield { id: outer.get('content-id') ?? String(position), lines: inner.split(/\r?\n/) }
    position++
  }
}

function headersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}

function requestOf(
  method: string,
  target: string,
  headers: ReadonlyMap<string, string>,
  accountPath: string,
): BlobRequest | undefined {
  const url = URL.parse(target, 'http://blobs')
  if (!url?.pathname.startsWith(`${accountPath}/`)) return undefined
  return {
    method,
    path: url.pathname.slice(accountPath.length),
    query: url.searchParams,
    header: (name) => headers.get(name),
  }
}
