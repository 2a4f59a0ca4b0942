import { createSystemClock, type EpochMs } from '../../base/clock.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { type Answer, type Client, type Json, Refused, type SendOptions } from '../client.ts'
import { type Found, withClient } from '../connection.ts'
import { textOf } from '../found.ts'
import { findHub, listPolicies, type Policy } from './hubs.ts'
import { encodeSasToken } from './sas-token.ts'

/*
 * The service API of one IoT hub. Requests go to this server with the hub's host name in `Host`, and with a token
 * that is signed with the key of one of its policies, as those of the official service clients are.
 */

const apiVersion = '2021-04-12'
const tokenMs = 60 * 60_000

/** What a shared access policy lets its holder do. */
export type HubRight = 'RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect'

export interface HubClient {
  /** The hub as the control plane shows it. */
  readonly resource: Json
  readonly hostName: string
  /** The control plane. */
  readonly arm: Client
  /** JSON in, decoded JSON out. Throws `Refused` for a status from 400 on, in the hub's words. */
  request(right: HubRight, method: string, path: string, more?: HubRequest): Promise<Json>
  /** As `request`, with the answer's headers; a status in `allow` is no refusal. */
  ask(right: HubRight, method: string, path: string, more?: HubRequest): Promise<HubAnswer>
}

export interface HubRequest extends Pick<SendOptions, 'headers' | 'timeoutMs' | 'signal'> {
  /** Beside the version of the API. */
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly allow?: readonly number[]
  /** A token of a device, in the place of one of a policy. */
  readonly token?: string
}

export interface HubAnswer {
  readonly headers: Answer['headers']
  readonly value: Json
}

/** Connects to the hub that `--hub` names, or to the only one; lets go of the connection, however it ends. */
export const withHub = (found: Found, act: (hub: HubClient) => Promise<void>): Promise<void> =>
  withClient(found, async (client) =>
    act(createHubClient(client, await findHub(client, textOf(found, 'hub'), textOf(found, 'resourceGroup')))),
  )

export function createHubClient(client: Client, resource: Json): HubClient {
  const hostName = resource.properties.hostName as string
  const clock = createSystemClock()
  let policies: Promise<readonly Policy[]> | undefined
  const tokens = new Map<HubRight, { readonly token: string; readonly renewAt: EpochMs }>()

  const tokenFor = async (right: HubRight): Promise<string> => {
    const now = clock.now()
    const known = tokens.get(right)
    if (known !== undefined && now < known.renewAt) return known.token
    const { keyName, primaryKey } = policyWith(
      await (policies ??= listPolicies(client, resource.id as string)),
      right,
      resource.name as string,
    )
    const token = encodeSasToken(hostName, primaryKey, now + tokenMs, keyName)
    tokens.set(right, { token, renewAt: now + tokenMs / 2 })
    return token
  }

  const ask: HubClient['ask'] = async (right, method, path, more = {}) => {
    const { body, headers, timeoutMs, signal, query, allow = [], token } = more
    const parameters = new URLSearchParams({ 'api-version': apiVersion, ...query })
    const answer = await client.send(method, `${path}?${parameters.toString()}`, {
      anonymous: true,
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(signal !== undefined && { signal }),
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json; charset=utf-8' }),
        ...headers,
        Host: hostName,
        Authorization: token ?? (await tokenFor(right)),
      },
    })
    if (answer.status >= 400 && !allow.includes(answer.status))
      throw refusalOfHub(answer, `${method} ${path} of ${hostName}`)
    return { headers: answer.headers, value: decode(answer, hostName) }
  }

  return {
    ...{ resource, hostName, arm: client, ask },
    request: async (right, method, path, more) => (await ask(right, method, path, more)).value,
  }
}

/** The policy that has most rights comes first, as `iothubowner` does. */
export function policyWith(policies: readonly Policy[], right: HubRight, hub: string): Policy {
  const has = (policy: Policy) => {
    const rights = policy.rights.split(/,\s*/)
    return rights.includes(right) || (right === 'RegistryRead' && rights.includes('RegistryWrite'))
  }
  const found = policies
    .filter(has)
    .toSorted((one, other) => other.rights.split(',').length - one.rights.split(',').length)[0]
  if (found) return found
  throw new OperatorError(
    `The IoT hub '${hub}' has no shared access policy with the right ${right}: add one to its authorizationPolicies.`,
  )
}

/** The hub says `ErrorCode:DeviceNotFound;dev1`. */
function refusalOfHub({ status, body }: Answer, what: string): Refused {
  const message = messageIn(body) ?? `${what} answered ${status}: ${body}`
  const [, code = '', text = message] = /^ErrorCode:(\w+);(.*)$/s.exec(message) ?? []
  return new Refused(
    status,
    code,
    `${explained(code, text.replaceAll(/\s*[\r\n]+\s*/g, ' '))} (${[status, code].join(' ').trim()})`,
  )
}

/** Where the hub says no more than a name, what to do. */
function explained(code: string, text: string): string {
  if (code === 'DeviceNotFound') return noDevice(text)
  if (code === 'DeviceNotOnline')
    return `${text.replace(/\.$/, '')}: the device is not connected, or does not listen for methods.`
  return text
}

export const noDevice = (deviceId: string): string =>
  `There is no device '${deviceId}': "busbar device list" shows those there are, "busbar device create" makes one.`

function messageIn(body: string): string | undefined {
  try {
    const { Message: message } = JSON.parse(body) as { readonly Message?: unknown }
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}

function decode({ body, status }: Answer, hostName: string): Json {
  if (body === '') return undefined
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new OperatorError(
      `${hostName} answered ${status} with what is no JSON: ${body.slice(0, 200)}`,
      error,
    )
  }
}
