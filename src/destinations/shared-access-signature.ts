import { createHmac } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'

/**
 * `SharedAccessSignature sr=…&sig=…&se=…&skn=…`: the right to that resource until that moment.
 *
 * Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-sas, "Generate a Shared Access Signature token"
 *
 * @param resource such as `http://namespace.servicebus.windows.net/entity`
 */
export function sharedAccessSignature(
  resource: string,
  { keyName, key }: { readonly keyName: string; readonly key: string },
  expiresAt: EpochMs,
): string {
  const sr = encodeURIComponent(resource)
  const se = Math.floor(expiresAt / 1000)
  // The key is used as it is written, not as the bytes that its base64 stands for.
  const sig = createHmac('sha256', key).update(`${sr}\n${se}`).digest('base64')
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}&skn=${encodeURIComponent(keyName)}`
}
