import { existsSync, readFileSync } from 'node:fs'
import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { rootCertificates } from 'node:tls'
import { OperatorError } from '../base/operator-error.ts'

const timeoutMs = 10_000

export interface GetOptions {
  /** Sent as a bearer token. */
  readonly key: string | undefined
  /** Trusted beside the public authorities, where it is there. */
  readonly caFile: string | undefined
}

/** One GET of the public API. Throws an `OperatorError` when the server cannot be reached. */
export async function get(
  url: string,
  { key, caFile }: GetOptions,
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` }
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = url.startsWith('https:')
        ? getHttps(url, { headers, signal, ...trusted(caFile) }, resolve)
        : getHttp(url, { headers, signal }, resolve)
      request.on('error', reject)
    })
    return { status: response.statusCode as number, body: await text(response) }
  } catch (error) {
    throw new OperatorError(`${url} cannot be reached: ${(error as Error).message}`, error)
  }
}

const trusted = (caFile: string | undefined) =>
  caFile !== undefined && existsSync(caFile)
    ? { ca: [...rootCertificates, readFileSync(caFile, 'utf8')] }
    : {}
