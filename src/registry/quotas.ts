import type { Clock, EpochMs } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { HubSku } from '../resources/iot-hubs.ts'
import { HubError } from './errors.ts'

/*
 * How much of everything a hub takes, by its edition and its units. In the profile `strict` more is refused; in `open` the
 * first time that the service would refuse it is logged, and nothing else.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling
 */

export const hubMeters = [
  'connections',
  'sends',
  'registryOperations',
  'twinReads',
  'twinUpdates',
  'queries',
] as const
export type HubMeter = (typeof hubMeters)[number]

interface Rate {
  readonly perUnit: number
  /** Whatever the number of units. */
  readonly least?: number
  readonly seconds: 1 | 60
}

interface Edition {
  readonly rates: Readonly<Record<HubMeter, Rate>>
  /** Telemetry in a day of UTC, of one unit. */
  readonly messagesPerDay: number
  /** A message counts as many as it has begun pieces of so many bytes. */
  readonly meterBytes: number
}

const perSecond = (perUnit: number, least = 0): Rate => ({ perUnit, least, seconds: 1 })
const perMinute = (perUnit: number): Rate => ({ perUnit, seconds: 60 })
const twins = { twinReads: perSecond(0, 100), twinUpdates: perSecond(0, 50) }

const small: Edition = {
  rates: {
    ...twins,
    connections: perSecond(12, 100),
    sends: perSecond(12, 100),
    registryOperations: perMinute(100),
    queries: perMinute(20),
  },
  messagesPerDay: 400_000,
  meterBytes: 4 * 1024,
}

const medium: Edition = {
  ...small,
  rates: { ...small.rates, connections: perSecond(120), sends: perSecond(120) },
  messagesPerDay: 6_000_000,
}

const large: Edition = {
  rates: {
    ...twins,
    connections: perSecond(6_000),
    sends: perSecond(6_000),
    registryOperations: perMinute(5_000),
    queries: perMinute(1_000),
  },
  messagesPerDay: 300_000_000,
  meterBytes: 4 * 1024,
}

export const hubEditions: Readonly<Record<HubSku, Edition>> = {
  F1: { ...small, messagesPerDay: 8_000, meterBytes: 512 },
  B1: small,
  B2: medium,
  B3: large,
  S1: small,
  S2: medium,
  S3: large,
}

const words: Readonly<Record<HubMeter, string>> = {
  connections: 'new connections',
  sends: 'messages of devices',
  registryOperations: 'operations on the registry',
  twinReads: 'reads of twins',
  twinUpdates: 'updates of twins',
  queries: 'queries',
}

const dayMs = 86_400_000

export interface HubQuotasOptions {
  /** As it is now. */
  readonly hub: () => Pick<IotHub, 'id' | 'sku' | 'units'>
  readonly isStrict: boolean
  readonly clock: Clock
  readonly log: Log
}

export class HubQuotas {
  readonly #options: HubQuotasOptions
  #buckets = new Map<HubMeter, TokenBucket>()
  /** For which the buckets were made. */
  #sku: HubSku | undefined
  #units = 0
  #day = 0
  #messages = 0
  /** What has been logged. */
  readonly #noticed = new Set<HubMeter | 'day'>()

  constructor(options: HubQuotasOptions) {
    this.#options = options
  }

  /** Why that cannot be had now; undefined: it can, and was counted. */
  refusal(meter: HubMeter): HubError | undefined {
    const { clock, hub } = this.#options
    const { sku, units } = hub()
    const now = clock.now()
    if (this.#bucketOf(meter, now).take(1, now)) return undefined
    const { least = 0, perUnit, seconds } = hubEditions[sku].rates[meter]
    const most = Math.max(least, perUnit * units)
    const text = `A hub of ${units} ${sku} takes ${most} ${words[meter]} in ${seconds === 1 ? 'a second' : 'a minute'}.`
    return this.#refuse(meter, new HubError('ThrottlingException', text))
  }

  /** The same of the messages of a day; they count as the service counts them. */
  refusalOfMessages(bytes: readonly number[]): HubError | undefined {
    const { clock, hub } = this.#options
    const { sku, units } = hub()
    const { messagesPerDay, meterBytes } = hubEditions[sku]
    const day = Math.floor(clock.now() / dayMs)
    if (day !== this.#day) {
      this.#day = day
      this.#messages = 0
    }
    const count = bytes.reduce((sum, each) => sum + Math.max(1, Math.ceil(each / meterBytes)), 0)
    const most = messagesPerDay * units
    if (this.#messages + count <= most) {
      this.#messages += count
      return undefined
    }
    const text = `A hub of ${units} ${sku} takes ${most} messages of ${meterBytes} bytes in a day.`
    return this.#refuse('day', new HubError('IotHubQuotaExceeded', text))
  }

  /** How many messages it has taken on this day, and how many it may. */
  messagesOfDay(): { readonly taken: number; readonly most: number } {
    const { clock, hub } = this.#options
    const { sku, units } = hub()
    const isToday = Math.floor(clock.now() / dayMs) === this.#day
    return { taken: isToday ? this.#messages : 0, most: hubEditions[sku].messagesPerDay * units }
  }

  #bucketOf(meter: HubMeter, now: EpochMs): TokenBucket {
    const { sku, units } = this.#options.hub()
    if (this.#sku !== sku || this.#units !== units) {
      this.#sku = sku
      this.#units = units
      this.#buckets = new Map()
    }
    let bucket = this.#buckets.get(meter)
    if (!bucket) {
      const { least = 0, perUnit, seconds } = hubEditions[sku].rates[meter]
      const most = Math.max(least, perUnit * units)
      bucket = new TokenBucket(most / seconds, now, most)
      this.#buckets.set(meter, bucket)
    }
    return bucket
  }

  #refuse(what: HubMeter | 'day', error: HubError): HubError | undefined {
    const { isStrict, log, hub } = this.#options
    if (isStrict) return error
    if (!this.#noticed.has(what)) {
      this.#noticed.add(what)
      log.warn({ hub: hub().id }, `Azure would refuse this with ${error.code}: ${error.message}`)
    }
    return undefined
  }
}

/** What a request of the service API counts as; undefined: nothing. */
export function meterOf(method: string, path: readonly string[]): HubMeter | undefined {
  const [collection, second] = path
  const last = path.at(-1)
  if (collection === 'twins' && last !== 'methods') return method === 'GET' ? 'twinReads' : 'twinUpdates'
  if (collection !== 'devices') return undefined
  if (second === 'query') return 'queries'
  const isIdentity = path.length <= 2 || (second === '{}' && path[2] === 'modules' && path.length <= 4)
  return isIdentity ? 'registryOperations' : undefined
}
