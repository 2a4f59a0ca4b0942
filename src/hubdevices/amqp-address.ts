import { checkId } from '../registry/identity.ts'
import type { IdentityName } from '../registry/registry.ts'

/** What a link of a device leads to. */
export type DeviceLinkKind = 'events' | 'devicebound' | 'methods' | 'twin'

export interface DeviceAddress {
  readonly name: IdentityName
  /** Undefined: the identity alone, as tokens are put for it. */
  readonly kind: DeviceLinkKind | undefined
}

const kinds: Readonly<Record<string, DeviceLinkKind | undefined>> = {
  '': undefined,
  'messages/events': 'events',
  'messages/devicebound': 'devicebound',
  'methods/devicebound': 'methods',
  twin: 'twin',
}

/**
 * `/devices/{d}/...` or `/devices/{d}/modules/{m}/...`, ids percent-encoded. Undefined: it is none of a device.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support, "Device client"
 */
export function decodeDeviceAddress(address: string): DeviceAddress | undefined {
  const match = /^\/?devices\/([^/]+)(?:\/modules\/([^/]+))?(?:\/(.*))?$/i.exec(address)
  if (!match) return undefined
  const [, device = '', module, rest = ''] = match
  const what = rest.replace(/\/$/, '').toLowerCase()
  if (!Object.hasOwn(kinds, what)) return undefined
  try {
    const deviceId = checkId(decodeURIComponent(device), 'deviceId')
    const name =
      module === undefined
        ? { deviceId }
        : { deviceId, moduleId: checkId(decodeURIComponent(module), 'moduleId') }
    return { name, kind: kinds[what] }
  } catch {
    return undefined
  }
}
