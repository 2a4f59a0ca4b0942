import { OperatorError } from '../../base/operator-error.ts'
import type { Json } from '../client.ts'
import type { HubClient } from './hub-client.ts'

/** Azure's own bound on a page. */
const pageItems = 100
/** A hub that promises more for ever is not believed. */
const pagesMost = 1_000_000

/** Every result of a query in turn, page after page; at most `top` of them. */
export async function* queryHub(hub: HubClient, query: string, top?: number): AsyncGenerator<Json> {
  let continuation: string | undefined
  let told = 0
  for (let page = 0; page < pagesMost; page++) {
    const { headers, value } = await hub.ask('ServiceConnect', 'POST', '/devices/query', {
      body: { query },
      headers: {
        'x-ms-max-item-count': String(pageItems),
        ...(continuation !== undefined && { 'x-ms-continuation': continuation }),
      },
    })
    for (const item of value as readonly Json[]) {
      yield item
      if (++told === top) return
    }
    const next = headers['x-ms-continuation']
    if (typeof next !== 'string' || next === '') return
    continuation = next
  }
  throw new OperatorError(`The query has more than ${pagesMost} pages.`)
}
