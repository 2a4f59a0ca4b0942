import type { IotHub } from '../catalog/iot-hub.ts'
import { applyContent } from '../registry/apply-content.ts'
import {
  checkConfigurationId,
  configurationsMost,
  decodeConfiguration,
  decodeQueries,
  type StoredConfiguration,
} from '../registry/configuration.ts'
import { testQueries } from '../registry/configurations.ts'
import type { Presence } from '../registry/encode.ts'
import { HubError, invalid } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { empty, json, withEtag } from './answers.ts'
import { decodeEtag, isUpdate } from './etag.ts'
import { type Call, decodeTop, deviceName, ifMatch, type Route, route } from './route.ts'

/**
 * Automatic device management.
 *
 * Source: learn.microsoft.com/rest/api/iothub/service/configuration
 */
export function configurationRoutes(
  presenceOf: (hub: IotHub, identity: StoredIdentity) => Presence,
): readonly Route[] {
  const shown = ({ hub, registry }: Call, some: readonly StoredConfiguration[]) =>
    registry.configurations.encode(some, (identity) => presenceOf(hub, identity))
  const shownOne = async (call: Call, configuration: StoredConfiguration) =>
    withEtag((await shown(call, [configuration]))[0] as WireObject)
  const idOf = ({ names: [id = ''] }: Call) => checkConfigurationId(id)
  const path = '/configurations/{}'
  return [
    route('GET /configurations', 'RegistryRead', async (call) => {
      const top = decodeTop(call.request.query.get('top'), configurationsMost.standard)
      return json(await shown(call, call.registry.configurations.all().slice(0, top)))
    }),
    route('POST /configurations/testqueries', 'RegistryRead', async (call) => {
      const body = await call.body()
      if (!isObject(body)) throw invalid('The body', 'an object', body)
      const { targetCondition = '', customMetricQueries } = body
      if (typeof targetCondition !== 'string') throw invalid('targetCondition', 'a string', targetCondition)
      return json(
        testQueries(targetCondition, decodeQueries(customMetricQueries ?? {}, 'customMetricQueries')),
      )
    }),
    route(`PUT ${path}`, 'RegistryWrite', async (call) => {
      const { hub, registry } = call
      const id = idOf(call)
      const request = decodeConfiguration(await call.body(), id)
      const { free, standard } = configurationsMost
      if (isUpdate(ifMatch(call))) {
        const etag = decodeEtag(ifMatch(call), 'identity')
        return shownOne(call, await registry.configurations.update(id, request, etag))
      }
      const most = hub.sku === 'F1' ? free : standard
      return shownOne(call, await registry.configurations.create(id, request, most))
    }),
    route(`GET ${path}`, 'RegistryRead', async (call) =>
      shownOne(call, call.registry.configurations.get(idOf(call))),
    ),
    route(`DELETE ${path}`, 'RegistryWrite', async (call) => {
      await call.registry.configurations.remove(idOf(call), decodeEtag(ifMatch(call), 'identity'))
      return empty(204)
    }),
    route('POST /devices/{}/applyconfigurationcontent', 'RegistryWrite', async (call) => {
      const body = await call.body()
      if (!isObject(body)) throw new HubError('InvalidConfigurationContent', 'The content must be an object.')
      await applyContent(call.registry, deviceName(call).deviceId, body)
      return empty(204)
    }),
  ]
}
