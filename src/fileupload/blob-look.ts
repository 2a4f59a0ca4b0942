import { Agent } from 'undici'
import type { EpochMs } from '../base/clock.ts'
import { createConnector, type NetworkRules } from '../destinations/network.ts'

/** What a storage account says of a blob. */
export interface BlobFacts {
  readonly status: number
  readonly bytes: number
  readonly changedAt: EpochMs | undefined
}

export interface BlobLook {
  /** Rejects where the storage account is not reached. */
  look(url: string): Promise<BlobFacts>
  close(): Promise<void>
}

const connectMs = 10_000
/** Real time that storage has to answer. */
const answerMs = 10_000
const connectionsPerOrigin = 8

/**
 * Asks storage accounts, within the rules of deliveries; redirects are not followed.
 *
 * Source: learn.microsoft.com/rest/api/storageservices/get-blob-properties
 */
export function createBlobLook(rules: NetworkRules): BlobLook {
  const agent = new Agent({
    connect: createConnector(rules, connectMs),
    connections: connectionsPerOrigin,
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
  })
  return {
    async look(url) {
      const { origin, pathname, search } = new URL(url)
      const { statusCode, headers, body } = await agent.request({
        ...{ origin, path: `${pathname}${search}`, method: 'HEAD' },
      })
      await body.dump()
      const changedAt = Date.parse(String(headers['last-modified']))
      return {
        status: statusCode,
        bytes: Number(headers['content-length'] ?? 0),
        changedAt: Number.isNaN(changedAt) ? undefined : changedAt,
      }
    },
    close: () => agent.destroy(),
  }
}
