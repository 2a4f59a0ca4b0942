import type { IotHub } from '../catalog/iot-hub.ts'
import type { HttpResponse } from '../http/http.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import type { IdentityName } from '../registry/registry.ts'
import { credentialsOf, type DeviceCredentials } from './device-credentials.ts'
import { type Call, deviceName, type Route } from './route.ts'

/** A device that has proved who it is. */
export type ProvenDevice = Pick<StoredIdentity, 'deviceId' | 'generationId'>

/** The device that proves itself so; rejects with a `HubError` where it does not. */
export type Vouch = (hub: IotHub, name: IdentityName, credentials: DeviceCredentials) => Promise<ProvenDevice>

/** What the device of the path does, once it has proved who it is. */
export const ofDevice =
  (vouch: Vouch, act: (call: Call, device: ProvenDevice) => Promise<HttpResponse>): Route['act'] =>
  async (call) =>
    act(call, await vouch(call.hub, deviceName(call), credentialsOf(call.request)))
