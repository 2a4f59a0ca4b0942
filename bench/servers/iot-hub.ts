import { createHmac } from 'node:crypto'
import type { ControlPlane } from './control-plane.ts'

const id =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/bench/providers/Microsoft.Devices/IotHubs/bench'
const tokenForS = 24 * 3600

export const benchHubHost = 'bench.azure-devices.net'

/** A page of what a query gives. */
export interface QueryPage {
  readonly results: readonly unknown[]
  readonly continuation: string | undefined
}

/** Just enough of the service API of the only hub of a server. */
export class ServiceApi {
  readonly #url: string
  readonly #authorization: string

  private constructor(url: string, authorization: string) {
    this.#url = url
    this.#authorization = authorization
  }

  /** Makes the hub, or takes the one that is there. */
  static async open(url: string, controlPlane: ControlPlane): Promise<ServiceApi> {
    await controlPlane.put(id, { location: 'westus2', sku: { name: 'S3', capacity: 10 }, properties: {} })
    const { value } = (await controlPlane.post(`${id}/listkeys`)) as {
      readonly value: readonly { readonly keyName: string; readonly primaryKey: string }[]
    }
    const owner = value.find(({ keyName }) => keyName === 'iothubowner')
    return new ServiceApi(url, sharedAccessSignature(benchHubHost, owner?.primaryKey ?? '', 'iothubowner'))
  }

  /** Up to 100 devices, each with the keys that are given, or with random ones. */
  async create(deviceIds: readonly string[], primaryKey = ''): Promise<void> {
    const authentication = { type: 'sas', symmetricKey: { primaryKey, secondaryKey: primaryKey } }
    const items = deviceIds.map((deviceId) => ({ id: deviceId, importMode: 'create', authentication }))
    const { text } = await this.#call('POST', '/devices', items)
    if (!text.includes('"isSuccessful":true')) throw new Error(`Devices were not made: ${text.slice(0, 500)}`)
  }

  async query(query: string, size: number, continuation: string | undefined): Promise<QueryPage> {
    const { text, headers } = await this.#call(
      'POST',
      '/devices/query',
      { query },
      {
        'x-ms-max-item-count': String(size),
        ...(continuation !== undefined && { 'x-ms-continuation': continuation }),
      },
    )
    return {
      results: JSON.parse(text) as readonly unknown[],
      continuation: headers.get('x-ms-continuation') ?? undefined,
    }
  }

  async get(path: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> {
    return JSON.parse((await this.#call('GET', path, undefined, {}, query)).text)
  }

  async #call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
    query: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly text: string; readonly headers: Headers }> {
    const given = new URLSearchParams({ 'api-version': '2021-04-12', ...query })
    const response = await fetch(`${this.#url}${path}?${given.toString()}`, {
      method,
      headers: { authorization: this.#authorization, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok)
      throw new Error(`${method} ${path} was answered ${response.status}: ${text.slice(0, 500)}`)
    return { text, headers: response.headers }
  }
}

/** Of a policy where one is named, else of a device. */
export function sharedAccessSignature(resource: string, key: string, policy = ''): string {
  const sr = encodeURIComponent(resource)
  const se = Math.floor(Date.now() / 1000) + tokenForS
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${se}`).digest('base64')
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}${policy && `&skn=${policy}`}`
}
