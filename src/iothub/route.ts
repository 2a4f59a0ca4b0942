import type { IotHub } from '../catalog/iot-hub.ts'
import type { HttpRequest, HttpResponse } from '../http/http.ts'
import { invalid } from '../registry/errors.ts'
import { checkId } from '../registry/identity.ts'
import { type HubMeter, meterOf } from '../registry/quotas.ts'
import type { IdentityName, Registry } from '../registry/registry.ts'
import type { HubRight } from '../resources/iot-hubs.ts'
import { type DataActions, dataActionsOf } from './data-action.ts'

/** A request to a hub, by someone with the right to make it. */
export interface Call {
  readonly request: HttpRequest
  readonly hub: IotHub
  readonly registry: Registry
  /** What the path holds in the place of `{}`s, decoded. */
  readonly names: readonly string[]
  readonly body: () => Promise<unknown>
}

export interface Route {
  readonly method: string
  readonly path: readonly string[]
  readonly right: HubRight
  readonly actions: DataActions
  readonly meter: HubMeter | undefined
  /** Azure has no such operation, and no version of it. */
  readonly isOwn: boolean
  readonly act: (call: Call) => Promise<HttpResponse>
}

/** @param line such as `GET /devices/{}` */
export function route(line: string, right: HubRight, act: Route['act'], isOwn = false): Route {
  const [method = '', path = ''] = line.split(' ')
  const segments = path.slice(1).split('/')
  return {
    ...{ method, path: segments, right, act, isOwn },
    actions: dataActionsOf(method, segments),
    meter: meterOf(method, segments),
  }
}

export const ifMatch = ({ request }: Call): string | undefined => request.headers['if-match']

export const deviceName = ({ names: [deviceId = ''] }: Call): IdentityName => ({
  deviceId: checkId(deviceId, 'deviceId'),
})

/** @param most what a page has at most, and without a word of it */
export function decodeTop(text: string | null, most: number): number {
  if (text === null || text === '') return most
  const top = Number(text)
  if (!Number.isInteger(top) || top < 1) throw invalid('top', 'a whole number from 1', text)
  return Math.min(top, most)
}

/** Results of one page. Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language */
const pageMost = 1_000
const pageDefault = 100

export interface Page {
  readonly size: number
  /** As the page before has given it. */
  readonly continuation: string | undefined
}

export function decodePage({ headers }: HttpRequest): Page {
  return {
    size: decodeSize(headers['x-ms-max-item-count'] as string | undefined),
    continuation: headers['x-ms-continuation'] as string | undefined,
  }
}

function decodeSize(text: string | undefined): number {
  if (text === undefined || text === '') return pageDefault
  const size = Number(text)
  if (!Number.isInteger(size) || size < 1) throw invalid('x-ms-max-item-count', 'a whole number from 1', text)
  return Math.min(size, pageMost)
}
