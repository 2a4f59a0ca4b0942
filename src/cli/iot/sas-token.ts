import { createHmac } from 'node:crypto'
import type { EpochMs } from '../../base/clock.ts'

/**
 * A shared access signature for a hub, or for a device of one, as the official clients make it.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas
 *
 * @param resource such as `contoso.azure-devices.net/devices/dev1`
 * @param key base64
 * @param policy whose key it is; undefined: the device's own
 */
export function encodeSasToken(resource: string, key: string, expiresAt: EpochMs, policy?: string): string {
  const sr = encodeURIComponent(resource)
  const se = Math.ceil(expiresAt / 1000)
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${se}`).digest('base64')
  const skn = policy === undefined ? '' : `&skn=${encodeURIComponent(policy)}`
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${se}${skn}`
}
