import type { IotHub } from '../catalog/iot-hub.ts'
import type { HttpResponse } from '../http/http.ts'
import type { MethodAnswer, MethodCall } from '../hubmessage/method.ts'
import type { IdentityName } from '../registry/registry.ts'
import { empty, json } from './answers.ts'
import { decodeDigitalTwinPatch, digitalTwinEtag, encodeDigitalTwin } from './digital-twins.ts'
import { decodeEtag } from './etag.ts'
import { decodeMethodCall } from './methods.ts'
import { type Call, deviceName, ifMatch, type Route, route } from './route.ts'

/**
 * Device twins as digital twins, and their commands, which are direct methods.
 *
 * Source: learn.microsoft.com/rest/api/iothub/service/digital-twin
 */
export function digitalTwinRoutes(
  invoke: (hub: IotHub, name: IdentityName, call: MethodCall) => Promise<MethodAnswer>,
): readonly Route[] {
  const seconds = ({ request }: Call, name: string) => {
    const text = request.query.get(name)
    return text === null || text === '' ? undefined : Number(text)
  }
  const command = async (call: Call, methodName: string): Promise<HttpResponse> => {
    const { status, payload } = await invoke(
      call.hub,
      deviceName(call),
      decodeMethodCall({
        methodName,
        payload: await call.body(),
        responseTimeoutInSeconds: seconds(call, 'responseTimeoutInSeconds'),
        connectTimeoutInSeconds: seconds(call, 'connectTimeoutInSeconds'),
      }),
    )
    return json(payload, { headers: { 'x-ms-command-statuscode': String(status) } })
  }
  const path = '/digitaltwins/{}'
  return [
    route(`GET ${path}`, 'ServiceConnect', async (call) => {
      const identity = await call.registry.get(deviceName(call))
      return json(encodeDigitalTwin(identity), { headers: { ETag: digitalTwinEtag(identity) } })
    }),
    route(`PATCH ${path}`, 'ServiceConnect', async (call) => {
      const name = deviceName(call)
      const placements = decodeDigitalTwinPatch(await call.body())
      const identity = await call.registry.setDesired(name, placements, decodeEtag(ifMatch(call), 'twin'))
      const { status, headers } = empty(202)
      const location = `/digitaltwins/${encodeURIComponent(name.deviceId)}`
      return { status, headers: { ...headers, ETag: digitalTwinEtag(identity), Location: location } }
    }),
    route(`POST ${path}/commands/{}`, 'ServiceConnect', (call) => command(call, call.names[1] ?? '')),
    route(`POST ${path}/components/{}/commands/{}`, 'ServiceConnect', (call) =>
      command(call, `${call.names[1]}*${call.names[2]}`),
    ),
  ]
}
